"""Every text in what is sent to a model, and in what it answers, each with its place. Pure.

The names of members are texts too: a tool's schema has some that a model reads. And texts that a model reads as one are looked at
as one, or a word could be cut in two.
"""

import base64
import binascii
import codecs
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

#: Where a value stands: names and numbers, from the outside in.
Steps: TypeAlias = tuple[str | int, ...]

#: Converse's binary members. A document of text is one too.
_BINARY: Final = "bytes"
#: Documents that are text. Source: `DocumentFormat` of Bedrock Runtime's service model in botocore 1.43.117 (November 2026).
_TEXT_FORMATS: Final = ("txt", "md", "csv", "html")


def texts_in(value: Any, steps: Steps = (), *, values_only: bool = False) -> Iterator[tuple[Steps, str]]:
    """The texts of a JSON value, which is nested no deeper than a request may be; a member's name stands where the member does.

    Numbers are texts too, as they are written. With `values_only`, each text once: no names, no numbers, and nothing joined.
    """
    if isinstance(value, str):
        yield steps, value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not values_only:
            yield steps, str(value)
    elif isinstance(value, Mapping):
        yield from _members(value, steps, values_only)
    elif isinstance(value, list | tuple):
        if not values_only and (joined := _joined(value)):
            yield steps, joined
        for i, each in enumerate(value):
            yield from texts_in(each, (*steps, i), values_only=values_only)


def _members(value: Mapping[str, Any], steps: Steps, values_only: bool) -> Iterator[tuple[Steps, str]]:
    for name, each in value.items():
        if not values_only:
            yield (*steps, name), name
        if name == "source" and value.get("format") in _TEXT_FORMATS and isinstance(each, Mapping):
            yield from _otherwise(each.get(_BINARY), (*steps, name, _BINARY), values_only)
        if name == _BINARY and isinstance(each, str):
            yield from _decoded(each, (*steps, name))
        else:
            yield from texts_in(each, (*steps, name), values_only=values_only)


def _joined(values: Sequence[Any]) -> str:
    """What blocks of text say together; empty where there are less than two."""
    said = [text for each in values for text in _said(each)]
    return "".join(said) if len(said) > 1 else ""


def _said(block: Any) -> Iterator[str]:
    """What a block says as text, in what Converse wraps it. No deeper: a text that is wrapped many times would be many texts."""
    if isinstance(block, str):
        yield block
    elif isinstance(block, Mapping):
        guarded, cited = block.get("guardContent"), block.get("citationsContent")
        inner = cited.get("content") if isinstance(cited, Mapping) else None
        wrapped = (
            block,
            guarded.get("text") if isinstance(guarded, Mapping) else None,
            *(inner if isinstance(inner, list | tuple) else ()),
        )
        yield from (text for each in wrapped if isinstance(each, Mapping) and isinstance(text := each.get("text"), str))


def _decoded(encoded: str, steps: Steps) -> Iterator[tuple[Steps, str]]:
    """The text that is sent as binary, if it is one; a picture is none."""
    try:
        yield steps, base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return


def _otherwise(encoded: Any, steps: Steps, values_only: bool) -> Iterator[tuple[Steps, str]]:
    """A document of text that is no UTF-8: as UTF-16 where it says so, and with marks in place of what cannot be read."""
    try:
        document = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except (binascii.Error, ValueError):
        return
    try:
        document.decode()
    except UnicodeDecodeError:
        yield steps, document.decode(errors="replace")
        if not values_only and document.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            yield steps, document.decode("utf-16", errors="replace")

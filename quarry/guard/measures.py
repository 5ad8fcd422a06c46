"""How much a tenant's submissions may hold, beside what the service bounds for all. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from quarry.guard.texts import Steps, texts_in

#: What Converse's blocks attach. Source: `ContentBlock` of Bedrock Runtime's service model in botocore 1.43.117 (November 2026).
_ATTACHED: Final = ("image", "document", "video", "audio")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A tenant's bounds; None: none. Of a native body nobody knows what is attached, so it may be forbidden as a whole."""

    max_messages: int | None = None
    max_blocks: int | None = None
    max_text_characters: int | None = None
    max_total_characters: int | None = None
    max_attachments: int | None = None
    max_attachment_bytes: int | None = None
    allow_images: bool = True
    allow_documents: bool = True
    allow_native: bool = True


FREE: Final = Bounds()


def beyond(sent: Mapping[str, Any], bounds: Bounds) -> Iterator[tuple[Steps, str]]:
    """Where a submission goes beyond its bounds, and how; `sent` are its fields that go to a model, by name.

    Nothing of it has to have been checked.
    """
    if bounds == FREE:
        return
    if not bounds.allow_native and sent.get("native") is not None:
        yield ("native",), "is not allowed for this tenant"
    yield from _counted(sent, bounds)
    yield from _lengths(sent, bounds)
    yield from _attachments(sent, bounds)


def _counted(sent: Mapping[str, Any], bounds: Bounds) -> Iterator[tuple[Steps, str]]:
    native = sent.get("native")
    for steps, messages in (
        (("messages",), sent.get("messages")),
        (("native", "messages"), native.get("messages") if isinstance(native, Mapping) else None),
    ):
        if bounds.max_messages is not None and isinstance(messages, list) and len(messages) > bounds.max_messages:
            yield steps, _too_many(len(messages), "messages", bounds.max_messages)
    blocks = sum(1 for name in ("messages", "system", "native") for _ in _blocks(sent.get(name), (name,)))
    if bounds.max_blocks is not None and blocks > bounds.max_blocks:
        yield _largest(sent), _too_many(blocks, "content blocks", bounds.max_blocks)


def _lengths(sent: Mapping[str, Any], bounds: Bounds) -> Iterator[tuple[Steps, str]]:
    total = 0
    for steps, text in texts_in(sent, values_only=True):
        total += len(text)
        if bounds.max_text_characters is not None and len(text) > bounds.max_text_characters:
            yield steps, _too_many(len(text), "characters", bounds.max_text_characters)
    if bounds.max_total_characters is not None and total > bounds.max_total_characters:
        yield _largest(sent), f"{_too_many(total, 'characters', bounds.max_total_characters)}, all texts together"


def _attachments(sent: Mapping[str, Any], bounds: Bounds) -> Iterator[tuple[Steps, str]]:
    attached = [each for name in ("messages", "system") for each in _attached(sent.get(name), (name,))]
    forbidden = {"image": not bounds.allow_images, "document": not bounds.allow_documents}
    for steps, kind, size in attached:
        if forbidden.get(kind):
            yield steps, "is not allowed for this tenant"
        elif bounds.max_attachment_bytes is not None and (size is None or size > bounds.max_attachment_bytes):
            yield (
                steps,
                ("is of a size that is not known here" if size is None else _too_many(size, "bytes", bounds.max_attachment_bytes)),
            )
    if bounds.max_attachments is not None and len(attached) > bounds.max_attachments:
        yield attached[bounds.max_attachments][0], _too_many(len(attached), "attachments", bounds.max_attachments)


def _blocks(value: Any, steps: Steps) -> Iterator[Steps]:
    """Every object in a list called `content`, and in `system` itself."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _blocks(each, (*steps, name))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            if isinstance(each, Mapping) and steps[-1] in ("content", "system"):
                yield (*steps, i)
            yield from _blocks(each, (*steps, i))


def _attached(value: Any, steps: Steps) -> Iterator[tuple[Steps, str, int | None]]:
    """What is attached: its place, its kind, its size in bytes, which is None where it lies elsewhere."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name in _ATTACHED and isinstance(each, Mapping) and "source" in each:
                yield (*steps, name), name, _size(each["source"])
            else:
                yield from _attached(each, (*steps, name))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _attached(each, (*steps, i))


def _size(source: Any) -> int | None:
    if not isinstance(source, Mapping):
        return None
    if isinstance(encoded := source.get("bytes"), str):
        return len(encoded) * 3 // 4 - encoded.count("=", -2)
    texts = [text for _, text in texts_in({name: each for name, each in source.items() if name != "s3Location"}, values_only=True)]
    return sum(len(text.encode(errors="replace")) for text in texts) if texts else None


def _largest(sent: Mapping[str, Any]) -> Steps:
    """The field that is meant where several are too much together: the one that carries the conversation."""
    return next(((name,) for name in ("messages", "native", "prompt") if sent.get(name) is not None), ("body",))


def _too_many(count: int, of: str, most: int) -> str:
    return f"has {count:,} {of}, and this tenant's may have {most:,}"

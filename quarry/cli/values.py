"""The values of options: what each may be, and the sentence for what it is not."""

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

_AGE: Final = re.compile(r"(\d{1,5})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A number of things within these bounds."""
    wanted = f"a number from {least} " + ("up" if most is None else f"to {most}")

    def value(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= (int(text) if most is None else most):
            raise _wrong(text, wanted)
        return int(text)

    return value


count: Final = whole(1)
#: A TCP port; 0 takes any free one.
port: Final = whole(0, 65_535)


def seconds(text: str) -> float:
    """A number of seconds."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise _wrong(text, "a number of seconds")
    return value


def rate(text: str) -> float:
    """So many a second."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise _wrong(text, "a number above 0")
    return value


def number(least: float, most: float) -> Callable[[str], float]:
    """A number within these bounds."""

    def value(text: str) -> float:
        found = _number(text)
        if not least <= found <= most:
            raise _wrong(text, f"a number from {least:g} to {most:g}")
        return found

    return value


def instant(text: str) -> datetime:
    """An instant, or how long ago it was."""
    if age := _AGE.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    with suppress(ValueError):
        value = datetime.fromisoformat(text)
        if value.tzinfo is not None:
            return value
    raise _wrong(text, "an instant with its offset (2026-11-21T12:00:00Z), or an age (90m, 2h, 7d)")


def url(text: str) -> str:
    """The base URL of an API."""
    # Only who names one waits for this import.
    from quarry.settings import base_url

    try:
        return base_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{masked(text)!r} is no base URL of an API: {error}") from error


def masked(text: str) -> str:
    """It without the passwords of URLs."""
    return re.sub(r"//[^/@\s]*@", "//…@", text)


def words(text: str) -> str:
    """Text that is sent."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _wrong(text, "UTF-8") from error
    return text


def listed(text: str) -> list[str]:
    """Words with commas between."""
    return [each.strip() for each in words(text).split(",")]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _wrong(text: str, wanted: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} is not {wanted}")

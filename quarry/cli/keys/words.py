"""What a person may write for a tenant, a name, a scope, a time, or a key."""

import argparse
import re
from typing import Final

from quarry.cli.exits import CommandFailed

_NAME_MAX: Final = 100
#: Our own choices: ten years, and a year.
_DAYS_MAX: Final = 3650
_HOURS_MAX: Final = 8760
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_WORD: Final = r"[a-z][a-z0-9-]{0,63}"
_SCOPE: Final = re.compile(rf"{_WORD}(:{_WORD})?")


def no_such_key() -> CommandFailed:
    """The error. It does not repeat what was typed, which may be a whole key."""
    return CommandFailed("there is no such key; `quarry keys list` shows the ids of those that there are")


def tenant(text: str) -> str:
    """A tenant's name: part of the keys of what is stored, where `#` and `/` stand between the parts."""
    if not _TENANT.fullmatch(text):
        raise argparse.ArgumentTypeError("a tenant has 1 to 64 letters, digits, - and _, and begins with none of the last two")
    return text


def name(text: str) -> str:
    """What a key is for: one line."""
    if len(text) > _NAME_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(f"a name has up to {_NAME_MAX} characters, all of them printable")
    return text


def scope(text: str) -> str:
    """A role or a permission."""
    if not _SCOPE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a role (such as member) nor a permission (such as read:jobs)")
    return text


def days(text: str) -> int:
    """A number of days, of which 0 means for ever."""
    value = int(text)
    if not 0 <= value <= _DAYS_MAX:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and {_DAYS_MAX}")
    return value


def hours(text: str) -> float:
    """A number of hours, which may have a fraction."""
    value = float(text)
    if not 0 <= value <= _HOURS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {_HOURS_MAX}")
    return value

"""What a person may write for a tenant, a name, a scope, a time, or a key."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from quarry.access import PERMISSIONS, is_tenant, load_roles, unknown_scopes
from quarry.cli.exits import CommandFailed, WrongUsage

if TYPE_CHECKING:
    from quarry.settings import Settings

_NAME_MAX: Final = 100
#: Our own choices: ten years, and a year.
_DAYS_MAX: Final = 3650
_HOURS_MAX: Final = 8760


def no_such_key() -> CommandFailed:
    """The error. It does not repeat what was typed, which may be a whole key."""
    return CommandFailed("there is no such key; `quarry keys list` shows the ids of those that there are")


def tenant(text: str) -> str:
    """A tenant's name: part of the keys of what is stored, where `#` and `/` stand between the parts."""
    if not is_tenant(text):
        raise argparse.ArgumentTypeError("a tenant has 1 to 64 letters, digits, - and _, and begins with none of the last two")
    return text


def name(text: str) -> str:
    """What a key is for: one line."""
    if len(text) > _NAME_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(f"a name has up to {_NAME_MAX} characters, all of them printable")
    return text


def check_scopes(scopes: Iterable[str], settings: "Settings") -> None:
    """See that each is a role of this deployment, or a permission.

    Raises:
        WrongUsage: one is neither.
    """
    roles = load_roles(settings.api.roles_file)
    for unknown in unknown_scopes(scopes, roles):
        known = ", ".join((*roles, *PERMISSIONS))
        raise WrongUsage(f"--scope {unknown}: neither a role nor a permission has that name; there are {known}")


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

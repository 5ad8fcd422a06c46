"""What callers may do: permissions, and roles, which are named sets of them. A scope of a key, or what a token says of its bearer,
is the name of either; what is neither allows nothing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from quarry.toml_fields import TEXT, Field, checked, list_of, named, table
from quarry.toml_file import TomlFile

#: Everything that can be permitted, `action:resource`, and what it opens.
PERMISSIONS: Final[Mapping[str, str]] = {
    "submit:jobs": "submit jobs, one by one and in bulk",
    "read:jobs": "read, list and look up the tenant's jobs, with what was answered",
    "cancel:jobs": "cancel the tenant's jobs",
    "erase:jobs": "erase the tenant's jobs, with all that was asked and answered",
}
#: Role → its permissions.
Roles: TypeAlias = Mapping[str, frozenset[str]]
#: The roles that there are without a file.
BUILT_IN: Final[Roles] = {
    "member": frozenset(PERMISSIONS),
    "submitter": frozenset({"submit:jobs"}),
    "reader": frozenset({"read:jobs"}),
}
#: Where no role is named: everything that a caller of jobs needs.
DEFAULT_ROLE: Final = "member"

#: Without a colon, so that no role passes for a permission. Our own choice of characters: those that directories call groups by.
_ROLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]{0,63}")
#: Neither `#` nor `/`: these divide a tenant's name from what follows it, in the keys of the table and of the objects.
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def permitted(scopes: Iterable[str], roles: Roles) -> frozenset[str]:
    """What scopes allow, together."""
    granted: set[str] = set()
    for scope in scopes:
        granted |= roles.get(scope, {scope} & PERMISSIONS.keys())
    return frozenset(granted)


def unknown_scopes(scopes: Iterable[str], roles: Roles) -> list[str]:
    """Those that allow nothing, since there is neither a role nor a permission of that name."""
    return [scope for scope in scopes if scope not in roles and scope not in PERMISSIONS]


def is_tenant(name: str) -> bool:
    """Whether a tenant can be called that."""
    return _TENANT.fullmatch(name) is not None


def load_roles(path: str | None) -> Roles:
    """The built-in roles, with those of a file beside them, or in the place of the one that has the same name.

    Raises:
        ConfigurationError: a sentence for each fault that names the file, the line, the place in it and what is wrong.
    """
    if path is None:
        return BUILT_IN
    return {**BUILT_IN, **TomlFile("QUARRY_API__ROLES_FILE", path).read(_FILE)}


def _require_name(name: str) -> None:
    if not _ROLE.fullmatch(name):
        raise ValueError("must be named by letters, digits and . _ / -, a letter first")


def _permission(text: str) -> str:
    if text not in PERMISSIONS:
        raise ValueError(f"is {text!r}, which is no permission; there are {', '.join(PERMISSIONS)}")
    return text


_PERMISSIONS: Final = checked(list_of(checked(TEXT, _permission), "list of permissions"), frozenset)
_FILE: Final = table(
    {
        "roles": Field(
            named(_require_name, lambda _: _PERMISSIONS, "lists by name"), "[roles], with lists of permissions", required=True
        )
    },
    lambda roles: roles,
)

"""What each route asks for. What is not in here is served to nobody."""

from collections.abc import Mapping
from typing import Final

#: Everything that can be permitted: `action:resource`.
PERMISSIONS: Final = frozenset({"submit:jobs", "read:jobs", "cancel:jobs"})
#: Served to anybody: they tell nothing of anybody.
PUBLIC: Final = ""

#: (method, path template) → permission.
RULES: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/v1/jobs"): "submit:jobs",
    ("POST", "/v1/jobs/bulk"): "submit:jobs",
    ("POST", "/v1/jobs/lookup"): "read:jobs",
    ("GET", "/v1/jobs"): "read:jobs",
    ("GET", "/v1/jobs/{request_id}"): "read:jobs",
    ("POST", "/v1/jobs/{request_id}/cancel"): "cancel:jobs",
    ("GET", "/livez"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
}

#: Role → what it may do. A scope of a key or a claim of a token is one of these, or a permission by itself.
ROLES: Final[Mapping[str, frozenset[str]]] = {"member": PERMISSIONS, "reader": frozenset({"read:jobs"})}


def permitted(scopes: tuple[str, ...]) -> frozenset[str]:
    """What scopes and roles allow, together. An unknown one allows nothing."""
    granted: set[str] = set()
    for scope in scopes:
        granted |= {scope} & PERMISSIONS | ROLES.get(scope, frozenset())
    return frozenset(granted)

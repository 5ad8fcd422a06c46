"""Reading `tenants.toml`; each subject's module says what may stand in its table.

    [default.limits]
    max_tokens = 4000

    [tenants.acme.limits]
    max_tokens = 16000

What is said of a tenant goes before what is said of all of them, field by field. What is not understood is refused, all of it at
once, each fault with its line.
"""

from collections.abc import Mapping
from typing import Any, Final

from quarry.access import is_tenant
from quarry.tenants.guard import GUARD_TABLE
from quarry.tenants.limits import LIMITS, Limits
from quarry.tenants.policy import PLAIN, Policy, Tenants
from quarry.tenants.privacy import PRIVACY, Privacy
from quarry.tenants.webhooks import WEBHOOKS, Webhooks
from quarry.toml_fields import Field, Kind, named, table
from quarry.toml_file import TomlFile

VARIABLE: Final = "QUARRY_TENANTS_FILE"

#: The tables of a policy, by their names.
POLICY: Final[Mapping[str, Field]] = {
    "limits": Field(table(LIMITS, Limits), "How much may be asked for."),
    "guard": Field(GUARD_TABLE, "What texts may hold."),
    "privacy": Field(table(PRIVACY, Privacy), "What is kept, and for how long."),
    "webhooks": Field(table(WEBHOOKS, Webhooks), "How it is told of its jobs' ends."),
}
_POLICY: Final = table(POLICY, Policy)


def _require_tenant(name: str) -> None:
    if not is_tenant(name):
        raise ValueError("is no tenant's name: 1 to 64 letters, digits, - and _, the first a letter or a digit")


_FILE: Final = table(
    {
        "default": Field(_POLICY, "What holds for every tenant, unless it is said otherwise of one."),
        "tenants": Field(named(_require_tenant, lambda _: _POLICY, "tables by name"), "[tenants.NAME]"),
    },
    lambda default=PLAIN, tenants=None: Tenants(default, tenants),
)


def _read(document: Any) -> Tenants:
    _FILE.read(document)  # as it is written, so that a fault is told once, and where it stands
    default = document.get("default", {})
    return _FILE.read({**document, "tenants": {name: _over(default, own) for name, own in document.get("tenants", {}).items()}})


def _over(default: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """One policy, written over another."""
    return {name: {**default.get(name, {}), **own.get(name, {})} for name in {**default, **own}}


TENANTS_FILE: Final = Kind("tenants", _read)


def load_tenants(path: str | None, *, variable: str | None = VARIABLE) -> Tenants:
    """Read `tenants.toml`; without a path, nothing is said of anybody. `variable`: the setting that names it.

    Raises:
        ConfigurationError: for each fault a sentence that names the file, the line, the place in it and what is wrong.
    """
    return TomlFile(variable, path).read(TENANTS_FILE) if path else Tenants()

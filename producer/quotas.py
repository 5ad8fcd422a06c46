"""How a tenant stands with its limits, as HTTP header fields. Pure.

By draft-ietf-httpapi-ratelimit-headers-11 (May 2026), whose fields are lists of structured fields (RFC 9651). `q` is what a window
of `w` seconds brings, `r` what is left now, `t` in how many seconds there is more.
"""

from collections.abc import Iterable
from typing import Final

from quarry.errors import Quota

POLICY: Final = "RateLimit-Policy"
STATE: Final = "RateLimit"

#: The same for OpenAPI.
DOCUMENTED: Final = {
    name: {"description": says, "schema": {"type": "string"}}
    for name, says in (
        (POLICY, 'What the tenant\'s limits are, such as `"requests";q=60;w=60`. Only for a tenant that has some.'),
        (STATE, 'How it stands with them, such as `"requests";r=12;t=1`.'),
    )
}


def headers(quotas: Iterable[Quota]) -> dict[str, str]:
    """Both fields; none where there is no limit."""
    told = list(quotas)
    if not told:
        return {}
    return {POLICY: ", ".join(map(_policy, told)), STATE: ", ".join(map(_state, told))}


def _policy(quota: Quota) -> str:
    return _member(quota.name, q=quota.most, w=quota.window_seconds)


def _state(quota: Quota) -> str:
    return _member(quota.name, r=quota.left, t=quota.more_in_seconds)


def _member(name: str, **parameters: int | None) -> str:
    """A string with its parameters. Names are ours, of letters and hyphens: nothing in them has to be escaped."""
    return f'"{name}"' + "".join(f";{key}={value}" for key, value in parameters.items() if value is not None)

"""What every answer says to browsers and caches: that it is data, and nobody's to keep.

There is no `Strict-Transport-Security`: this process speaks plain HTTP, over which browsers ignore it, and whether a host is to be
reached by TLS alone is for whoever ends TLS there to say.
"""

from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]

POLICY: Final = "content-security-policy"
_POLICY: Final = POLICY.encode()

_EVERYWHERE: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    # Answers hold prompts and completions.
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
#: What is no page: nothing in it is to be run, loaded or framed.
_DATA: Final = (*_EVERYWHERE, (_POLICY, b"default-src 'none'; frame-ancestors 'none'"))


def guarded(headers: Iterable[Header]) -> list[Header]:
    """An answer's headers with these. A page keeps the policy that it brings."""
    own = list(headers)
    return [*own, *(_EVERYWHERE if any(name == _POLICY for name, _ in own) else _DATA)]

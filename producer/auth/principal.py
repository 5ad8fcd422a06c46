"""Who is calling."""

from dataclasses import dataclass
from typing import Final, Protocol

from quarry.telemetry.audit import Who

#: Whose jobs are where nobody is asked who they are.
DEFAULT_TENANT: Final = "default"


@dataclass(frozen=True, slots=True)
class Principal(Who):
    """A caller who has proved who they are. `subject` names them within the tenant, for the audit log: a key's id, or what a token
    calls its `sub`.
    """

    permissions: frozenset[str]


class Scheme(Protocol):
    """One way of proving who one is."""

    async def authenticate(self, credential: str) -> Principal | None:
        """Look at what came with `Authorization: Bearer`.

        Returns:
            Whose it is; None where it is none of this scheme's.

        Raises:
            Unauthenticated: it is of this scheme, and does not hold.
            StoreUnavailable, IssuerUnavailable: nobody can tell now.
        """

"""Who is calling. This version knows anonymous callers, in `local`; each is the tenant `default`."""

from typing import Final

from quarry.errors import ConfigurationError
from quarry.settings import Environment, Settings

DEFAULT_TENANT: Final = "default"


async def tenant() -> str:
    """The caller's tenant. Every route that touches jobs depends on it, and on nothing else that tells who calls."""
    return DEFAULT_TENANT


def require_authentication(settings: Settings) -> None:
    """Refuse to serve everybody where that is not meant.

    Raises:
        ConfigurationError: outside `local` without authentication.
    """
    if settings.environment is not Environment.LOCAL and settings.api.auth is None:
        raise ConfigurationError(
            f"QUARRY_API__AUTH is not set, and QUARRY_ENVIRONMENT={settings.environment} does not allow anonymous callers; "
            "this version serves in `local` only"
        )

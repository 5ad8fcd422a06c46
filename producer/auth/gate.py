"""The gate before every route: who is it, and may they?"""

from collections.abc import Sequence
from typing import Final

from fastapi import Request

from producer.auth.principal import DEFAULT_TENANT, Principal, Scheme
from producer.auth.rules import RULES, Public
from producer.auth.witness import Witness
from quarry.access import PERMISSIONS, is_tenant
from quarry.errors import ConfigurationError, Forbidden, Unauthenticated
from quarry.settings import Environment, Settings
from quarry.telemetry.acts import Act

ANONYMOUS: Final = Principal(DEFAULT_TENANT, "anonymous", "anonymous", frozenset(PERMISSIONS))
#: Where a request's scope says whose it is, once that is known.
CALLERS_TENANT: Final = "quarry.tenant"
_NOBODY: Final = Principal("", "", "", frozenset())


class Gate:
    """Lets callers pass whom one of the schemes knows; without any scheme, everybody, as one tenant."""

    def __init__(self, schemes: Sequence[Scheme], witness: Witness) -> None:
        self._schemes = schemes
        self._witness = witness

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return not self._schemes

    async def admit(self, request: Request) -> Principal:
        """Who calls, where the route's rule lets them.

        Raises:
            Unauthenticated: nobody knows.
            Forbidden: they may not, or there is no rule.
            StoreUnavailable: nobody can tell now.
        """
        rule = RULES.get((request.method, request.scope["route"].path))
        if isinstance(rule, Public):
            return _NOBODY
        try:
            caller = await self._caller(request) if self._schemes else ANONYMOUS
        except Unauthenticated as error:
            claimed = {"claimed": error.claimed} if error.claimed else {}
            self._witness.saw_refused(Act.AUTHENTICATION_REFUSED, _NOBODY, request, **claimed)
            raise
        if rule not in caller.permissions:
            self._witness.saw_refused(Act.PERMISSION_REFUSED, caller, request, permission=rule)
            raise Forbidden("you may not do that here")
        request.scope[CALLERS_TENANT] = caller.tenant
        return caller

    async def _caller(self, request: Request) -> Principal:
        given = request.headers.getlist("authorization")
        kind, _, credential = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if kind.lower() == "bearer" and credential:
            for scheme in self._schemes:
                principal = await scheme.authenticate(credential)
                # Whatever a scheme took it from: in keys of the table and of objects, other names could reach into other tenants.
                if principal and is_tenant(principal.tenant):
                    return principal
        raise Unauthenticated("no valid credential came with the request")


def require_authentication(settings: Settings) -> None:
    """Refuse to serve everybody where that is not meant.

    Raises:
        ConfigurationError: outside `local` without authentication.
    """
    if settings.environment is not Environment.LOCAL and settings.api.auth is None:
        raise ConfigurationError(
            f"QUARRY_API__AUTH is not set, and QUARRY_ENVIRONMENT={settings.environment} does not allow anonymous callers; "
            "set it to `api_key`, and make a key by `quarry keys create`, or to `jwt`, for tokens of an OIDC issuer"
        )

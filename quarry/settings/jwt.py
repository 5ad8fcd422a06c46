"""Settings of the scheme `jwt`, `QUARRY_JWT__…`."""

from typing import Annotated, Final

from pydantic import Field

from quarry.settings.group import Group, list_of

_URL: Final = r"^https?://[^/?#]+"

#: What an issuer may sign with: its public keys verify. `Ed25519` is the newer name of `EdDSA` (RFC 9864).
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519",
)  # fmt: skip


class JwtSettings(Group):
    """Tokens of an OpenID Connect issuer."""

    issuer: str | None = Field(
        None,
        pattern=_URL,
        description="Who signs the tokens: exactly their `iss`, an https URL (http in `local` only). Needed by `jwt`. A wrong one "
        "refuses every token.",
    )
    audience: str | None = Field(
        None, description="Whom the tokens are for: their `aud`, or one of it. Needed by `jwt`. A wrong one refuses every token."
    )
    jwks_url: str | None = Field(
        None,
        pattern=_URL,
        description="Where the issuer publishes its keys; without it, where ISSUER/.well-known/openid-configuration says. While "
        "nothing is there, tokens are answered with 503.",
    )
    algorithms: Annotated[str, list_of(ALGORITHMS)] = Field(
        "RS256,ES256",
        description=f"What the issuer signs with, comma-separated: {', '.join(ALGORITHMS)}. Tokens signed otherwise are refused.",
    )
    leeway_seconds: int = Field(
        30,
        ge=0,
        le=300,
        description="How far the issuer's clock may be off. Too short: fresh tokens are refused; too long: tokens live on.",
    )
    tenant_claim: str = Field(
        "tenant",
        min_length=1,
        description="The claim that names the tenant: its name, or a dotted path. A token without it is refused.",
    )
    roles_claim: str = Field(
        "roles",
        min_length=1,
        description="The claim with roles and permissions, as a list or separated by spaces (`scope`): its name, or a dotted path. "
        "A token without it may do nothing.",
    )
    keys_seconds: int = Field(
        600,
        ge=30,
        le=43_200,
        description="After how long the issuer's keys are fetched anew. Too long: a key that the issuer withdraws still opens.",
    )

"""Settings of the producer process, `QUARRY_API__…`."""

from typing import Annotated, Final

from pydantic import Field

from quarry.settings.group import Group, Port, list_of, listed

ANONYMOUS: Final = "anonymous"
#: Ways in which callers can prove who they are.
SCHEMES: Final = ("api_key", "jwt")


class ApiSettings(Group):
    """The producer process."""

    auth: Annotated[str, list_of((*SCHEMES, ANONYMOUS))] | None = Field(
        None,
        description="How callers prove who they are: `api_key`, `jwt`, or both (`api_key,jwt`). `anonymous` is possible in `local` "
        "only, by itself, and is the default there.",
    )
    key_cache_seconds: int = Field(
        5,
        ge=1,
        le=60,
        description="How long what was read of an API key is relied on. Too long: a revoked key still opens; too short: a read for "
        "almost every request.",
    )
    roles_file: str | None = Field(
        None, description="Path of roles.toml: roles beside the built-in ones, or in their place. A wrong one stops the process."
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="How many proxies of yours are in front, whose entries of X-Forwarded-For are believed, from the right. Too "
        "many: callers choose the address that the audit log has of them; too few: it has a proxy's.",
    )
    metrics_port: Port = Field(9091, description="Port of /livez, /readyz and /metrics; 0 takes any free one.")
    metrics_host: str = Field("127.0.0.1", description="Address that port listens on; 0.0.0.0 in a container.")
    body_max_bytes: int = Field(
        23_068_672,
        ge=1024,
        le=104_857_600,
        description="Largest request body, except bulk: the largest payload and its wrapping. Too small: payloads are refused "
        "that a job could carry; too large: memory per request.",
    )
    bulk_body_max_bytes: int = Field(
        20_971_520, ge=1024, le=104_857_600, description="Largest body of a bulk submission. Too large: memory per request."
    )
    inflight_body_bytes: int = Field(
        134_217_728,
        ge=1_048_576,
        description="Request bodies being served, together, small ones aside; beyond it a request is answered with 503. Memory is "
        "about four times that. Too much: the process is killed; too little: large submissions are turned away.",
    )
    connections: int = Field(
        4096,
        ge=10,
        le=200_000,
        description="Connections at a time; one more is answered with 503 and closed. Too many: memory (tens of KiB each) and the "
        "process's open files; too few: callers are turned away, long-polls with them.",
    )
    wait_max_seconds: int = Field(
        30,
        ge=0,
        le=30,
        description="Longest `wait_seconds` of a GET. Longer than a proxy in front waits for an answer: it gives up first; "
        "shorter: callers ask more often.",
    )
    lookup_max_bytes: int = Field(
        5_242_880,
        ge=0,
        le=5_242_880,
        description="Results that one lookup shows, together; jobs beyond it come without theirs. More than a proxy in front lets "
        "pass: the whole answer is lost.",
    )
    waiters: int = Field(
        1000, ge=0, le=100_000, description="Concurrent long-polls; beyond it a GET answers at once. Too many: read cost."
    )
    followers: int = Field(
        500,
        ge=0,
        le=100_000,
        description="Event streams at a time, half of them for one tenant; one more is answered with 503. With 0 there are none. "
        "Too many: read cost, up to four queries a second for each, and connections that others want.",
    )

    @property
    def schemes(self) -> tuple[str, ...]:
        """Those of SCHEMES that are to be used, in this order; none where nobody is asked who they are."""
        return () if self.auth is None or self.auth == ANONYMOUS else listed(self.auth)

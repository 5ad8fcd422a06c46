"""How much a tenant may ask for: `limits` in `tenants.toml`. A new limit is a row, and a member of the dataclass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from quarry.toml_fields import Field, whole


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's limits; None: none."""

    #: Submissions, each item of a bulk one being one; and how many of them may come at once (None: a minute's).
    requests_per_minute: int | None = None
    burst_requests: int | None = None
    #: Of a job: what it may ask to be answered. The service's own bound holds as well.
    max_tokens: int | None = None


LIMITS: Final[Mapping[str, Field]] = {
    "requests_per_minute": Field(
        whole(1, 1_000_000),
        "Jobs that may be submitted a minute, a bulk submission counting its items; what is not used adds up, to `burst_requests`.",
    ),
    "burst_requests": Field(
        whole(1, 1_000_000), "Jobs that may be submitted at once, after a pause; without it, `requests_per_minute`."
    ),
    "max_tokens": Field(
        whole(1, 1_000_000), "No job may ask for more tokens than this. Without it, the service's bound alone holds."
    ),
}

"""How much a tenant may ask for: `limits` in `tenants.toml`. A new limit is a row, and a member of the dataclass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from quarry.toml_fields import Field, whole


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's limits; None: none."""

    #: Of a job: what it may ask to be answered. The service's own bound holds as well.
    max_tokens: int | None = None
    #: Worked at one time, by all workers together. The others wait.
    jobs_in_flight: int | None = None


LIMITS: Final[Mapping[str, Field]] = {
    "max_tokens": Field(
        whole(1, 1_000_000), "No job may ask for more tokens than this. Without it, the service's bound alone holds."
    ),
    "jobs_in_flight": Field(
        whole(1, 1_000_000), "So many jobs are worked at one time, by all workers together; the others wait, and lose no attempt."
    ),
}

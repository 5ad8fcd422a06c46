"""How much a tenant may ask for: `limits` in `tenants.toml`. A new limit is a row, and a member of the dataclass."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from quarry.toml_fields import TEXT, Field, checked, list_of, whole


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's limits; None: none."""

    #: Submissions, each item of a bulk one being one; and how many of them may come at once (None: a minute's).
    requests_per_minute: int | None = None
    burst_requests: int | None = None
    #: What is submitted beyond so many waits in the `low` lane, whatever its priority.
    demote_over_per_minute: int | None = None
    #: Accepted, and not over yet.
    queued_jobs: int | None = None
    #: What a job may name as its `model`, and in which regions it may be answered.
    routes: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    #: Of a job, by an estimate.
    max_input_tokens: int | None = None
    #: Of a job: what it may ask to be answered. The service's own bound holds as well.
    max_tokens: int | None = None
    #: Worked at one time, by all workers together. The others wait.
    jobs_in_flight: int | None = None


#: The form of a region's name. Which there are is not for this table to know: one that is none allows nothing.
_NAME: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")


def _region(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"is {name!r}, and must be a region, such as eu-central-1")
    return name


_REGION: Final = checked(TEXT, _region, "region")

LIMITS: Final[Mapping[str, Field]] = {
    "requests_per_minute": Field(
        whole(1, 1_000_000),
        "Jobs that may be submitted a minute, a bulk submission counting its items; what is not used adds up, to `burst_requests`.",
    ),
    "burst_requests": Field(
        whole(1, 1_000_000), "Jobs that may be submitted at once, after a pause; without it, `requests_per_minute`."
    ),
    "demote_over_per_minute": Field(
        whole(1, 1_000_000),
        "Jobs a minute that keep their priority; as many may come at once. What is submitted beyond that waits in the `low` lane, "
        "so that a burst does not hold up what others submit.",
    ),
    "queued_jobs": Field(
        whole(1, 1_000_000_000),
        "Jobs that are accepted and not over yet. They are counted now and then; what comes in between may pass it.",
    ),
    "routes": Field(
        list_of(TEXT, "list of routes and model ids", 1),
        "What a job may name as its `model`; `default` is what it names if it names none. Whatever else there is, is answered as "
        "if it were not.",
    ),
    "regions": Field(
        list_of(_REGION, "list of regions", 1),
        "Where a job may be answered. What it says itself, and what its route says, can only narrow this.",
    ),
    "max_input_tokens": Field(
        whole(1, 10_000_000),
        "No job may have a longer input, by an estimate: a quarter of its characters, and 1,500 for each image or document.",
    ),
    "max_tokens": Field(
        whole(1, 1_000_000), "No job may ask for more tokens than this. Without it, the service's bound alone holds."
    ),
    "jobs_in_flight": Field(
        whole(1, 1_000_000), "So many jobs are worked at one time, by all workers together; the others wait, and lose no attempt."
    ),
}

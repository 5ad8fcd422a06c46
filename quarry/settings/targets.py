"""Settings of how targets are spared, `QUARRY_BREAKER__…` and `QUARRY_LIMITER__…`. What holds for one target is in routes.toml."""

from pydantic import Field

from quarry.settings.group import Group


class BreakerSettings(Group):
    """When a target that fails is left alone."""

    failures: int = Field(
        5,
        ge=0,
        le=1000,
        description="After so many failures a target is not asked for a while; 0: every target is always asked. Too few: a blip "
        "closes a region; too many: calls are wasted on a dead one.",
    )
    window_seconds: int = Field(
        60, ge=1, le=3600, description="Failures older than that are forgotten. Too long: rare ones add up on a quiet target."
    )
    open_seconds: int = Field(
        30,
        ge=1,
        le=600,
        description="How long it is left alone before one call is tried. Too long: its return is noticed late; too short: calls "
        "are wasted.",
    )


class LimiterSettings(Group):
    """What is done where all targets of a route are full: their quotas, or ceilings, are used up for the moment."""

    wait_seconds: int = Field(
        10,
        ge=0,
        le=300,
        description="How long a job waits in its slot for room before it goes back to the queue. Too short: jobs come and go, "
        "which costs writes; too long: slots are held by jobs that only wait.",
    )

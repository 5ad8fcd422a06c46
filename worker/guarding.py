"""When to ask ECS for scale-in protection, and when this worker stands aside so that it can end: rules, without clock or network.

Protected is who makes a paid call. That a worker is never without one must not keep it for ever: who has a successor, or has been
protected without a break for long, *stands aside*: it receives nothing, finishes, is protected no more, and can be stopped without
loss. Times are seconds on the monotonic clock.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from quarry.backoff import Backoff

#: What is asked for at a time, in minutes. Longer than the longest lease (600 s); renewed while calls run, so that it only tells
#: how long ECS waits for a worker that cannot ask any more. Our own choice; ECS takes 1 to 2880.
PROTECTED_MINUTES: Final = 15
#: A protection is renewed when a third of it is used, as leases are.
_RENEWED_AT: Final = PROTECTED_MINUTES * 60 * 2 / 3
#: After so long without a break a worker stands aside; and for so long it may then go on being protected, if calls do not end.
MOST_SECONDS: Final = 3600.0
#: How long ECS has, then, to stop it, before it receives again. Our own choice: how soon ECS looks is not documented.
REST_SECONDS: Final = 60.0
#: ECS throttles by account and region, at rates that are not published.
_AGAIN: Final = Backoff(base_seconds=4, ceiling_seconds=60, floor_seconds=1)


class Ask(StrEnum):
    """What the agent is asked for."""

    PROTECT = "protect"
    RELEASE = "release"


class Aside(StrEnum):
    """Why a worker stands aside."""

    SUCCEEDED = "succeeded"
    PROTECTED_LONG = "protected_long"


@dataclass(frozen=True, slots=True)
class Terms:
    """What differs between workers.

    `idle_seconds` without a call must have passed before a release: longer than a poll, so that who stands aside has none left.
    `most_seconds` is drawn, so that workers which started together do not stand aside together.
    """

    idle_seconds: float
    most_seconds: float = MOST_SECONDS


@dataclass(frozen=True, slots=True)
class Guard:
    """Where a worker stands."""

    #: Protected until then, and since when without a break.
    until: float = float("-inf")
    since: float = 0.0
    #: When a paid call was last under way.
    busy_at: float = float("-inf")
    #: After so many refusals in a row, the agent is asked again then.
    refusals: int = 0
    ask_at: float = float("-inf")
    #: Why this worker stands aside, and since when.
    aside: Aside | None = None
    aside_at: float = 0.0


def looked(guard: Guard, now: float, terms: Terms, *, busy: bool, succeeded: bool) -> tuple[Guard, Ask | None]:
    """A look at the worker: where it stands now, and what to ask for."""
    protected = now < guard.until
    aside = _aside(guard, now, terms, protected=protected, succeeded=succeeded)
    guard = replace(
        guard,
        busy_at=now if busy else guard.busy_at,
        aside=aside,
        aside_at=guard.aside_at if aside and guard.aside else now,
    )
    return guard, _wish(guard, now, terms, busy=busy, protected=protected)


def granted(guard: Guard, ask: Ask, now: float, asked_at: float) -> Guard:
    """The agent did it. A protection counts from before it was asked for."""
    if ask is Ask.RELEASE:
        return replace(guard, until=min(guard.until, now), refusals=0)
    since = guard.since if asked_at < guard.until else asked_at
    return replace(guard, until=asked_at + PROTECTED_MINUTES * 60, since=since, refusals=0)


def refused(guard: Guard, now: float, draw: float) -> Guard:
    """The agent did not do it: what there was stays until it runs out."""
    refusals = guard.refusals + 1
    return replace(guard, refusals=refusals, ask_at=now + _AGAIN.wait(refusals, draw).total_seconds())


def _aside(guard: Guard, now: float, terms: Terms, *, protected: bool, succeeded: bool) -> Aside | None:
    if succeeded:
        return Aside.SUCCEEDED
    if guard.aside is Aside.PROTECTED_LONG:
        rested = not protected and now >= guard.until + REST_SECONDS
        return None if rested else guard.aside
    return Aside.PROTECTED_LONG if protected and now - guard.since >= terms.most_seconds else None


def _wish(guard: Guard, now: float, terms: Terms, *, busy: bool, protected: bool) -> Ask | None:
    if now < guard.ask_at:
        return None
    if busy:
        # Whose calls do not end either is left to what was granted, or no deployment would.
        spent = guard.aside is not None and now - guard.aside_at >= MOST_SECONDS
        return Ask.PROTECT if guard.until - now <= _RENEWED_AT and not spent else None
    return Ask.RELEASE if protected and now - guard.busy_at >= terms.idle_seconds else None

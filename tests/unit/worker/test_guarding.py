"""When ECS is asked for protection, and when a worker stands aside: the rules, as a table and as long stories."""

from dataclasses import replace

import pytest

from worker.guarding import MOST_SECONDS, PROTECTED_MINUTES, REST_SECONDS, Aside, Ask, Guard, Terms, granted, looked, refused

IDLE = 22.0
TERMS = Terms(idle_seconds=IDLE)
EXPIRY = PROTECTED_MINUTES * 60.0
#: Protected at 1000, with a call under way until 1000.
SHELTERED = Guard(until=1000 + EXPIRY, since=1000, busy_at=1000)


@pytest.mark.parametrize(
    ("guard", "now", "busy", "ask"),
    [
        (Guard(), 0, False, None),
        (Guard(), 0, True, Ask.PROTECT),
        (Guard(ask_at=5), 4, True, None),
        (Guard(ask_at=5), 5, True, Ask.PROTECT),
        (SHELTERED, 1001, True, None),
        (SHELTERED, 1000 + EXPIRY / 3 - 1, True, None),
        (SHELTERED, 1000 + EXPIRY / 3, True, Ask.PROTECT),
        (SHELTERED, 1000 + EXPIRY, True, Ask.PROTECT),
        (SHELTERED, 1000 + IDLE - 1, False, None),
        (SHELTERED, 1000 + IDLE, False, Ask.RELEASE),
        (replace(SHELTERED, ask_at=2000), 1000 + IDLE, False, None),
        (SHELTERED, 1000 + EXPIRY, False, None),
    ],
    ids=[
        "nothing to do", "the first call", "refused before", "again", "protected", "not yet renewed", "renewed", "lapsed",
        "just idle", "idle", "idle, refused before", "idle and lapsed",
    ],
)  # fmt: skip
def test_what_is_asked_for(guard: Guard, now: float, busy: bool, ask: Ask | None) -> None:
    assert looked(guard, now, TERMS, busy=busy, succeeded=False)[1] is ask


class Story:
    """A worker looked at once a second, whose agent grants everything unless it is away."""

    def __init__(self, terms: Terms = TERMS) -> None:
        self.now, self.terms, self.guard = 0.0, terms, Guard()
        self.asked: list[tuple[float, Ask]] = []
        self.agent_is_there = True

    def goes_on(self, seconds: float, *, busy: bool, succeeded: bool = False) -> None:
        """For so long."""
        for _ in range(int(seconds)):
            self.guard, ask = looked(self.guard, self.now, self.terms, busy=busy, succeeded=succeeded)
            if ask:
                self.asked.append((self.now, ask))
                self.guard = (
                    granted(self.guard, ask, self.now, self.now) if self.agent_is_there else refused(self.guard, self.now, 0.5)
                )
            self.now += 1

    @property
    def is_protected(self) -> bool:
        """As ECS has it."""
        return self.now < self.guard.until


def test_short_calls_cost_two_requests_however_many_they_are() -> None:
    """A second of work, a second of none, for a minute."""
    story = Story()
    for _ in range(30):
        story.goes_on(1, busy=True)
        story.goes_on(1, busy=False)
    story.goes_on(60, busy=False)
    assert story.asked == [(0, Ask.PROTECT), (58 + IDLE, Ask.RELEASE)]


def test_a_long_call_stays_protected_by_a_request_each_five_minutes() -> None:
    """Never is there less than two thirds of an expiry left."""
    story = Story()
    story.goes_on(1800, busy=True)
    assert [now for now, _ in story.asked] == [0, 300, 600, 900, 1200, 1500]


def test_an_agent_that_refuses_is_asked_ever_more_rarely_and_what_it_granted_stays() -> None:
    """Half of the time within the bounds of the back-off: at most one request in some thirty seconds after a few."""
    story = Story()
    story.goes_on(1, busy=True)
    story.agent_is_there = False
    story.goes_on(EXPIRY - 2, busy=True)
    assert story.is_protected
    gaps = [later - earlier for (earlier, _), (later, _) in zip(story.asked[1:], story.asked[2:], strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(31, abs=1)
    story.goes_on(1, busy=True)
    assert not story.is_protected
    story.agent_is_there = True
    story.goes_on(62, busy=True)
    assert story.is_protected


def test_who_has_a_successor_receives_nothing_finishes_and_is_protected_no_more() -> None:
    """Its call is protected until it ends, half an hour later; where the successor is gone it goes on at once."""
    story = Story()
    story.goes_on(10, busy=True)
    story.goes_on(1800, busy=True, succeeded=True)
    assert (story.guard.aside, story.is_protected) == (Aside.SUCCEEDED, True)
    story.goes_on(IDLE + 1, busy=False, succeeded=True)
    assert (story.guard.aside, story.is_protected) == (Aside.SUCCEEDED, False)
    story.goes_on(1, busy=False)
    assert story.guard.aside is None


def test_a_call_that_does_not_end_holds_no_deployment_for_ever() -> None:
    """It is protected an hour and an expiry longer at most, and never again while there is a successor."""
    story = Story()
    story.goes_on(1, busy=True)
    story.goes_on(MOST_SECONDS + EXPIRY, busy=True, succeeded=True)
    assert not story.is_protected
    story.goes_on(MOST_SECONDS, busy=True, succeeded=True)
    assert not story.is_protected


def test_who_is_never_idle_stands_aside_once_an_hour_for_a_minute() -> None:
    """ECS can then stop it, whatever it wants that for: nobody told this worker."""
    story = Story()
    story.goes_on(MOST_SECONDS, busy=True)
    assert (story.guard.aside, story.is_protected) == (None, True)
    story.goes_on(30, busy=True)
    assert (story.guard.aside, story.is_protected) == (Aside.PROTECTED_LONG, True)
    story.goes_on(IDLE, busy=False)
    story.goes_on(REST_SECONDS - 1, busy=False)
    assert (story.guard.aside, story.is_protected) == (Aside.PROTECTED_LONG, False)
    story.goes_on(2, busy=False)
    assert story.guard.aside is None
    story.goes_on(MOST_SECONDS - 60, busy=True)
    assert (story.guard.aside, story.is_protected) == (None, True)


def test_a_pause_in_between_begins_the_hour_anew() -> None:
    """Who was released could be stopped."""
    story = Story()
    for _ in range(3):
        story.goes_on(MOST_SECONDS - 100, busy=True)
        story.goes_on(IDLE + 1, busy=False)
        assert (story.guard.aside, story.is_protected) == (None, False)


def test_what_is_granted_counts_from_before_it_was_asked_for() -> None:
    """As a lease does."""
    assert granted(Guard(), Ask.PROTECT, 9, 5) == Guard(until=5 + EXPIRY, since=5)
    assert granted(SHELTERED, Ask.PROTECT, 1300, 1290) == replace(SHELTERED, until=1290 + EXPIRY)

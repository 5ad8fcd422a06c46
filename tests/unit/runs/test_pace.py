"""When jobs are looked at, how trouble is borne with, and how fast a run says that it goes."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from quarry.errors import ApiRefused, ApiUnreachable
from quarry.runs.following import Following
from quarry.runs.patience import PATIENCE_SECONDS, Patience, RunStopped
from quarry.runs.tally import Pace, Speedometer, Tally, told

AWAY = ApiUnreachable("away")


def looks(ends_at: float, usual: float = 0.0) -> list[float]:
    """When one job that ends then is looked at; others have taken `usual`."""
    following = Following()
    for number in range(200 if usual else 0):
        following.follow(f"other-{number}", number, -1000.0)
        following.over(next(job for job in following.due(0.0)), usual)
    start = 1000.0
    following.follow("job", 1, start)
    seen: list[float] = []
    while following:
        now = following.due_at()
        [job] = following.due(now)
        seen.append(now - start)
        if seen[-1] >= ends_at:
            following.over(job)
        else:
            following.later(job, now)
    return seen


@pytest.mark.parametrize("ends_at", [0.3, 5.0, 60.0, 900.0])
def test_a_job_is_seen_soon_after_its_end_with_few_questions(ends_at: float) -> None:
    """At most 15 % of its age and half a second late, or 10 s; a long job costs a question in ten seconds."""
    seen = looks(ends_at)
    assert seen[-1] - ends_at <= min(0.15 * ends_at + 0.5, 10.5)
    assert len(seen) <= 32 + ends_at / 10


def test_what_is_usual_spares_questions() -> None:
    """Where jobs take 20 s, one is not asked for before."""
    seen = looks(20.0, usual=20.0)
    assert seen[0] >= 15
    assert len(seen) <= 4


def test_a_question_holds_a_hundred_jobs() -> None:
    """And jobs that fall due within a moment share one."""
    following = Following()
    for number in range(250):
        following.follow(str(number), number, 0.0)
    assert following.due(0.0) == []
    assert [len(following.due(following.due_at() if len(following) else 0)) for _ in range(3)] == [100, 100, 50]
    assert following.due_at() == float("inf")


def test_equal_lines_are_one_job() -> None:
    """It is asked for once, and answers both."""
    following = Following()
    following.follow("a", 1, 0.0)
    following.follow("a", 2, 0.0)
    [job] = following.due(1.0)
    assert job.lines == [1, 2]


def waited(patience: Patience) -> Iterator[float]:
    """The waits, until it is over; nobody answers."""
    now = 0.0
    with suppress(RunStopped):
        while True:
            patience.trouble(AWAY, now, 0.999)
            yield patience.not_before - now
            now = patience.not_before


def test_a_wrong_url_is_said_at_once() -> None:
    """Where nobody has ever answered, waiting would only hide a slip of the finger."""
    with pytest.raises(RunStopped, match="away"):
        Patience().trouble(AWAY, 0.0, 0.5)


def test_who_takes_long_is_there() -> None:
    """A busy API's first answer may come too late: that is no slip of the finger, and is waited out like any other trouble."""
    patience = Patience()
    patience.trouble(ApiUnreachable("slow", slow=True), 0.0, 0.5)
    assert patience.not_before > 0
    with pytest.raises(RunStopped, match="slow"):
        patience.trouble(ApiUnreachable("slow", slow=True), PATIENCE_SECONDS + 1, 0.5)


def test_a_deploy_is_borne_with_and_an_outage_is_not_for_ever() -> None:
    """Longer and longer waits, up to the bound; an answer begins them anew."""
    patience = Patience()
    patience.fine(0.0)
    waits = list(waited(patience))
    now = sum(waits)
    assert PATIENCE_SECONDS < now <= PATIENCE_SECONDS + 15
    assert waits[0] < 1.01 < waits[1] < waits[2]
    assert max(waits) <= 15
    patience.fine(now)
    patience.trouble(AWAY, now, 0.999)
    assert patience.not_before - now < 1.01


def test_the_api_is_left_alone_as_long_as_it_asks() -> None:
    """Retry-After of a 429 or a 503 is a floor, also for the first answer ever."""
    patience = Patience()
    patience.trouble(ApiRefused(429, "rate_limited", "slow", retry_after_seconds=40.0), 100.0, 0.0)
    assert patience.not_before == 140.0


@pytest.mark.parametrize("status", [401, 403, 404, 415])
def test_what_time_does_not_help_ends_the_run(status: int) -> None:
    """A refusal of the whole conversation is no line's fault, and must not make 100,000 failed lines."""
    with pytest.raises(RunStopped, match=r"no \(code\)"):
        Patience().trouble(ApiRefused(status, "code", "no"), 0.0, 0.0)


def test_the_pace_is_that_of_the_last_half_minute() -> None:
    """A run that was resumed, or throttled, tells the rate of now."""
    speed = Speedometer()
    speed.pace(Tally(1000, completed=500, tokens=0), 0.0)
    for second in range(1, 61):
        pace = speed.pace(Tally(1000, completed=500 + 2 * second, tokens=20 * second), float(second))
    assert pace == Pace(2.0, 20.0, timedelta(seconds=190))
    assert speed.pace(Tally(1000, completed=620, tokens=1200), 100.0).left is None


def test_figures_are_told_in_one_line() -> None:
    """As it stands in a log."""
    tally = Tally(10_000, completed=1231, failed=3, in_flight=2000, tokens=9)
    assert told(tally, Pace(88.2, 10_512.0, timedelta(seconds=99))) == (
        "1,234 of 10,000 done, 3 failed · 2,000 in flight · 88.2 jobs/s · 10,512 tokens/s · 0:01:39 left"
    )

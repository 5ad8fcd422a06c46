"""When scheduled actions are due, held to the examples of the Application Auto Scaling User Guide (read in November 2026):
https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.scaling.schedules import is_due

#: A Monday.
SINCE = datetime(2026, 11, 23, tzinfo=UTC)


def due(schedule: str, timezone: str = "Etc/UTC", days: int = 7) -> list[str]:
    """In the days from SINCE on, in UTC."""
    moments = (SINCE + timedelta(minutes=minute) for minute in range(0, days * 24 * 60, 15))
    return [f"{at:%a %H:%M}" for at in moments if is_due(schedule, timezone, at, SINCE)]


@pytest.mark.parametrize(
    ("schedule", "timezone", "days", "moments"),
    [
        ("cron(0 10 * * ? *)", "Etc/UTC", 2, ["Mon 10:00", "Tue 10:00"]),
        ("cron(15 12 * * ? *)", "Etc/UTC", 1, ["Mon 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", "Etc/UTC", 7, ["Mon 18:00", "Tue 18:00", "Wed 18:00", "Thu 18:00", "Fri 18:00"]),
        ("cron(0 8 1 * ? *)", "Etc/UTC", 7, []),
        ("cron(0/15 8 ? * SUN *)", "Etc/UTC", 7, ["Sun 08:00", "Sun 08:15", "Sun 08:30", "Sun 08:45"]),
        ("cron(0 8 24,26 NOV ? 2026)", "Europe/Berlin", 7, ["Tue 07:00", "Thu 07:00"]),
        ("rate(12 hours)", "Etc/UTC", 2, ["Mon 12:00", "Tue 00:00", "Tue 12:00"]),
        ("at(2026-11-23T09:30:00)", "America/New_York", 1, ["Mon 14:30"]),
    ],
)
def test_schedules(schedule: str, timezone: str, days: int, moments: list[str]) -> None:
    """By cron, by a rate, once; in the action's own time zone."""
    assert due(schedule, timezone, days) == moments


@pytest.mark.parametrize("schedule", ["every day", "cron(0 8 L * ? *)"])
def test_what_is_not_understood_is_refused(schedule: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"."):
        is_due(schedule, "Etc/UTC", SINCE.replace(hour=8), SINCE)

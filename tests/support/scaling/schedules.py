"""When a scheduled action is due, by "Schedule recurring scaling actions using cron expressions" and its neighbours
(scheduled-scaling-using-cron-expressions.html in the Application Auto Scaling User Guide, November 2026).
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_UNITS: Final[Mapping[str, timedelta]] = {
    "minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1),
}  # fmt: skip
_MONTH_NAMES: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NAMES: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS: Final = {name: str(number) for number, name in enumerate(_MONTH_NAMES, 1)}
#: AWS counts from Sunday, which is 1.
_DAYS: Final = {name: str(number) for number, name in enumerate(_DAY_NAMES, 1)}
#: minutes, hours, day of the month, month, day of the week, year: the value at a moment, and other names of values.
_FIELDS: Final[tuple[tuple[Callable[[datetime], int], Mapping[str, str]], ...]] = (
    (lambda at: at.minute, {}), (lambda at: at.hour, {}), (lambda at: at.day, {}), (lambda at: at.month, _MONTHS),
    (lambda at: at.isoweekday() % 7 + 1, _DAYS), (lambda at: at.year, {}),
)  # fmt: skip


def is_due(schedule: str, timezone: str, at: datetime, since: datetime) -> bool:
    """Whether it is due in the minute that begins `at` (aware); `since` is when the action was made, from which a rate counts.

    Raises:
        ValueError: the schedule is none, or has what is not understood here (`L`, `W`, `#`).
    """
    kind, _, inner = schedule.rstrip(")").partition("(")
    local = at.astimezone(ZoneInfo(timezone)).replace(second=0, microsecond=0)
    match kind:
        case "at":
            return datetime.fromisoformat(inner).replace(second=0) == local.replace(tzinfo=None)
        case "rate":
            number, unit = inner.split()
            passed = (at - since) // timedelta(minutes=1)
            return passed > 0 and passed % (int(number) * (_UNITS[unit.removesuffix("s")] // timedelta(minutes=1))) == 0
        case "cron":
            fields = inner.split()
            return len(fields) == len(_FIELDS) and all(
                _matches(text, value(local), names) for text, (value, names) in zip(fields, _FIELDS, strict=True)
            )
    raise ValueError(schedule)


def _matches(text: str, value: int, names: Mapping[str, str]) -> bool:
    for part in text.split(","):
        numbers = re.sub(r"[A-Z]{3}", lambda name: names[name[0]], part)
        found = re.fullmatch(r"([*?]|(\d+)(?:-(\d+))?)(?:/(\d+))?", numbers)
        if found is None:
            raise ValueError(text)
        first = int(found[2] or 0)
        last = int(found[3] or (10**4 if found[4] or not found[2] else first))
        if first <= value <= last and (value - first) % int(found[4] or 1) == 0:
            return True
    return False

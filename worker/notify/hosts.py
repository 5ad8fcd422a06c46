"""Who may be called now: bounds for each tenant and each of its hosts, so that a dead one does not hold up others.

Pure, takes `now`. What one tenant's calls come to says nothing of another's: who names a port that does not answer must not silence
a host for all.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias, TypeVar

#: While a bound is reached: a call takes seconds. Our own choice.
_FULL: Final = timedelta(seconds=3)
#: A host that does not answer is left alone for this long at first, then twice as long each time. Our own choices.
_QUIET: Final = timedelta(seconds=10)
_QUIET_MAX: Final = timedelta(minutes=10)
#: After so many in a row. Our own choice.
_FAILURES: Final = 3
#: So many hosts of a tenant that failed are remembered: callers choose the names. Our own choice.
REMEMBERED: Final = 1_000

#: Whom calls are for, and where they lead: a tenant, a host and a port.
Where: TypeAlias = tuple[str, str, int]
_Key = TypeVar("_Key")


@dataclass(slots=True)
class _Silence:
    """A tenant's host that did not answer: how often in a row, and until when it is left alone, on the monotonic clock."""

    failures: int = 0
    until: float = 0.0


class Hosts:
    """Counts the calls under way of this worker."""

    def __init__(self, concurrency: int) -> None:
        """`concurrency`: of all of them; half of it is for one tenant, a quarter for one of its hosts."""
        self._of_tenant, self._of_host = max(1, concurrency // 2), max(1, concurrency // 4)
        self._tenants: Counter[str] = Counter()
        self._hosts: Counter[Where] = Counter()
        #: By tenant, the oldest first.
        self._silent: dict[str, dict[Where, _Silence]] = {}

    @property
    def remembered(self) -> int:
        """Of how many hosts something is kept."""
        return sum(map(len, self._silent.values()))

    def wait(self, where: Where, now: float) -> timedelta | None:
        """None where the host may be called for the tenant, else when to ask again."""
        silence = self._silent.get(where[0], {}).get(where)
        if silence and now < silence.until:
            return timedelta(seconds=silence.until - now)
        # After a silence, one call tells whether it is over.
        most = 1 if silence and silence.failures >= _FAILURES else self._of_host
        full = self._hosts[where] >= most or self._tenants[where[0]] >= self._of_tenant
        return _FULL if full else None

    def is_silent(self, where: Where, now: float) -> bool:
        """Whether the host is left alone for the tenant, since it did not answer."""
        silence = self._silent.get(where[0], {}).get(where)
        return silence is not None and now < silence.until

    def begin(self, where: Where) -> None:
        """A call begins."""
        self._tenants[where[0]] += 1
        self._hosts[where] += 1

    def end(self, where: Where, now: float, *, answered: bool) -> None:
        """A call has ended; `answered` where there was an answer, whatever it said."""
        _less(self._tenants, where[0])
        _less(self._hosts, where)
        theirs = self._silent.setdefault(where[0], {})
        if answered:
            theirs.pop(where, None)
            if not theirs:
                del self._silent[where[0]]
            return
        silence = theirs.setdefault(where, _Silence())
        silence.failures += 1
        if silence.failures >= _FAILURES:
            quiet = min(_QUIET * 2.0 ** min(silence.failures - _FAILURES, 20), _QUIET_MAX)
            silence.until = now + quiet.total_seconds()
        if len(theirs) > REMEMBERED:
            del theirs[next(iter(theirs))]


def _less(counter: Counter[_Key], key: _Key) -> None:
    """By one; what is none is forgotten, since callers choose the names."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]

"""What was called and what was billed: the proof of "paid twice", or of its absence.

Totals are exact for ever. The counts by request id are those of the latest 100,000 ids, so that a long run needs some tens of
megabytes at most; ids that fell out are counted.
"""

from collections import Counter, OrderedDict
from dataclasses import asdict, dataclass
from typing import Any, Final

_IDS_MAX: Final = 100_000


@dataclass(slots=True)
class Entry:
    """One job's calls."""

    calls: int = 0
    billed: int = 0


class Ledger:
    """Counts calls. A call is *billed* once a model would have generated, whatever becomes of the connection after that."""

    def __init__(self, ids_max: int = _IDS_MAX) -> None:
        self._ids_max = ids_max
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._calls = self._billed = self._forgotten = 0
        self._outcomes: Counter[str] = Counter()
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def began(self, request_id: str) -> None:
        """A call came in; `request_id` is empty where it names no job."""
        self._calls += 1
        if request_id:
            self._entry(request_id).calls += 1

    def billed(self, request_id: str) -> None:
        """The model generates."""
        self._billed += 1
        if request_id:
            self._entry(request_id).billed += 1

    def refused(self, request_id: str) -> None:
        """The model did not generate after all."""
        self._billed -= 1
        if request_id:
            self._entry(request_id).billed -= 1

    def ended(self, outcome: str) -> None:
        """A call came to its end: `answered`, an exception's name, `hung`, `reset`, `closed`, or `client_left`."""
        self._outcomes[outcome] += 1

    def summary(self, only: str | None = None) -> dict[str, Any]:
        """All counts, JSON-safe; of the request ids `only` one, where it is given."""
        entries = self._entries if only is None else {only: self._entries[only]} if only in self._entries else {}
        return {
            "calls": self._calls,
            "answered": self._outcomes["answered"],
            "billed": self._billed,
            "by_outcome": {outcome: count for outcome, count in sorted(self._outcomes.items()) if count},
            "by_request_id": {request_id: asdict(entry) for request_id, entry in entries.items()},
            "request_ids_forgotten": self._forgotten,
        }

    def _entry(self, request_id: str) -> Entry:
        entry = self._entries.setdefault(request_id, Entry())
        self._entries.move_to_end(request_id)
        if len(self._entries) > self._ids_max:
            self._entries.popitem(last=False)
            self._forgotten += 1
        return entry

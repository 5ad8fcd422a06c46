"""Which tenant may have a slot, and for how long a message is put back whose tenant may not; pure.

Slots are of two kinds. The *ordinary* ones are there for everybody: a tenant that is alone has all of them. The *spare* ones come
on top, for tenants that hold less than their fair share: whoever comes to a worker whose ordinary slots are full of another
tenant's jobs starts at once. A fair share is all ordinary slots by the number of tenants that hold some or wait for some. An
ordinary slot that gets free goes to anybody, unless somebody waits that has less than a fair share.

A tenant's `jobs_in_flight` bounds it over the whole fleet; each worker has its part.

Who is put back comes again about twice as fast as its tenant's jobs end (by Little's law: jobs in flight by how long each takes),
so that its slots never wait for a message, and the queue is not full of messages that are in vain.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from quarry.job import Priority
from quarry.tenants.policy import Tenants

#: How much more comes again than is worked. Our own choice.
_AGAIN_RATIO: Final = 2.0
#: And at least so many a second: jobs that take minutes should not wait for the next message. Our own choice.
_AGAIN_LEAST: Final = 1.0
#: The bounds of one wait, in seconds. A longer one would be sent anew (`RELEASE_MAX` in `outcome.py`), and would leave slots of
#: workers that start meanwhile empty. SQS counts whole seconds.
AGAIN_MIN_SECONDS: Final = 1.0
AGAIN_MAX_SECONDS: Final = 60.0
#: A message that was received more often than this waits longer, by so many seconds for each time: SQS gives it up after a
#: thousand. Our own choices.
_RECEIPTS_FREE: Final = 10
_PER_RECEIPT_SECONDS: Final = 0.5
#: What a tenant's jobs are taken to last before one has ended. Our own choice.
_FIRST_GUESS_SECONDS: Final = 1.0
#: How much the latest job counts in what they last.
_SMOOTHING: Final = 0.1
#: A tenant waits until so long after its messages should have come again: somebody else may work them. Our own choice.
_WAITS_ON_SECONDS: Final = 2.0
#: Of more tenants than this, those are forgotten that neither work nor wait. Our own choice.
_KNOWN_MOST: Final = 1000
#: How long a tenant is remembered, so that its next job finds a way through another's backlog. Our own choice.
_REMEMBERED_SECONDS: Final = 3600.0
_NEVER: Final = float("-inf")


@dataclass(slots=True)
class _Tenant:
    in_use: int = 0
    #: How long its jobs hold a slot, smoothed.
    lasts: float = _FIRST_GUESS_SECONDS
    #: Until when something of it waits, as far as this worker knows.
    waits_until: float = _NEVER
    #: (when it comes again, how many): what was put back.
    asleep: list[tuple[float, int]] = field(default_factory=list)
    asleep_count: int = 0

    @property
    def ends_a_second(self) -> float:
        """How many of its jobs end, by Little's law."""
        return self.in_use / max(self.lasts, 0.01)


class Shares:
    """The tenants of one worker. Times are on the monotonic clock, in seconds."""

    def __init__(self, tenants: Tenants, *, slots: int, spare: int = 0, reserved: int = 0) -> None:
        """`slots` are the ordinary ones, of which `reserved` are for `high`. Without spare ones, only `jobs_in_flight` counts."""
        self._policies = tenants
        self._slots = slots
        self._spare = spare
        self._reserved = reserved
        self._tenants: dict[str, _Tenant] = {}
        self._total = 0
        self._not_high = 0
        #: This worker's place among those that live, and how many those are; None: not heard of yet.
        self._place: tuple[int, int] | None = None
        self._seen_other_at = _NEVER
        self._latest = ""

    # --- who may start ------------------------------------------------------------------------------------------------

    def admits(self, tenant: str, lane: Priority, now: float) -> bool:
        """Whether a job may start now. Says nothing of whether there is a slot at all."""
        in_use = self._of(tenant).in_use
        if in_use >= self._bound(tenant):
            return False
        if not self._spare:
            return True
        waiting = self._waiting(now)
        share = self._slots / len({tenant, *waiting, *(name for name, each in self._tenants.items() if each.in_use)})
        if in_use < share:
            return True
        if not self._is_ordinary(lane):
            return False
        return not any(self._of(name).in_use < min(share, self._bound(name)) for name in waiting if name != tenant)

    def enter(self, tenant: str, lane: Priority) -> None:
        """A job takes a slot."""
        self._count(tenant, lane, 1)

    def leave(self, tenant: str, lane: Priority, seconds: float | None = None) -> None:
        """A job has left its slot, after so long; None: it was never worked."""
        self._count(tenant, lane, -1)
        if seconds is not None:
            each = self._of(tenant)
            each.lasts += _SMOOTHING * (seconds - each.lasts)

    def seen(self, tenant: str, now: float) -> None:
        """A message of a tenant was received."""
        if tenant not in self._tenants and len(self._tenants) >= _KNOWN_MOST:
            self._forget(now)
        if tenant and tenant != self._latest:
            if self._latest:
                self._seen_other_at = now
            self._latest = tenant

    def has_company(self, now: float) -> bool:
        """Whether more than one tenant was seen lately: then a backlog of one may hide another's job."""
        return now - self._seen_other_at < _REMEMBERED_SECONDS

    def is_bounded(self, tenant: str) -> bool:
        """Whether a tenant has all that its `jobs_in_flight` leaves to this worker."""
        return self._of(tenant).in_use >= self._bound(tenant)

    def follow(self, place: int, workers: int) -> None:
        """This worker is number `place` (from 0) of so many that live."""
        self._place = (place, workers)

    # --- who waits ----------------------------------------------------------------------------------------------------

    def stock(self, tenant: str, now: float) -> int:
        """How many of a tenant's messages may be kept in hand: as many as start within a second. Of one that is alone and may have
        all slots, one; of one that may have none here, none.
        """
        if self._works_none(tenant):
            return 0
        if not self.has_company(now) and self._bound(tenant) >= self._slots:
            return 1
        return min(max(int(self._of(tenant).ends_a_second), 1), self._slots)

    def kept(self, tenant: str, until: float) -> None:
        """Something of a tenant waits here."""
        each = self._of(tenant)
        each.waits_until = max(each.waits_until, until)

    def put_back(self, tenant: str, counts: Sequence[int], now: float, draw: float) -> float:
        """For how many seconds messages are put back.

        Args:
            tenant: whose they are.
            counts: how often each was received.
            now: the time.
            draw: in [0, 1), spreads the waits.
        """
        each = self._of(tenant)
        while each.asleep and each.asleep[0][0] <= now:
            each.asleep_count -= heapq.heappop(each.asleep)[1]
        rate = max(_AGAIN_RATIO * each.ends_a_second, _AGAIN_LEAST)
        span = min((each.asleep_count + len(counts)) / rate, AGAIN_MAX_SECONDS - AGAIN_MIN_SECONDS)
        # Where this worker has no part, many receipts say nothing: others have one, and the message must come by them.
        times = 0 if self._works_none(tenant) else max(counts) - _RECEIPTS_FREE
        least = min(times * _PER_RECEIPT_SECONDS, AGAIN_MAX_SECONDS)
        seconds = max(float(int(AGAIN_MIN_SECONDS + draw * span)), least)
        heapq.heappush(each.asleep, (now + seconds, len(counts)))
        each.asleep_count += len(counts)
        self.kept(tenant, now + seconds + _WAITS_ON_SECONDS)
        return seconds

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _of(self, tenant: str) -> _Tenant:
        return self._tenants.setdefault(tenant, _Tenant())

    def _forget(self, now: float) -> None:
        """Drop what is known of tenants that neither work nor wait here: only what their jobs last is lost."""
        self._tenants = {name: each for name, each in self._tenants.items() if each.in_use or each.waits_until > now}

    def _count(self, tenant: str, lane: Priority, one: int) -> None:
        self._of(tenant).in_use += one
        self._total += one
        if lane is not Priority.HIGH:
            self._not_high += one

    def _is_ordinary(self, lane: Priority) -> bool:
        """Whether an ordinary slot is free, for a job of this lane."""
        return self._total < self._slots and (lane is Priority.HIGH or self._not_high < self._slots - self._reserved)

    def _waiting(self, now: float) -> list[str]:
        return [name for name, each in self._tenants.items() if each.waits_until > now]

    def _works_none(self, tenant: str) -> bool:
        """Whether this worker has no part of a tenant's `jobs_in_flight`: there are more workers than that."""
        return self._bound(tenant) == 0

    def _bound(self, tenant: str) -> float:
        """This worker's part of a tenant's `jobs_in_flight`: all parts together are the whole."""
        limit = self._policies.of(tenant).limits.jobs_in_flight
        if limit is None:
            return float("inf")
        if self._place is None:
            return 0
        place, workers = self._place
        return limit // workers + (place < limit % workers)

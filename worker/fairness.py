"""Fairness between tenants: what was received is started, kept in hand for a moment, or put back.

Only here messages are told apart by tenant; lanes and slots know nothing of them. Design: docs/adr/0027-a-share-for-each-tenant.md.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from quarry.clock import Clock
from quarry.envelope import from_wire
from quarry.errors import EnvelopeError
from quarry.job import Priority
from quarry.queue.base import Delivery
from worker import outcome
from worker.front import Fronts
from worker.hand import HELD_SECONDS, Hand, Held
from worker.settle import Settler
from worker.shares import Shares
from worker.turns import RECEIVE_MAX, Turns


def tenant_of(delivery: Delivery) -> str:
    """Whose job a delivery is of, told without the table; empty where nobody can read it."""
    if delivery.group:
        return delivery.group
    try:
        return from_wire(delivery.body).tenant
    except EnvelopeError:
        return ""


class Fairness:
    """Decides what becomes of deliveries before their claim."""

    def __init__(
        self, shares: Shares, turns: Turns, settler: Settler, fronts: Fronts, clock: Clock, draw: Callable[[], float]
    ) -> None:
        self._shares = shares
        self._turns = turns
        self._settler = settler
        self._fronts = fronts
        self._clock = clock
        self._draw = draw
        self._hand = Hand()

    def enter(self, delivery: Delivery) -> None:
        """A delivery has a slot."""
        self._shares.enter(tenant_of(delivery), delivery.lane)

    def leave(self, delivery: Delivery, seconds: float | None = None) -> None:
        """A delivery has left its slot, after so long; None: it was not worked."""
        self._shares.leave(tenant_of(delivery), delivery.lane, seconds)

    def probes(self, lane: Priority) -> int:
        """For how many messages of a lane a poll may ask though no slot is free for them. Of `low`, where backlogs wait, for one if
        nothing was heard of it for long: a worker that is deaf to a lane does not sweep.
        """
        now = self._clock.monotonic()
        if lane is Priority.LOW:
            return int(self._fronts[lane].is_silent(now))
        if self._shares.has_company(now):
            return RECEIVE_MAX
        return 0 if self._hand.holds(lane) else 1

    def sorted(self, deliveries: Iterable[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
        """Those that may start, which then have their slots, and the others."""
        now, admitted, others = self._clock.monotonic(), list[Delivery](), list[Delivery]()
        for each in deliveries:
            tenant = tenant_of(each)
            self._shares.seen(tenant, now)
            if self._shares.admits(tenant, each.lane, now):
                self._shares.enter(tenant, each.lane)
                admitted.append(each)
            else:
                others.append(each)
        return admitted, others

    def take(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Keep in hand what there is room for; returns the rest."""
        now = self._clock.monotonic()
        rest: list[Delivery] = []
        for each in deliveries:
            held = Held(each, tenant_of(each), now + HELD_SECONDS)
            self._note(each, now)
            if self._hand.take(held, self._shares.stock(held.tenant, now)):
                self._shares.kept(held.tenant, held.until)
            else:
                rest.append(each)
        return rest

    def give(self) -> Delivery | None:
        """A delivery in hand that may start now, its slot taken; None where there is none."""
        if not len(self._hand):
            return None
        now = self._clock.monotonic()
        ready = self._hand.ready(lambda tenant, lane: self._shares.admits(tenant, lane, now))
        lane = self._turns.grant(ready, lambda each: self._fronts[each].seconds(now)) if ready else None
        if lane is None:
            return None
        held = ready[lane]
        self._hand.give(held)
        self.enter(held.delivery)
        return held.delivery

    def next_expiry(self) -> float | None:
        """When something has been in hand for long enough."""
        return self._hand.next_expiry()

    def expired(self) -> list[Delivery]:
        """What has been in hand for long enough; it is there no more."""
        return [held.delivery for held in self._hand.expired(self._clock.monotonic())]

    def drop(self) -> list[Delivery]:
        """Everything in hand; it is there no more."""
        return [held.delivery for held in self._hand.expired(float("inf"))]

    def must_wait(self, delivery: Delivery) -> bool:
        """Whether a delivery should be put back for a while, rather than be given to whoever has a slot at once."""
        return self._shares.has_company(self._clock.monotonic()) or self._shares.is_bounded(tenant_of(delivery))

    async def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """Let deliveries come again later: those of a tenant together, so that one receive may bring them."""
        by_tenant: defaultdict[str, list[Delivery]] = defaultdict(list)
        for each in deliveries:
            by_tenant[tenant_of(each)].append(each)
        settling = []
        for tenant, theirs in by_tenant.items():
            counts = [each.receive_count for each in theirs]
            seconds = self._shares.put_back(tenant, counts, self._clock.monotonic(), self._draw())
            verdict = outcome.of_tenant_at_cap(self._clock.now(), seconds)
            settling += [self._settler.settle(each, verdict.settlement) for each in theirs]
        await asyncio.gather(*settling)

    def _note(self, delivery: Delivery, now: float) -> None:
        """The lane was heard; how long the message has waited, the sweep should know, and its lane's age is something else."""
        waited = max((self._clock.now() - delivery.sent_at).total_seconds(), 0.0)
        if delivery.receive_count == 1:
            self._fronts[delivery.lane].waited(waited, now)
        else:
            self._fronts[delivery.lane].heard(now)
        self._fronts.held_back(waited, now)

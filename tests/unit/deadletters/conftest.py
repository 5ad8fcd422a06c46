"""A table, a lane and its dead letters, as the verbs for operators see them."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quarry.attempts import Failure
from quarry.deadletters.redrive import Done, Redriver, Report, Terms
from quarry.deadletters.tidy import tidy
from quarry.envelope import Envelope, from_wire
from quarry.job import Claimed, Failed, Job, Priority, StatusReason, Succeeded, advance
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants
from quarry.testing import (
    DeadLetter,
    FakeClock,
    MemoryDeadLetters,
    MemoryPayloads,
    MemoryQueue,
    MemoryStore,
    a_completion,
    a_job,
    a_lease,
    an_envelope,
)

FAILURE = Failure("model_failed", "It broke.")
TERMS = Terms(timedelta(hours=1))


class Yard:
    """What there is, and what was told."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.store = MemoryStore()
        self.payloads = MemoryPayloads()
        self.lane = MemoryQueue(clock)
        self.low = MemoryQueue(clock, lane=Priority.LOW)
        self.lanes = {Priority.NORMAL: self.lane, Priority.LOW: self.low}
        self.dead = MemoryDeadLetters(self.lane, clock)
        self.told: list[Done] = []
        self.report = Report(self.told.append)
        self.tenants = Tenants()

    def job(self, *, bury: bool = True, reason: StatusReason = StatusReason.ATTEMPTS_EXHAUSTED, **changes: Any) -> Job:
        """A failed job, with its dead letter or without."""
        claimed = advance(a_job(**changes), Claimed(a_lease()), self.clock.now())
        failed = advance(claimed, Failed(reason, FAILURE, bury=True), self.clock.now())
        self.store.put(failed)
        if bury:
            self.bury(failed)
        return failed

    def bury(self, job: Job, reason: str | None = "attempts_exhausted") -> str:
        """Its dead letter; without a reason, as SQS moves a message by itself."""
        return self.dead.put(DeadLetter(an_envelope(job).to_wire(), reason, job.request_id if reason else None))

    async def now(self, job: Job) -> Job:
        """The record as it stands."""
        found = await self.store.get(job.tenant, job.request_id)
        assert found
        return found

    @property
    def sent(self) -> list[Envelope]:
        """What is on the lane."""
        return [from_wire(body) for body in self.lane.bodies]

    def redriver(self, *, rate: float = 1000, dry_run: bool = False, terms: Terms = TERMS) -> Redriver:
        """One for the tenant `default`."""
        return Redriver(
            self.store, self.payloads, self.lanes, self.clock, self.report, "default", terms, Keeping(self.tenants),
            rate=rate, dry_run=dry_run,
        )  # fmt: skip

    async def redrive(self, *jobs: Job, canary: int = 0, **settings: Any) -> None:
        """Redrive these; time passes as it needs."""
        await self.clock.run(self.redriver(**settings).run(ids(jobs), canary, timedelta(minutes=5)))

    async def work(self, *, fail: Iterable[str] = (), count: int | None = None) -> None:
        """What a fleet does: each message on the lane ends its job, well or badly."""
        bad = set(fail)
        while count != 0 and (deliveries := await self.lane.receive(1, timedelta(0))):
            [delivery] = deliveries
            held = await self.store.claim(from_wire(delivery.body), a_lease("token"), self.clock.now())
            event = (
                Failed(StatusReason.ATTEMPTS_EXHAUSTED, FAILURE, bury=True) if held.request_id in bad else Succeeded(a_completion())
            )
            await self.store.record(replace(advance(held, event, self.clock.now())), "token")
            await self.lane.ack(delivery)
            count = None if count is None else count - 1

    async def tidy(
        self,
        *,
        resend: bool = True,
        discard: bool = False,
        until: Iterable[str] = (),
        dry_run: bool = False,
        tenant: str = "default",
    ) -> Counter[str]:
        """A walk through the dead letters; returns the counts that are not zero."""
        counts: Counter[str] = Counter()
        await tidy(
            self.dead, self.store, self.lanes, tenant, counts,
            resend=lambda _: resend, discard=lambda _: discard, until=list(until), dry_run=dry_run,
        )  # fmt: skip
        return +counts


async def ids(jobs: Iterable[Job]) -> AsyncIterator[str]:
    """Their ids, one by one."""
    for job in jobs:
        yield job.request_id


@pytest.fixture
def yard(clock: FakeClock) -> Yard:
    """An empty one."""
    return Yard(clock)

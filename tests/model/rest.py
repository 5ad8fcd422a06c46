"""What must hold in the end, when nothing has gone wrong for a while."""

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from quarry.envelope import from_wire
from quarry.job import Job, JobStatus
from quarry.testing import MemoryStore
from tests.model.promises import BURIED

if TYPE_CHECKING:
    from tests.model.world import World


def unfinished(store: MemoryStore) -> list[Job]:
    """The jobs that are not over."""
    return [job for job in store.jobs if not job.status.is_terminal]


def can_wait(job: Job, now: datetime) -> bool:
    """Whether a job has time enough to be found by the sweep, wherever its message is: it is found after as long as it waited."""
    return job.deadline_at - now > timedelta(hours=14) and now - job.available_at < timedelta(hours=12)


def check_the_end(world: "World") -> None:
    """Note what is broken."""
    breach = world.promises.breach
    for job in unfinished(world.store):
        breach("P1", f"a job never ended: {job}")
    if missing := world.accepted - {job.request_id for job in world.store.jobs}:
        breach("P1", f"accepted jobs are gone: {missing}")
    letters = {(letter.request_id, from_wire(letter.body).generation) for letter in world.queue.buried if letter.request_id}
    for job in world.store.jobs:
        buried = job.status is JobStatus.FAILED and job.status_reason in BURIED
        if buried and not job.bury_reason and (job.request_id, job.generation) not in letters:
            breach("P6", f"a job has no dead letter: {job}")
    # A redriven job is paid anew: that is what was asked for.
    paid = Counter((call.request_id, call.generation) for call in world.promises.calls if call.may_be_paid)
    again = sum(calls - 1 for calls in paid.values())
    counted = sum(worker.repeated() for worker in world.workers) + world.promises.uncounted
    if again > counted:
        breach("P7", f"{again} calls were paid again, {counted} were counted")
    _check_settlements(world)


def _check_settlements(world: "World") -> None:
    for worker in world.alive:
        left = worker.registry.get_sample_value("quarry_deliveries_settled_total", {"outcome": "leave", "reason": "lease_lost"})
        called = {call.token for call in world.promises.calls}
        granted = {token for token, holder in world.promises.holders.items() if holder == worker.actor.name}
        # What was not told to be lost may be left where the lease became too short for a call.
        if (left or 0) > len(granted & world.promises.lost) + len(granted - called):
            world.promises.breach("P3", f"{worker.actor.name} gave up a job that was its own")
        received = [receipt for receipt, name in world.promises.received.items() if name == worker.actor.name]
        unsettled = sum(receipt not in world.promises.settled for receipt in received)
        if worker.loop.in_flight == 0 and unsettled != (left or 0):
            world.promises.breach("P5", f"{unsettled} deliveries of {worker.actor.name} were not settled, {left} were left")

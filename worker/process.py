"""One delivery, from claim to settlement. Read this first.

Every path ends in exactly one settlement, and what is recorded is recorded before it. What follows from what is decided by the
pure functions of `outcome.py`; here is only the order.
"""

from collections.abc import Callable
from dataclasses import dataclass

from quarry.clock import Clock
from quarry.errors import ClaimRefused, EnvelopeError, StoreUnavailable
from quarry.job import Job
from quarry.queue.base import Delivery
from worker import outcome
from worker.budget import Budget
from worker.claim import Claimer
from worker.invoke import Invoker
from worker.lease import HeldLease, Leases
from worker.outcome import Settlement, Verdict
from worker.payload import weight_of
from worker.record import Recorder
from worker.report import Reporter
from worker.settle import Settler


@dataclass(frozen=True, slots=True)
class Steps:
    """What a delivery passes through. `draw` gives numbers in [0, 1) that spread the waits."""

    claimer: Claimer
    leases: Leases
    invoker: Invoker
    recorder: Recorder
    settler: Settler
    reporter: Reporter
    budget: Budget
    clock: Clock
    draw: Callable[[], float]


async def process(delivery: Delivery, steps: Steps, decided: Callable[[Settlement], None] = lambda _: None) -> Settlement:
    """Work one delivery; returns how it was settled. `decided` is told before, when nothing else is left to do."""
    job: Job | None = None
    try:
        held = await steps.claimer.claim(delivery)
    except EnvelopeError as error:
        verdict = outcome.of_unreadable(error, delivery, steps.clock.now())
    except StoreUnavailable as error:
        steps.reporter.unclaimed(error)
        verdict = outcome.of_unavailable_store(steps.clock.now(), steps.draw())
    except ClaimRefused as refusal:
        job, verdict = await steps.recorder.record_refusal(refusal)
        steps.reporter.refused(refusal, job, verdict)
    else:
        job, verdict = await attempt(held, steps)
    decided(verdict.settlement)
    return await steps.settler.settle(delivery, verdict.settlement, job)


async def attempt(held: HeldLease, steps: Steps) -> tuple[Job, Verdict]:
    """Invoke, decide and record under the lease; returns the job as recorded and the verdict that stands."""
    started = steps.clock.monotonic()
    held.route = steps.invoker.route_of(held.job)
    steps.reporter.claimed(held.job, held.delivery, held.route)
    with steps.leases.renewing(held), steps.budget.share(weight_of(held.job)) as share:
        result = await steps.invoker.invoke(held, share)
        verdict = outcome.decide(result, held.job, steps.clock.now(), steps.draw(), held.route)
        job, verdict = await steps.recorder.record(verdict, held)
    steps.reporter.attempt_finished(result, job, verdict, steps.clock.monotonic() - started)
    return job, verdict

"""Invoking: the one thing between claim and record. It gives a result, whatever happens."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from quarry.attempts import AttemptOutcome
from quarry.errors import (
    InternalFault,
    InvocationError,
    LeaseLost,
    ModelNotAllowed,
    ModelNotFound,
    OutcomeUnknown,
    OutOfTime,
    PayloadLost,
    PayloadsUnavailable,
)
from quarry.inference.candidates import Request
from quarry.inference.engine import Engine
from quarry.inference.routes import Route, Routes
from quarry.invocation import Target
from quarry.job import Job
from quarry.store.payloads import Payloads
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.tenants.policy import Tenants
from worker import screening
from worker.budget import Share
from worker.isolation import Isolation, is_suspect
from worker.lease import HeldLease, Leases
from worker.outcome import Interrupted, Interruption, Result, pays_once
from worker.payload import invocation_of
from worker.speech import Speech, Voice

_log = get_logger(__name__)
#: Where all targets are full: who is served first.
_RANKS: Final = {"high": 0, "normal": 1, "low": 2}


class Invoker:
    """Has a held job answered by the engine."""

    def __init__(
        self,
        engine: Engine,
        routes: Routes,
        tenants: Tenants,
        payloads: Payloads,
        leases: Leases,
        isolation: Isolation,
        speech: Speech,
    ) -> None:
        self._engine = engine
        self._routes = routes
        self._tenants = tenants
        self._payloads = payloads
        self._leases = leases
        self._isolation = isolation
        self._speech = speech

    def route_of(self, job: Job) -> Route | None:
        """The route that serves a job; None where it is there no more."""
        try:
            return self._routes.resolve(job.model)
        except ModelNotAllowed:
            return None

    async def invoke(self, held: HeldLease, share: Share) -> Result:
        """An answer, an error, or the reason for which the call was stopped. Nothing is loaded before `share` is taken."""
        try:
            return await held.work(self._call_alone(held, share) if is_suspect(held.job) else self._call(held, share))
        except (InvocationError, OutOfTime, PayloadLost, PayloadsUnavailable) as error:
            return error
        except LeaseLost:
            return Interrupted(Interruption.LEASE_LOST, held.call_started)
        except Exception as error:  # noqa: BLE001 - a bug of ours must still end in a settlement
            _log.exception(Event.DELIVERY_FAILED, error=type(error).__name__)
            return InternalFault(type(error).__name__)

    async def _call_alone(self, held: HeldLease, share: Share) -> Result:
        async with self._isolation.alone() as alone:
            if not alone:
                return Interrupted(Interruption.MAKING_WAY, call_started=False)
            _log.warning(Event.JOB_ISOLATED, takeovers=held.job.takeovers)
            return await self._call(held, share)

    async def _call(self, held: HeldLease, share: Share) -> Result:
        async with self._speech.voice(held) as voice:
            return await self._ask(held, share, voice)

    async def _ask(self, held: HeldLease, share: Share, voice: Voice | None) -> Result:
        async def before_call(_target: Target) -> None:
            await self._leases.ensure(held)
            held.call_started = True
            if voice:
                voice.begin()

        def after_refusal() -> None:
            # Whoever cuts the attempt now, while it waits for another try, cuts no call.
            held.call_started = False

        job, route = held.job, held.route
        if route is None:
            # It was there at submission and is no longer: ours to mend, not the job's fault.
            raise ModelNotFound("no route and no target serves this model", target=job.model)
        if job.unseen and pays_once(route):
            raise OutcomeUnknown("an earlier attempt ended unseen")
        await share.take()
        invocation, guard = await invocation_of(job, self._payloads), self._tenants.of(job.tenant).guard
        await screening.asked(invocation, guard)
        labels = {"quarry_request_id": job.request_id, "quarry_attempt": str(job.attempts)}
        # An answer that may yet be withheld is shown when it is whole.
        heard, rank = voice.hear if voice and not guard.withholds else None, _RANKS.get(job.priority, 1)
        request = Request(invocation, labels, failures_of(job), job.allowed_regions, heard, rank, guard.guardrails)
        return await screening.answered(await self._engine.invoke(route, request, before_call, after_refusal), guard)


def failures_of(job: Job) -> Mapping[str, int]:
    """How often earlier attempts failed on each target, fallbacks inside an attempt not counted."""
    ended = (AttemptOutcome.FAILED, AttemptOutcome.OUTCOME_UNKNOWN)
    return Counter(each.target for each in job.attempt_history if each.target and each.outcome in ended)

"""Invoking: the one thing between claim and record. It gives a result, whatever happens."""

from quarry.errors import InternalFault, InvocationError, LeaseLost, ModelNotAllowed, ModelNotFound
from quarry.inference.engine import Engine
from quarry.inference.routes import Routes, Target
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from worker.lease import HeldLease, Leases
from worker.outcome import Interrupted, Interruption, Result

_log = get_logger(__name__)


class Invoker:
    """Has a held job answered by the engine."""

    def __init__(self, engine: Engine, routes: Routes, leases: Leases) -> None:
        self._engine = engine
        self._routes = routes
        self._leases = leases

    async def invoke(self, held: HeldLease) -> Result:
        """An answer, an error, or the reason for which the call was stopped."""
        try:
            return await held.work(self._call(held))
        except InvocationError as error:
            return error
        except LeaseLost:
            return Interrupted(Interruption.LEASE_LOST, held.call_started)
        except Exception as error:  # noqa: BLE001 - a bug of ours must still end in a settlement
            _log.exception(Event.DELIVERY_FAILED, error=type(error).__name__)
            return InternalFault(type(error).__name__)

    async def _call(self, held: HeldLease) -> Result:
        async def before_call(_target: Target) -> None:
            await self._leases.ensure(held)
            held.call_started = True

        job = held.job
        try:
            route = self._routes.resolve(job.model)
        except ModelNotAllowed as error:
            # The route was there at submission and is no longer: ours to mend, not the job's fault.
            raise ModelNotFound(str(error), target=job.model) from error
        labels = {"quarry_request_id": job.request_id, "quarry_attempt": str(job.attempts)}
        return await self._engine.invoke(route, job.invocation, labels=labels, before_call=before_call)

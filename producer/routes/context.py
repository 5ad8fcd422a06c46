"""What the handlers work with. The composition root puts it on the app."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from producer.auth.gate import Gate
from producer.auth.principal import Principal
from producer.auth.witness import Witness
from producer.body import Bodies
from producer.cancel import Canceller
from producer.following import Following
from producer.health import Health
from producer.lookup import Lookup
from producer.submit import Submitter
from quarry.clock import Clock
from quarry.erasure.eraser import Eraser
from quarry.settings import ApiSettings


@dataclass(frozen=True, slots=True)
class Context:
    """The verbs, and the limits of what they are given."""

    gate: Gate
    witness: Witness
    submitter: Submitter
    lookup: Lookup
    following: Following
    canceller: Canceller
    eraser: Eraser
    bodies: Bodies
    health: Health
    limits: ApiSettings
    clock: Clock

    def stop(self) -> None:
        """Take no more, and let go of who waits."""
        self.health.stopping = True
        self.lookup.waiters.close()
        self.following.close()


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def admitted(request: Request) -> Principal:
    """The caller, whom the route's rule lets pass. The app asks it before every route."""
    context: Context = request.app.state.context
    return await context.gate.admit(request)


async def gone(request: Request) -> None:
    """Returns when the caller has hung up. What they still send is thrown away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


Verbs = Annotated[Context, Depends(_context)]
Caller = Annotated[Principal, Depends(admitted)]

"""Who of a route may serve a request, and in which form it would be asked there; why the others may not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quarry.errors import InvocationError
from quarry.inference.providers.base import Heard
from quarry.inference.routes import Route, RouteTarget
from quarry.invocation import Invocation, Json


@dataclass(frozen=True, slots=True)
class Request:
    """What an attempt asks of its route. `labels` are attached to each call, where the vendor keeps such things."""

    invocation: Invocation
    labels: Json = field(default_factory=dict)
    #: How often earlier attempts of the job failed on a target, by its name: another one is preferred now.
    failures: Mapping[str, int] = field(default_factory=dict)
    #: Who listens to the answer as it comes. Once a text was heard, it is the last call that is made for this request.
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that may serve, and what it would be asked."""

    place: RouteTarget
    invocation: Invocation


def candidates(route: Route, request: Request) -> tuple[tuple[Candidate, ...], tuple[InvocationError, ...]]:
    """Those that may serve, as listed; and for each of the others an error that says why it is skipped."""
    return tuple(Candidate(place, request.invocation) for place in route.targets), ()

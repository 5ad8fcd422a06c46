"""What each route asks for. What is not in here is served to nobody."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

#: A method and a path's template.
Operation: TypeAlias = tuple[str, str]


class Public(NamedTuple):
    """Served to anybody, without a look at any credential."""

    why: str


_SAME_FOR_ALL: Final = Public("it describes the API, not what is in it: the same text for everybody")

#: What an operation asks for: one of `quarry.access.PERMISSIONS`, or nothing. A bulk submission and a lookup ask for no more than
#: the single calls that could be made instead: a permission of their own would guard nothing.
RULES: Final[Mapping[Operation, str | Public]] = {
    ("POST", "/v1/jobs"): "submit:jobs",
    ("POST", "/v1/jobs/bulk"): "submit:jobs",
    ("POST", "/v1/jobs/lookup"): "read:jobs",
    ("GET", "/v1/jobs"): "read:jobs",
    ("GET", "/v1/jobs/{request_id}"): "read:jobs",
    ("GET", "/v1/jobs/{request_id}/explanation"): "read:jobs",
    ("GET", "/v1/jobs/{request_id}/events"): "read:jobs",
    ("POST", "/v1/jobs/{request_id}/cancel"): "cancel:jobs",
    ("DELETE", "/v1/jobs/{request_id}"): "erase:jobs",
    ("GET", "/livez"): Public("load balancers have no credential; it says that the process answers, and no more"),
    ("GET", "/readyz"): Public("the same; it names the part that does not answer (queue, store), never why"),
    ("GET", "/openapi.json"): _SAME_FOR_ALL,
    ("HEAD", "/openapi.json"): _SAME_FOR_ALL,
    ("GET", "/docs"): _SAME_FOR_ALL,
    # Files, mounted: whatever the method, which only GET and HEAD get past.
    ("*", "/static-offline-docs"): Public("style sheet and script of /docs"),
}


def operations(routes: Iterable[BaseRoute]) -> Iterator[tuple[Operation, bool]]:
    """Every operation of an app, and whether the gate stands before it and knows it by this template."""
    for context in iter_route_contexts(list(routes)):
        route = context.original_route
        gated = isinstance(route, APIRoute) and route.path == context.path
        for method in sorted(context.methods or ("*",)):
            yield (method, context.path or ""), gated


def require_rules(routes: Iterable[BaseRoute]) -> None:
    """See that nothing is served past the gate but what is public.

    Raises:
        RuntimeError: something is; a bug, which no request should meet.
    """
    past = [operation for operation, gated in operations(routes) if not gated and not isinstance(RULES.get(operation), Public)]
    if past:
        raise RuntimeError(f"no rule lets these be served: {past}")

"""A run in which everything happens that a board shows: answers, throttles, dead letters, outages. A Prometheus watches it."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from quarry.envelope import Envelope
from tests.support.processes import eventually, free_port
from tests.support.prometheus import PACE_SECONDS, Prometheus, watching
from tests.support.routing import REGIONS, route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: By the route's name: the only region of its target, and what calls come to there.
_HARM: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "broken": ("eu-central-1", {"error": "ServiceUnavailableException"}),
    "barred": ("sa-east-1", {"error": "AccessDeniedException"}),
    "failing": ("ca-central-1", {"error": "ModelErrorException"}),
    "late": ("ap-northeast-1", {"error": "ThrottlingException", "message": "Too many tokens"}),
    "once": ("eu-west-1", {"reset": True}),
}
_ROUTES: Final = "".join(
    [
        route(*map(target, REGIONS)),
        '[routes.once]\non_unknown_outcome = "fail"\n',
        *(target(region, route=name) for name, (region, _) in _HARM.items()),
        '[routes.late.degraded]\ntext = "Later."\nwithin_seconds = 60\n',
    ]
)
_SLOW, _FULL, _BAD = "take your time", "come back later", "no such thing"


@contextmanager
def observed(stack: Stack, simulator: Simulator, directory: Path) -> Iterator[Prometheus]:
    """An API and a worker that have been through all of it, twice, so that counters have grown. Their files are wrong now."""
    stack.use(simulator)
    routes = stack.declare(_ROUTES)
    for region, act in _HARM.values():
        simulator.rule(match={"region": region}, act=act)
    simulator.rule(match={"text_contains": _SLOW}, act={"text": "One word after the other. " * 5, "event_seconds": 0.5})
    simulator.rule(match={"text_contains": _FULL, "region": REGIONS[0]}, act={"error": "ThrottlingException"})
    simulator.rule(match={"text_contains": _BAD}, act={"error": "ValidationException"})
    tenants = directory / "tenants.toml"
    tenants.write_text("[default]\n")
    port, following = str(free_port()), {"QUARRY_TENANTS_FILE": str(tenants)}
    with ExitStack() as running:
        api = running.enter_context(stack.running_api(QUARRY_API__METRICS_PORT=port, **following))
        settings = {"QUARRY_WORKER__LEASE_SECONDS": "10", "QUARRY_BREAKER__OPEN_SECONDS": "600"}
        worker = running.enter_context(stack.running_worker(**settings, **following))
        targets = {"producer": [f"127.0.0.1:{port}"], "worker": [stack.probes(worker).removeprefix("http://")]}
        prometheus = running.enter_context(watching(directory, targets))
        _round(stack)
        # What is new has to be seen before it grows.
        _seen(prometheus)
        # The earlier routes go on serving, and the earlier policies hold.
        routes.write_text("[routes")
        tenants.write_text("[default")
        _round(stack)
        eventually(
            lambda: prometheus.ask("sum(quarry_routes_refused) + sum(quarry_tenants_refused) == 4"), what="both to be refused"
        )
        _seen(prometheus)
        # After a throttle the second one may have been another region's: then its figures were new, and have not grown yet.
        stack.finished(stack.submit(prompt=_SLOW, stream=True), seconds=60)
        _seen(prometheus)
        assert api.get("/readyz").status_code == 200
        yield prometheus


def _round(stack: Stack) -> None:
    """Some of everything; returns when all that can end has ended."""
    assert stack.api is not None
    hurt = {"max_attempts": 1, "deadline_seconds": 3}
    jobs = [
        stack.submit(prompt=_SLOW, stream=True),
        *(stack.submit(prompt=f"Hello {number}", priority=lane) for lane in ("high", "normal", "low") for number in range(5)),
        *(stack.submit(prompt=_FULL) for _ in range(2)),
        stack.submit(prompt=_BAD),
        stack.submit(prompt="Hello", model="failing", max_attempts=2),
        stack.submit(prompt="Hello", model="late", deadline_seconds=50),
        stack.submit(prompt="Hello", model="once"),
        *(stack.submit(prompt="Hello", model="broken", **hurt) for _ in range(8)),
    ]
    stack.submit(prompt="Hello", model="barred", deadline_seconds=3600)
    for body in ({"prompt": "Hello", "model": "unknown"}, {"prompt": 5}):
        assert stack.api.post("/v1/jobs", json=body).status_code == 422
    with ThreadPoolExecutor(2) as pool:
        followed = pool.submit(stack.api.get, f"/v1/jobs/{jobs[0]}/events")
        polled = pool.submit(stack.api.get, f"/v1/jobs/{jobs[0]}?wait_seconds=10")
        assert {each.result().status_code for each in (followed, polled)} == {200}
    for each in jobs:
        stack.finished(each, seconds=60)
    # A copy of one that is over.
    stack.send(Envelope(jobs[0], "default").to_wire())


def _seen(prometheus: Prometheus) -> None:
    """Until all has been scraped and judged that there is now."""
    [(_, now)] = prometheus.ask("time()")
    behind = f"(timestamp(up) or timestamp(quarry:slo_burn:rate5m)) <= {now + PACE_SECONDS}"
    eventually(
        lambda: prometheus.ask("quarry:slo_burn:rate5m") and not prometheus.ask(behind),
        seconds=60,
        what=lambda: str(prometheus.targets()),
    )

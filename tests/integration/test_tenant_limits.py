"""A tenant over its limit is answered 429 with a true `Retry-After`, whichever process it asks; another one is not slowed."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.keys import ASKING, created
from tests.support.processes import eventually
from tests.support.proxy import FaultProxy, leading_to
from tests.support.stack import Stack

#: At once, and then one in three seconds.
DEPTH, ASKED = 60, 120
LIMITS = f"[tenants.acme.limits]\nrequests_per_minute = 20\nburst_requests = {DEPTH}\n"


@dataclass
class Scene:
    """Two API processes, and the keys of two tenants. What `acme` was answered, and how long `other` waited."""

    stack: Stack
    apis: list[httpx.Client]
    keys: dict[str, str]
    table: FaultProxy
    file: Path
    answers: list[httpx.Response] = field(default_factory=list)

    def submit(self, tenant: str, process: int) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[tenant]}"}
        return self.apis[process % 2].post("/v1/jobs", json={"prompt": "Hi"}, headers=headers)

    def refused(self, process: int) -> httpx.Response:
        """The first submission of `acme` that is."""
        while (answer := self.submit("acme", process)).status_code == 202:
            pass
        return answer

    def latency(self, process: int) -> float:
        """Of a submission of `other`, which is accepted."""
        began = time.monotonic()
        answer = self.submit("other", process)
        assert answer.status_code == 202
        assert "RateLimit" not in answer.headers
        return time.monotonic() - began


@pytest.fixture(scope="module")
def scene(shared_stack: Stack) -> Iterator[Scene]:
    stack, path = shared_stack, shared_stack.directory / "tenants.toml"
    path.write_text(LIMITS)
    stack.env |= {"QUARRY_ROUTES_FILE": stack.routes(), "QUARRY_TENANTS_FILE": str(path), **ASKING}
    keys = {tenant: created(stack, "--tenant", tenant) for tenant in ("acme", "other")}
    with ExitStack() as running, FaultProxy("dynamodb", stack.aws_url, marker=b"#budgets#") as table:
        apis = [running.enter_context(stack.running_api(**leading_to(table))) for _ in range(2)]
        yield Scene(stack, apis, keys, table, path)


def test_over_the_limit_is_429_and_nobody_else_notices(scene: Scene) -> None:
    """The sum over both processes is within the limit, by far fewer writes than there are requests; who waits as long as they are
    told is let in, by the other process too.

    Red when: `quarry/store/worker_rows.py`: ` AND #until <= :before` -> ``
    Red when: `producer/shares.py`: `min(max(waiting, rate * SHARE_SECONDS), fair)` -> `1`
    Red when: `producer/shares.py`: `return (1 - self.level(until, now)) / self.per_second` -> `return 0.0 * self.level(until, now)`
    """
    for process in range(4):
        scene.latency(process)  # the first of all are slow
    alone = [scene.latency(process) for process in range(12)]
    assert scene.table.marked == 0
    began, beside = time.monotonic(), []
    for i in range(ASKED):
        scene.answers.append(scene.submit("acme", i))
        if i > DEPTH and i % 4 == 0:
            beside.append(scene.latency(i))
    seconds = time.monotonic() - began
    statuses = [answer.status_code for answer in scene.answers]
    assert DEPTH <= statuses.count(202) <= DEPTH + seconds / 3 + 1
    assert statuses.count(202) + statuses.count(429) == ASKED
    assert statuses.count(429) > 0
    assert scene.table.marked * 4 <= ASKED
    assert statistics.median(beside) < 4 * statistics.median(alone)
    for answer in scene.answers:
        assert answer.headers["RateLimit-Policy"] == '"requests";q=20;w=60'
        assert answer.headers["RateLimit"].startswith('"requests";r=')
    for process in range(2):
        refused = scene.refused(process)
        assert refused.json()["code"] == "rate_limited"
        time.sleep(int(refused.headers["Retry-After"]))  # it says so
        assert scene.submit("acme", process + 1).status_code == 202


def test_limits_are_changed_while_the_api_runs(scene: Scene) -> None:
    """For every process, and without a restart; a wrong file changes nothing, and is told of.

    Red when: `producer/app.py`: `routes.keep(beside=[tenants])` -> `routes.keep()`
    """
    log = scene.stack.directory / "api.log"
    scene.file.write_text(LIMITS.replace("20", "twenty"))
    eventually(lambda: "tenants.refused" in log.read_text())
    assert scene.submit("acme", 0).headers["RateLimit-Policy"] == '"requests";q=20;w=60'
    scene.file.write_text("[tenants.other.limits]\nroutes = ['none']\n")
    eventually(lambda: scene.submit("other", 0).status_code == 422)
    eventually(lambda: scene.submit("other", 1).status_code == 422)
    assert "RateLimit" not in scene.submit("acme", 0).headers

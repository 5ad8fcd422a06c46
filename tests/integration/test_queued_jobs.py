"""A tenant that has as many jobs under way as it may is answered 429 by every process, until one of them is over."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from quarry.store.worker_rows import tally_in, tally_key
from tests.support.keys import ASKING, created, with_key
from tests.support.processes import eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack

LIMIT = 4


@pytest.fixture
def apis(stack: Stack, simulator: Simulator) -> Iterator[list[httpx.Client]]:
    """Two API processes, and a worker whose calls do not end."""
    path = stack.directory / "tenants.toml"
    path.write_text(f"[tenants.acme.limits]\nqueued_jobs = {LIMIT}\n")
    stack.use(simulator)
    stack.env |= {"QUARRY_TENANTS_FILE": str(path), "QUARRY_WORKER__DRAIN_SECONDS": "1", **ASKING}
    simulator.rule({"hang": True})
    with ExitStack() as running:
        running.enter_context(stack.running_worker())
        yield [running.enter_context(stack.running_api()) for _ in range(2)]


def test_jobs_under_way_are_limited_across_processes(stack: Stack, apis: list[httpx.Client]) -> None:
    """What one process let in, the other refuses once it was counted, though it has let in none itself; another tenant's are not
    counted; and a job that is over makes room, at both.

    Red when: `worker/tally.py`: `await self._store.put_tally(self._last)` -> `pass`
    Red when: `producer/queued.py`: `if self._count(tenant) >= limit:` -> `if len(self._since.get(tenant, ())) >= limit:`
    """
    keys = {tenant: with_key(created(stack, "--tenant", tenant)) for tenant in ("acme", "other")}
    one, two = apis

    def submit(api: httpx.Client, tenant: str = "acme") -> httpx.Response:
        return api.post("/v1/jobs", json={"prompt": "Hi"}, headers=keys[tenant])

    def counted() -> bool:
        row = stack.client("dynamodb").get_item(TableName=stack.name, Key=tally_key()).get("Item")
        return row is not None and tally_in(row).queued.get("acme") == LIMIT

    accepted = [submit(one) for _ in range(LIMIT)]
    assert {answer.status_code for answer in accepted} == {202}
    assert submit(one).status_code == 429
    eventually(counted, seconds=20)
    refused = submit(two)
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["RateLimit"].startswith('"queued-jobs";r=0')
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert submit(two, "other").status_code == 202
    request_id = accepted[0].json()["request_id"]
    assert one.post(f"/v1/jobs/{request_id}/cancel", headers=keys["acme"]).status_code in (200, 202)
    eventually(lambda: submit(two).status_code == 202, seconds=30)
    eventually(lambda: submit(one).status_code == 429, seconds=20)

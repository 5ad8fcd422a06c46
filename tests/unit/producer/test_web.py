"""The app as a whole, over memory: what the log and the audit log have of requests that could not be served."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from producer.auth.gate import Gate
from producer.auth.witness import Witness
from producer.body import Bodies
from producer.health import Health
from producer.routes.context import Context
from producer.web import create_app
from quarry.settings import ApiSettings
from quarry.telemetry.audit import REFUSALS_PER_SECOND, AuditFile, AuditLog
from quarry.telemetry.metrics import ProducerMetrics
from quarry.testing import a_job
from tests.unit.producer.conftest import Producer


@dataclass(frozen=True, slots=True)
class Web:
    """An API, and what it left on record."""

    client: httpx.AsyncClient
    path: Path

    def acts(self) -> list[tuple[str, str]]:
        """What was done, and what came of it."""
        records = map(json.loads, self.path.read_text().splitlines())
        return [(record["act"], record["status"]) for record in records]


@pytest.fixture
async def web(producer: Producer, tmp_path: Path) -> AsyncIterator[Web]:
    path = tmp_path / "audit.jsonl"
    witness = Witness(AuditLog(AuditFile(str(path)), producer.clock), 0)
    context = Context(
        gate=Gate([], witness),
        witness=witness,
        submitter=producer.submitter,
        lookup=producer.lookup,
        following=producer.following,
        canceller=producer.canceller,
        eraser=producer.eraser,
        bodies=Bodies(1_000_000),
        health=Health({}, producer.clock),
        limits=ApiSettings(),
        clock=producer.clock,
    )
    app = create_app(context, ProducerMetrics(CollectorRegistry()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield Web(client, path)


async def test_an_outage_is_told_sparingly(producer: Producer, web: Web) -> None:
    """Everybody meets it, strangers too: a few lines a second, and the next one has the number of those without."""
    path = f"/v1/jobs/{producer.store.put(a_job()).request_id}"
    producer.store.fail_next("get", times=5 * REFUSALS_PER_SECOND)
    with capture_logs() as lines:
        for _ in range(5 * REFUSALS_PER_SECOND - 1):
            assert (await web.client.get(path)).status_code == 503
        await producer.clock.advance(1)
        assert (await web.client.get(path)).status_code == 503
    assert [line["folded"] for line in lines] == [0] * REFUSALS_PER_SECOND + [4 * REFUSALS_PER_SECOND - 1]


@pytest.mark.parametrize(
    ("applied", "known", "acts"),
    [(True, False, [("job.cancelled", "undecided")]), (False, False, [("job.cancelled", "undecided")]), (False, True, [])],
    ids=["done, answer lost", "lost", "refused"],
)
async def test_a_cancel_whose_end_is_unknown_is_on_record(
    producer: Producer, web: Web, applied: bool, known: bool, acts: list[tuple[str, str]]
) -> None:
    """It may have been carried out; what certainly was not is no act."""
    job = producer.store.put(a_job())
    producer.store.fail_next("replace", applied=applied, known=known)
    assert (await web.client.post(f"/v1/jobs/{job.request_id}/cancel")).status_code == 503
    assert web.acts() == acts

"""Every point at which a process can die, from the payload to the ack: one table, and what becomes of the job at each.

Death is an exception that nothing catches, raised just before or just after one call to a port. What survives is the store, the
queue, the bucket, and what the model was asked. Then another worker comes, time passes, and the sweep looks after what is left.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from producer.submit import Submitter
from quarry.errors import ModelFailed
from quarry.job import MAX_TAKEOVERS, JobStatus
from quarry.settings import JobSettings
from quarry.telemetry.metrics import ProducerMetrics
from quarry.tenants.policy import Tenants
from quarry.testing import ScriptedProvider, a_completion
from quarry.testing.provider import Step
from tests.unit.worker.conftest import ROUTES, SWEEP_SECONDS, Bench
from worker.process import process

LARGE: Final = a_completion("x" * 20_000)


class Died(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Point:
    """Where the worker dies, and what must be true in the end."""

    #: Just `before` or `after` this call.
    when: str
    port: str
    operation: str
    #: What the model answers, call by call; then it echoes.
    script: tuple[Step, ...] = ("answer",)
    max_attempts: int = 3
    #: How often the model was asked, all in all.
    calls: int = 1
    takeovers: int = 0
    dead_letters: int = 0
    status: JobStatus = JobStatus.COMPLETED
    #: The dead letter was sent, and the record does not know it: the tools find both.
    pending: bool = False

    def __str__(self) -> str:
        return f"{self.when} {self.operation}{' of a retry' if self.calls > 1 + self.takeovers else ''}"


BROKEN = (ModelFailed("no"), ModelFailed("no"))
BURIED: dict[str, Any] = {"script": BROKEN[:1], "max_attempts": 1, "dead_letters": 1, "status": JobStatus.FAILED}

POINTS: Final = (
    # Nothing was claimed: the message comes again.
    Point("before", "store", "claim"),
    # Claimed, not called: the lease runs out. Nobody can know that there was no call, so it counts as a take-over.
    Point("after", "store", "claim", takeovers=1),
    Point("before", "provider", "invoke", takeovers=1),
    # Called, not recorded: the one case in which a call is paid again.
    Point("after", "provider", "invoke", calls=2, takeovers=1),
    Point("before", "payloads", "put", script=(LARGE, LARGE), calls=2, takeovers=1),
    Point("after", "payloads", "put", script=(LARGE, LARGE), calls=2, takeovers=1),
    Point("before", "store", "record", calls=2, takeovers=1),
    # Recorded: the message meets a finished job, and is settled then.
    Point("after", "store", "record"),
    Point("before", "queue", "ack"),
    Point("after", "queue", "ack"),
    # A retry: recorded with its instant; the message comes when its visibility ends.
    Point("after", "store", "record", script=BROKEN[:1], calls=2),
    Point("before", "queue", "release", script=BROKEN[:1], calls=2),
    Point("after", "queue", "release", script=BROKEN[:1], calls=2),
    # A burial: the record says that it is pending. Dying between the dead letter and the ack makes a second one.
    Point("after", "store", "record", **BURIED),
    Point("before", "queue", "bury", **BURIED),
    Point("after", "queue", "bury", **BURIED, pending=True),
    Point("before", "store", "clear_bury", **BURIED, pending=True),
    Point("after", "store", "clear_bury", **BURIED),
)


@pytest.fixture
def bench() -> Bench:
    """A worker, and what it shares with the API."""
    return Bench()


def fatal(port: object, point: "Point | SubmitPoint") -> None:
    """Let the port's next call of that kind be the last thing that its process does."""
    operation: Callable[..., Awaitable[Any]] = getattr(port, point.operation)

    async def dying(*args: Any, **kwargs: Any) -> None:
        setattr(port, point.operation, operation)
        if point.when == "after":
            await operation(*args, **kwargs)
        raise Died

    setattr(port, point.operation, dying)


async def outlived(bench: Bench) -> None:
    """What the next worker makes of it, within two hours: nothing of the first one's memory is used."""
    for _ in range(2 * 3600 // SWEEP_SECONDS):
        await bench.clock.advance(SWEEP_SECONDS)
        bench.nothing_waits()
        await bench.sweep.once()
        while bench.queue.visible_count:
            await process(await bench.delivery(), bench.steps)


@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_a_worker_that_dies_here_loses_nothing(bench: Bench, point: Point) -> None:
    """And pays again only where the call had been made and its answer was not yet recorded."""
    provider: ScriptedProvider = bench.provider
    provider.play(*point.script)
    job = await bench.submitted(max_attempts=point.max_attempts)
    fatal(getattr(bench, point.port), point)
    with pytest.raises(Died):
        await bench.work()
    await outlived(bench)
    ended = bench.store.job(job.request_id)
    assert ended.status is point.status
    assert len(provider.calls) == point.calls
    assert ended.takeovers == point.takeovers
    assert bench.count("quarry_calls_repeated_total", reason="worker_vanished") == point.takeovers
    assert {letter.request_id for letter in bench.queue.buried} == ({job.request_id} if point.dead_letters else set())
    assert (ended.bury_reason is not None) is point.pending
    assert bench.queue.visible_count == bench.queue.in_flight_count == 0


async def test_a_job_that_always_kills_its_worker_is_buried(bench: Bench) -> None:
    """After so many take-overs, without another call."""
    job = await bench.submitted()
    for _ in range(MAX_TAKEOVERS + 1):
        fatal(bench.provider, Point("after", "provider", "invoke"))
        with pytest.raises(Died):
            await bench.work()
        await bench.clock.advance(120)
    await outlived(bench)
    assert bench.store.job(job.request_id).status is JobStatus.FAILED
    assert [letter.reason for letter in bench.queue.buried] == ["taken_over_too_often"]
    assert len(bench.provider.calls) == MAX_TAKEOVERS + 1


@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_a_lost_message_is_found_wherever_its_worker_died(bench: Bench, point: Point) -> None:
    """The queue is purged after the death: the record alone is enough."""
    bench.provider.play(*point.script)
    job = await bench.submitted(max_attempts=point.max_attempts)
    fatal(getattr(bench, point.port), point)
    with pytest.raises(Died):
        await bench.work()
    bench.queue.purge()
    await outlived(bench)
    ended = bench.store.job(job.request_id)
    assert ended.status is point.status
    assert len(bench.provider.calls) == point.calls


@dataclass(frozen=True)
class SubmitPoint:
    """Where the API dies while it takes a submission, and what becomes of it."""

    when: str
    port: str
    operation: str
    #: Whether there is a job afterwards. Its caller had no answer in any case.
    job: bool
    prompt: str = "Hi"
    key: str | None = None

    def __str__(self) -> str:
        return f"{self.when} {self.operation}"


SUBMIT_POINTS: Final = (
    SubmitPoint("before", "payloads", "put", job=False, prompt="x" * 20_000),
    SubmitPoint("after", "payloads", "put", job=False, prompt="x" * 20_000),
    SubmitPoint("before", "store", "create", job=False),
    SubmitPoint("after", "store", "create", job=True),
    SubmitPoint("after", "store", "create", job=True, prompt="x" * 20_000),
    SubmitPoint("before", "store", "create_with_key", job=False, key="k"),
    SubmitPoint("after", "store", "create_with_key", job=True, key="k"),
    SubmitPoint("before", "queue", "send", job=True),
    SubmitPoint("after", "queue", "send", job=True),
)


@pytest.mark.parametrize("point", SUBMIT_POINTS, ids=str)
async def test_an_api_that_dies_here_leaves_nothing_waiting_for_ever(bench: Bench, point: SubmitPoint) -> None:
    """What was recorded is answered, once, with or without its message; what was not leaves at most an object that expires."""
    metrics = ProducerMetrics(bench.registry)
    submitter = Submitter(bench.store, bench.payloads, bench.lanes, ROUTES, Tenants(), JobSettings(), bench.clock, metrics)
    fatal(getattr(bench, point.port), point)
    with pytest.raises(Died):
        await submitter.submit("default", {"prompt": point.prompt}, point.key)
    await outlived(bench)
    assert [job.status for job in bench.store.jobs] == [JobStatus.COMPLETED] * point.job
    assert len(bench.provider.calls) == point.job
    # Whoever has a key can ask again, and gets that job.
    if point.key:
        accepted = await submitter.submit("default", {"prompt": point.prompt}, point.key)
        assert accepted.replayed is point.job
        await outlived(bench)
        assert [job.status for job in bench.store.jobs] == [JobStatus.COMPLETED]
        assert len(bench.provider.calls) == 1

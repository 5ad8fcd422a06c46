"""SQS, DynamoDB or S3 away in the middle of the work: nothing is lost or paid twice in silence, and the speed is soon back."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.support.figures import figures
from tests.support.fleet import Fleet, fleet
from tests.support.judge import Account
from tests.support.processes import eventually
from tests.support.proxy import FaultProxy, Line, leading_to
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: Two workers of as many slots, a quarter of a second for each job.
SLOTS: Final = 5
#: Jobs that wait at least, but for moments.
BACKLOG: Final = 100
#: More than a record holds.
LARGE: Final = "x" * 20_000
#: Back is who does four fifths of what was done before, over two seconds.
BACK_SHARE: Final = 0.8
WINDOW_SECONDS: Final = 2.0
RECOVERY_SECONDS: Final = 10.0
#: Our own choice: the noise of an allocator. What piles up for a minute of such load would be many times that.
MEMORY_BYTES: Final = 8 * 1024 * 1024


@dataclass
class Watch:
    """Four times a second: hands in work, counts the answers, and reads how much memory a worker holds at most."""

    stack: Stack
    simulator: Simulator
    workers: Fleet
    body: Mapping[str, Any]
    requests: list[str] = field(default_factory=list)
    seen: list[tuple[float, int, int]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """For the length of the block."""
        ended = threading.Event()
        thread = threading.Thread(target=self._look, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look(self, ended: threading.Event) -> None:
        while not ended.wait(0.25):
            largest = max(each.rss_bytes for each in self.workers.all)
            answered = self.simulator.calls()["answered"]
            self.seen.append((time.monotonic(), answered, largest))
            if len(self.requests) - answered < BACKLOG:
                self.requests += self.stack.submit_many(BACKLOG, **self.body)

    def rate(self, since: float, until: float) -> float:
        """Answers per second between two moments."""
        within = [(at, answered) for at, answered, _ in self.seen if since <= at <= until]
        if len(within) < 2:
            return 0.0
        (first_at, first), (last_at, last) = within[0], within[-1]
        return (last - first) / (last_at - first_at)

    def memory(self, since: float, until: float) -> list[int]:
        """What was held between two moments."""
        return [held for at, _, held in self.seen if since <= at <= until]

    def steady_since(self, moment: float) -> bool:
        """Whether there has been a whole window of work since then."""
        now = time.monotonic()
        return now - moment > WINDOW_SECONDS + 0.5 and self.rate(now - WINDOW_SECONDS, now) > 2 * SLOTS

    def is_back(self, rate: float) -> bool:
        """Whether the latest window was at that rate."""
        now = time.monotonic()
        return self.rate(now - WINDOW_SECONDS - 0.3, now) >= rate


@dataclass(frozen=True)
class Outage:
    """What one absence did."""

    name: str
    before: float
    during: float
    recovery_seconds: float
    grown_bytes: int


@pytest.mark.parametrize(
    ("absences", "seconds"),
    [
        pytest.param([("sqs", Line.SILENT), ("dynamodb", Line.REFUSED)], 4.0, id="short"),
        *(
            pytest.param(
                [(service, Line.REFUSED), (service, Line.SILENT)],
                60.0,
                id=service,
                marks=[pytest.mark.long, pytest.mark.timeout(600)],
            )
            for service in ("sqs", "dynamodb", "s3")
        ),
    ],
)
def test_a_service_that_was_away_leaves_no_trace(
    stack: Stack, aws_url: str, simulator: Simulator, absences: Sequence[tuple[str, Line]], seconds: float
) -> None:
    """A service refuses connections for a while, or is silent. Each time the workers are back at their speed within 10 s of its
    return, and hold no more memory than before; in the end every job has completed, and what was paid again is in the history and
    counted. Payloads are large enough to lie in S3 where S3 is the service.

    Red when: `quarry/queue/sqs.py`:
    `async with asyncio.timeout(seconds):` -> `async with asyncio.timeout(None):`: a poll that met the silence outlasts it.
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 0.25})
    settings = {"QUARRY_WORKER__SLOTS": str(SLOTS), "QUARRY_WORKER__LEASE_SECONDS": "10"}
    with ExitStack() as running:
        proxies = {service: running.enter_context(FaultProxy(service, aws_url)) for service in {service for service, _ in absences}}
        workers = running.enter_context(fleet(stack, **settings, **leading_to(*proxies.values())))
        for _ in range(2):
            workers.start()
        running.enter_context(stack.running_api())
        workers.await_all()
        watch = Watch(stack, simulator, workers, {"system": LARGE} if "s3" in proxies else {})
        with watch.running():
            outages = [_away(proxies[service], line, watch, seconds) for service, line in absences]
        eventually(stack.queue_is_empty, seconds=180)
        account = Account.of(stack, simulator, workers)
    assert all(proxy.passed > len(watch.requests) / 4 for proxy in proxies.values()), "the traffic did not go through the proxy"
    with figures(f"{' and '.join(proxies)} away for {seconds:.0f} s each time") as table:
        for outage in outages:
            table += [
                (f"{outage.name}: jobs/s before, meanwhile", "-", f"{outage.before:.1f}, {outage.during:.1f}"),
                (f"{outage.name}: seconds until back", f"<= {RECOVERY_SECONDS:.0f}", f"{outage.recovery_seconds:.1f}"),
                (f"{outage.name}: memory grown by", f"<= {MEMORY_BYTES >> 20} MiB", f"{outage.grown_bytes / (1 << 20):.1f} MiB"),
            ]
        table += [
            ("jobs", f"{len(watch.requests)} completed", str(account.statuses)),
            ("calls paid again", "each counted", str(account.paid_again)),
            ("counted, by the logs", f">= {account.paid_again}", str(dict(account.logged))),
        ]
    account.assert_completed(watch.requests)
    account.assert_paid_for()
    for outage in outages:
        assert outage.recovery_seconds <= RECOVERY_SECONDS
        assert outage.grown_bytes <= MEMORY_BYTES


def _away(proxy: FaultProxy, line: Line, watch: Watch, seconds: float) -> Outage:
    """Measure the speed, take the service away, bring it back, and wait until the speed is what it was."""
    started = time.monotonic()
    eventually(lambda: watch.steady_since(started), what="work to be done")
    left = time.monotonic()
    before = watch.rate(left - WINDOW_SECONDS, left)
    with proxy.away(line):
        eventually(lambda: time.monotonic() >= left + seconds and watch.memory(left, time.monotonic()), seconds=seconds + 20)
    back = time.monotonic()
    eventually(lambda: watch.is_back(before * BACK_SHARE), seconds=60, what="the speed to return")
    recovery = time.monotonic() - back
    held = watch.memory(left, back)
    return Outage(f"{proxy.service} {line}", before, watch.rate(left + 1, back), recovery, max(held) - held[0])

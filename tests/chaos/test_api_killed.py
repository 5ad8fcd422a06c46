"""The API dies under load, again and again: what it has accepted is answered, and what it has not said anything about ends too."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

import httpx
import pytest

from tests.support.figures import figures
from tests.support.fleet import fleet
from tests.support.judge import Account, all_jobs
from tests.support.processes import eventually, free_port, quarry, serving
from tests.support.simulator import Simulator
from tests.support.stack import Stack

CALLERS = 8
#: Of each life of the API.
JOBS_PER_LIFE = 40
#: A job without a message is due two minutes after its submission; then the sweep has to come by.
SWEPT_SECONDS = 240.0


@dataclass
class Load:
    """Callers who submit all the time, whether or not anybody listens; half of them one by one, half of them in bulk."""

    base: str
    accepted: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """The callers call during the block."""
        threads = [threading.Thread(target=self._call, args=(number % 2 == 0,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _call(self, in_bulk: bool) -> None:
        path, body = ("/v1/jobs/bulk", {"jobs": [{"prompt": "Hi"}] * 5}) if in_bulk else ("/v1/jobs", {"prompt": "Hi"})
        with httpx.Client(base_url=self.base, timeout=10) as client:
            while not self._ended.wait(0.02):
                with suppress(httpx.TransportError):
                    self._note(client.post(path, json=body))

    def _note(self, answer: httpx.Response) -> None:
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 202:
            said = answer.json()
            self.accepted += [job["request_id"] for job in said.get("jobs", [said]) if job.get("status")]


@pytest.mark.parametrize(
    ("kills", "seconds"),
    [
        pytest.param(3, 80.0, id="short"),
        pytest.param(20, SWEPT_SECONDS, id="long", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)
def test_every_202_completes_whatever_happens_to_the_api(stack: Stack, simulator: Simulator, kills: int, seconds: float) -> None:
    """Eight callers; the API is killed once it has accepted some dozens of jobs, and started anew, again and again. Every job with
    a 202 completes, for one payment. In the long form there is time for the sweep: then no job without a 202 is left waiting.

    Red when: `producer/submit.py`, after `async def _announce(`:
    `[failure] = await announce(self._lanes, job)` -> `failure = None`.
    """
    stack.use(simulator)
    port = free_port()
    load = Load(f"http://127.0.0.1:{port}")
    with fleet(stack) as workers:
        workers.start()
        with load.running():
            for _ in range(kills):
                _live_and_die(stack, load, port)
        _finish(stack, load, seconds, all_of_them=seconds == SWEPT_SECONDS)
        account = Account.of(stack, simulator, workers)
    silent = [job for request_id, job in account.jobs.items() if request_id not in set(load.accepted)]
    with figures(f"API: {kills} SIGKILLs under load, {sum(load.answers.values())} answers") as table:
        completed = sum(account.jobs[each].status == "completed" for each in load.accepted if each in account.jobs)
        table += [
            ("jobs with a 202", "all completed", f"{completed} of {len(load.accepted)}"),
            ("recorded without a 202", "none waits for ever", str(dict(Counter(job.status.value for job in silent)))),
            ("paid twice", "0", str(account.paid_again)),
            ("other answers", "-", str({code: times for code, times in load.answers.items() if code != "202"})),
        ]
    account.assert_completed(load.accepted)
    assert account.paid_again == 0
    if seconds == SWEPT_SECONDS:
        account.assert_all_terminal()


def _live_and_die(stack: Stack, load: Load, port: int) -> None:
    """One life of the API: until it has accepted some jobs."""
    base = f"http://127.0.0.1:{port}"
    command, log = quarry("api", "--port", str(port)), stack.directory / "api.log"
    with serving(command, stack.environ(), log, f"{base}/livez") as process:
        enough = len(load.accepted) + JOBS_PER_LIFE
        eventually(lambda: len(load.accepted) >= enough, what="jobs to be accepted")
        process.signal(signal.SIGKILL)
        process.popen.wait(10)


def _finish(stack: Stack, load: Load, seconds: float, *, all_of_them: bool) -> None:
    """Wait until the accepted jobs are terminal, or all that are in the table."""
    with suppress(AssertionError):  # the account says what is missing

        def done() -> bool:
            if not all_of_them and not stack.queue_is_empty():
                return False
            jobs = all_jobs(stack)
            return all(jobs[each].status.is_terminal for each in (jobs if all_of_them else load.accepted))

        eventually(done, seconds=seconds)

"""`GET …?wait_seconds=` answers when the job is over, or when the time is."""

import re
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.processes import Process, eventually, free_port, quarry, serving
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def process(shared_stack: Stack) -> Iterator[Process]:
    """An API process with a known metrics port and room for few waiters."""
    port, metrics = free_port(), free_port()
    shared_stack.env |= {"QUARRY_API__METRICS_PORT": str(metrics), "QUARRY_API__WAITERS": "20"}
    base = f"http://127.0.0.1:{port}"
    log = shared_stack.directory / "api.log"
    with (
        serving(quarry("api", "--port", str(port)), shared_stack.environ(), log, f"{base}/readyz") as running,
        httpx.Client(base_url=base, timeout=40) as client,
    ):
        shared_stack.api = client
        yield running


@pytest.fixture
def api(process: Process, shared_stack: Stack) -> httpx.Client:
    """Its client."""
    assert shared_stack.api is not None
    return shared_stack.api


def waiters(stack: Stack) -> int:
    text = httpx.get(f"http://127.0.0.1:{stack.env['QUARRY_API__METRICS_PORT']}/metrics").text
    found = re.search(r"^quarry_http_waiters (\d+)", text, re.MULTILINE)
    assert found
    return int(found[1])


def timed_get(api: httpx.Client, request_id: str, wait_seconds: float) -> tuple[float, str]:
    began = time.monotonic()
    answer = api.get(f"/v1/jobs/{request_id}", params={"wait_seconds": wait_seconds})
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began, answer.json()["status"]


def soonest(api: httpx.Client, request_id: str, wait_seconds: float) -> float:
    """How soon it is answered where no other process of this machine is in the way: the best of five."""
    return min(timed_get(api, request_id, wait_seconds)[0] for _ in range(5))


def test_it_answers_when_the_time_is_up(shared_stack: Stack, api: httpx.Client) -> None:
    """With the job as it stands; fractions of seconds are understood, and without waiting it answers at once.

    Red when: `producer/waiting.py`: `self._clock.sleep(seconds)` -> `self._clock.sleep(seconds * 4)`
    """
    request_id = shared_stack.submit(prompt="Hi")
    assert soonest(api, request_id, 0) < 0.5
    taken = [timed_get(api, request_id, 0.7) for _ in range(3)]
    assert {status for _, status in taken} == {"queued"}
    assert 0.7 <= min(seconds for seconds, _ in taken) < 2.4


def test_it_answers_when_the_job_is_over(shared_stack: Stack, api: httpx.Client) -> None:
    """Long before the time is up, cancelled jobs too; a job that is over already is not waited for.

    Red when: `producer/waiting.py`, after `if is_gone or (status and status.is_terminal):`: `_tell(waiter)` -> `pass`
    """
    request_id = shared_stack.submit(prompt="Hi")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(timed_get, api, request_id, 30)
        eventually(lambda: waiters(shared_stack) == 1)
        api.post(f"/v1/jobs/{request_id}/cancel")
        seconds, status = waiting.result(40)
    assert status == "cancelled"
    assert seconds < 15
    assert soonest(api, request_id, 30) < 0.5
    eventually(lambda: waiters(shared_stack) == 0)


def test_an_idle_stack_answers_fast(shared_stack: Stack, api: httpx.Client) -> None:
    """Submit and wait, job after job: waiting adds little to the work itself, which is nothing here.

    Red when: `producer/waiting.py`: `TICK_SECONDS: Final = 0.02` -> `TICK_SECONDS: Final = 0.5`
    """
    with shared_stack.running_worker():
        shared_stack.finished(shared_stack.submit(prompt="warm up"))
        taken = [timed_get(api, shared_stack.submit(prompt="Hi"), 30) for _ in range(15)]
    assert {status for _, status in taken} == {"completed"}
    # Other tests run beside this one: it is the better half of them that tells what waiting adds.
    assert statistics.quantiles((seconds for seconds, _ in taken), n=4)[0] < 0.25


def test_a_caller_that_hangs_up_frees_its_place(shared_stack: Stack, api: httpx.Client) -> None:
    """The waiter is gone long before its time is up.

    Red when: `producer/waiting.py`: `(self._clock.sleep(seconds), gone())` -> `(self._clock.sleep(seconds),)`
    """
    request_id = shared_stack.submit(prompt="Hi")
    with socket.create_connection((api.base_url.host, api.base_url.port or 80)) as connection:
        connection.sendall(f"GET /v1/jobs/{request_id}?wait_seconds=30 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: waiters(shared_stack) == 1)
    eventually(lambda: waiters(shared_stack) == 0, seconds=15)


def test_many_waiters_share_few_places(shared_stack: Stack, api: httpx.Client) -> None:
    """As many wait as there is room for; the others are answered at once, and nobody is refused.

    Red when: `producer/waiting.py`: `if self._closed or len(self._waiting) >= self._limit:` -> `if self._closed:`
    """
    ids = [shared_stack.submit(prompt="Hi") for _ in range(30)]
    with httpx.Client(base_url=api.base_url, timeout=40, limits=httpx.Limits(max_connections=30)) as client:  # noqa: SIM117
        with ThreadPoolExecutor(30) as pool:
            taken = list(pool.map(lambda each: timed_get(client, each, 10), ids))
    assert {status for _, status in taken} == {"queued"}
    assert sum(seconds >= 10 for seconds, _ in taken) == 20
    assert sum(seconds < 8 for seconds, _ in taken) == 10


def test_a_stopping_api_answers_its_waiters(shared_stack: Stack, api: httpx.Client, process: Process) -> None:
    """SIGTERM: those who wait get the job as it stands, at once, and the process ends with 0. The last test of this file.

    Red when: `producer/server.py`, after `def stop() -> None:`: `stopping()` -> `pass`
    """
    request_id = shared_stack.submit(prompt="Hi")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(timed_get, api, request_id, 30)
        eventually(lambda: waiters(shared_stack) == 1)
        assert process.stop(seconds=20) == 0
        # Those whom it does not answer it would cut off after a while.
        seconds, status = waiting.result(10)
    assert status == "queued"
    assert seconds < 25
    assert "service.stopped" in process.output
    assert "Traceback" not in process.output

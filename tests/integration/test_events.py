"""`GET …/events` tells a job's statuses and text: whole, once, in order, by any process of the API, and only what counts."""

import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.support.processes import Process, eventually, free_port, quarry, serving
from tests.support.simulator import Simulator
from tests.support.sse import followed, following
from tests.support.stack import Stack

TEXT = "It was a dark and stormy night; the rain fell in torrents. Grüße, 世界 🚀\u2028\x85\r\n" * 6


@pytest.fixture
def api(stack: Stack, simulator: Simulator) -> Iterator[httpx.Client]:
    """An API in front of a model that writes some five events a second."""
    stack.use(simulator)
    simulator.rule({"event_seconds": 0.2, "text": TEXT})
    with stack.running_api() as client:
        yield client


@pytest.fixture
def worker(stack: Stack, api: httpx.Client) -> Iterator[Process]:
    """A worker."""
    with stack.running_worker() as process:
        yield process


@pytest.fixture
def hasty(stack: Stack, api: httpx.Client) -> Iterator[Process]:
    """A worker whose lost leases are taken over soon."""
    with stack.running_worker(QUARRY_WORKER__LEASE_SECONDS="10") as process:
        yield process


def test_text_is_told_as_it_comes(stack: Stack, api: httpx.Client, worker: Process) -> None:
    """From the first status to the end; joined it is the result's text, exactly, and most of it came long before.

    Red when: `worker/speech.py`: `self._unsaid += text[: self._left]` -> `self._unsaid += text[:1]`
    Red when: `worker/invoke.py`: `voice.hear if voice and not guard.withholds else None` -> `None`
    """
    request_id = stack.submit(prompt="a story", stream=True)
    with following(api, request_id) as follower:
        follower.until("text", 3)
        assert stack.job(request_id)["status"] == "processing"
        assert TEXT.startswith(follower.text)
        follower.until("done")
        eventually(lambda: follower.ended)
    assert follower.text == stack.job(request_id)["result"]["text"] == TEXT
    assert follower.statuses in (["queued", "processing", "completed"], ["processing", "completed"])
    assert "restart" not in follower.names
    assert follower.events[-1].data == stack.job(request_id)
    assert len({event.id for event in follower.events}) == len(follower.events)
    assert 'quarry_time_to_first_token_seconds_count{model="amazon.nova-lite-v1:0",provider="bedrock",region="us-east-1"} 1.0' in (
        stack.metrics(worker)
    )


def test_another_process_goes_on_where_one_left_off(stack: Stack, api: httpx.Client, worker: Process) -> None:
    """From every id on: no text twice, none lost; likewise once all is over; and whoever was told the end is not told it again.

    Red when: `producer/progress.py`: `text[self._place.mark.offset :]` -> `text[self._place.mark.offset + 1 :]`
    Red when: `producer/progress.py`: `return mark if self._token else replace(mark, offset=0)` -> `return mark`
    Red when: `producer/progress.py`: `if piece.mark == self._place.mark:` -> `if True:`
    """
    with stack.running_api() as other:
        request_id = stack.submit(prompt="a story", stream=True)
        with following(api, request_id) as follower:
            follower.until("text", 3)
        halfway = followed(other, request_id, follower.last_id)
        assert follower.text + halfway.text == TEXT
        assert halfway.names[0] == "text"
        assert "restart" not in halfway.names
        events = [*follower.events, *halfway.events[:-1]]
        for i, event in enumerate(events, start=1):
            late = followed(other, request_id, event.id)
            assert "".join(each.data.get("text", "") for each in events[:i] if each.name == "text") + late.text == TEXT
            assert "restart" not in late.names
        last = halfway.events[-1]
        assert other.get(f"/v1/jobs/{request_id}/events", headers={"Last-Event-ID": last.id}).status_code == 204
        assert followed(other, request_id).names == ["text", "done"]


def test_a_worker_that_dies_makes_the_text_begin_anew(
    stack: Stack, simulator: Simulator, api: httpx.Client, hasty: Process
) -> None:
    """The follower is told that what came is void, and then the text of who took over: whole, also to who comes back by id.

    Red when: `producer/progress.py`: `return self._event("restart", {})` -> `return self._event("text", {"text": ""})`
    """
    simulator.reset()
    simulator.rule({"hang": True, "after_events": 8}, times=1)
    simulator.rule({"event_seconds": 0.2, "text": TEXT})
    request_id = stack.submit(prompt="This will never be finished, whatever anybody does about it. " * 3, stream=True)
    with following(api, request_id) as follower:
        follower.until("text")
        hasty.signal(signal.SIGKILL)
        void = follower.last_id
        with stack.running_worker("second", QUARRY_WORKER__LEASE_SECONDS="10"):
            eventually(lambda: follower.ended, seconds=60)
    assert follower.names.count("restart") == 1
    assert follower.text == TEXT
    late = followed(api, request_id, void)
    assert (late.names, late.text) == (["restart", "text", "done"], TEXT)


def test_what_a_paused_worker_says_late_is_not_shown(stack: Stack, simulator: Simulator, api: httpx.Client, hasty: Process) -> None:
    """It writes on when it wakes, under a token that counts no more.

    Red when: `producer/progress.py`: `piece.token != look.token or call < known` -> `False`
    """
    simulator.reset()
    simulator.rule({"event_seconds": 0.2, "text": "VOID " * 200}, times=1)
    simulator.rule({"event_seconds": 0.2, "text": TEXT})
    request_id = stack.submit(prompt="a story", stream=True)
    with following(api, request_id) as follower:
        follower.until("text")
        hasty.signal(signal.SIGSTOP)
        with stack.running_worker("second", QUARRY_WORKER__LEASE_SECONDS="10"):
            follower.until("restart", seconds=60)
            hasty.signal(signal.SIGCONT)
            with following(api, request_id) as fresh:
                eventually(lambda: follower.ended and fresh.ended, seconds=60)
    assert (follower.text, fresh.text) == (TEXT, TEXT)
    assert not any("VOID" in event.data.get("text", "") for event in fresh.events)


def test_a_cancelled_job_ends_its_streams(stack: Stack, simulator: Simulator, api: httpx.Client, worker: Process) -> None:
    """In the middle of a text; the model's stream is closed as well.

    Red when: `quarry/inference/converse_stream.py`: `stream.close()` -> `pass`
    """
    simulator.reset()
    simulator.rule({"event_seconds": 0.2, "text": "word " * 2000})
    request_id = stack.submit(prompt="a story", stream=True)
    with following(api, request_id) as follower:
        follower.until("text", 2)
        # What a job has been between two looks is not told: its worker stands still until it was.
        worker.signal(signal.SIGSTOP)
        assert api.post(f"/v1/jobs/{request_id}/cancel").status_code == 202
        eventually(lambda: any(event.data.get("cancel_requested") for event in follower.events if event.name == "status"))
        worker.signal(signal.SIGCONT)
        eventually(lambda: follower.ended)
    assert follower.statuses[-1] == "cancelled"
    eventually(lambda: simulator.calls()["by_outcome"].get("client_left") == 1)


def test_a_job_that_is_not_streamed_tells_its_statuses(stack: Stack, simulator: Simulator, api: httpx.Client) -> None:
    """And its end, without text; retries, too.

    Red when: `producer/admission.py`: `stream=submission.stream or False` -> `stream=True`
    """
    simulator.reset()
    # Long enough to be seen: what a job has been between two looks is not told.
    simulator.rule({"delay_seconds": 6})
    request_id = stack.submit(prompt="a story")
    with following(api, request_id) as follower:
        follower.until("status")
        with stack.running_worker():
            eventually(lambda: follower.ended, seconds=60)
    assert follower.statuses == ["queued", "processing", "completed"]
    assert (follower.text, "text" in follower.names) == ("", False)


def test_a_stopping_api_lets_its_followers_go(stack: Stack, api: httpx.Client, worker: Process) -> None:
    """At once, and they go on elsewhere.

    Red when: `producer/routes/context.py`: `self.following.close()` -> `pass`
    """
    port = free_port()
    base, log = f"http://127.0.0.1:{port}", stack.directory / "other.log"
    with (
        serving(quarry("api", "--port", str(port)), stack.environ(), log, f"{base}/readyz") as process,
        httpx.Client(base_url=base) as other,
        following(other, request_id := stack.submit(prompt="a story", stream=True)) as follower,
    ):
        follower.until("text")
        assert process.stop(seconds=20) == 0
        eventually(lambda: follower.ended)
        # Whom it did not let go it would cut off after a while.
        assert not follower.is_cut
    assert follower.text + followed(api, request_id, follower.last_id).text == TEXT


def test_followers_are_bounded_and_those_who_hang_up_are_gone(stack: Stack, simulator: Simulator) -> None:
    """One more is answered with 503, until one has gone.

    Red when: `producer/following.py`:
    `if self._followers.total() >= self._limit or self._followers[job.tenant] >= of_one:` -> `if False:`
    Red when: `producer/following.py`: `self._count(job.tenant, -1)` -> `pass`
    """
    stack.use(simulator)
    with stack.running_api(QUARRY_API__FOLLOWERS="1") as api:
        request_id = stack.submit(prompt="a story", stream=True)
        with following(api, request_id) as follower:
            follower.until("status")
            with api.stream("GET", f"/v1/jobs/{request_id}/events") as refused:
                assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)

        def is_free() -> bool:
            with api.stream("GET", f"/v1/jobs/{request_id}/events") as answer:
                return answer.status_code == 200

        eventually(is_free)

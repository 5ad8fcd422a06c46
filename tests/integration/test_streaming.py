"""A call that is streamed is the same call: its answer, its errors and what they cost, read from events."""

from collections.abc import Iterator

import pytest

from tests.support.processes import Process, eventually
from tests.support.routing import FIRST, REGIONS, SECOND, route, target
from tests.support.simulator import Simulator
from tests.support.sse import followed, following
from tests.support.stack import Stack

STORY = "Once upon a time there was a text of more than one piece."
TOOLS = {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}]}


@pytest.fixture(autouse=True)
def worker(stack: Stack, simulator: Simulator) -> Iterator[Process]:
    """A worker of two targets, the second of which is always streamed; an API beside it."""
    stack.use(simulator)
    stack.declare(route(target(REGIONS[0]), target(REGIONS[1], streamed=True)))
    with stack.running_api(), stack.running_worker() as process:
        yield process


def test_an_answer_is_the_same_with_and_without_a_stream(stack: Stack, simulator: Simulator) -> None:
    """Content, stop reason, tokens, target: blocks that are no text too.

    Red when: `quarry/inference/converse_stream.py`: `use["input"] = json.loads(text) if text else {}` -> `json.loads(text or "0")`
    Red when: `quarry/inference/converse_stream.py`: `self.usage = told.get("usage") or {}` -> `self.usage = {}`
    """
    content = [
        {"reasoningContent": {"reasoningText": {"text": "They want a story, so I shall look.", "signature": "c2ln"}}},
        {"text": STORY},
        {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"where": ["here", 1.5]}}},
    ]
    simulator.rule({"content": content, "stop_reason": "tool_use"})
    asked = {"prompt": "A story.", "converse": {"toolConfig": TOOLS}}
    plain, streamed = (stack.finished(stack.submit(**asked, stream=stream)) for stream in (False, True))
    assert (plain["stream"], streamed["stream"]) == (False, True)
    for field in ("result", "usage", "served_by"):
        assert streamed[field] == plain[field], field
    assert streamed["result"]["content"] == content


@pytest.mark.parametrize("error", ["ThrottlingException", "ServiceUnavailableException", "ValidationException"])
def test_an_error_after_the_first_text_may_be_billed(stack: Stack, simulator: Simulator, error: str) -> None:
    """Whatever it is called: the attempt is spent, and no other target is paid beside it.

    Red when: `quarry/inference/providers/bedrock.py`: `begun(told) if assembly.has_begun else told` -> `told`
    """
    simulator.rule(match={"region": "us-east-1"}, act={"error": error, "after_events": 3})
    job = stack.finished(stack.submit(prompt=STORY, stream=True, max_attempts=1))
    assert (job["status"], (job["error"] or {}).get("code")) == ("failed", "model_failed")
    [attempt] = job["attempt_history"]
    assert (attempt["target"], attempt["fallbacks"]) == (FIRST, [])
    assert simulator.calls()["calls"] == 1


def test_an_error_before_the_first_text_is_as_without_a_stream(stack: Stack, simulator: Simulator) -> None:
    """A throttle costs nothing, though it comes after HTTP 200: the next target answers, and is heard.

    Red when: `quarry/inference/providers/bedrock.py`: `classify(code[:1].upper() + code[1:],` -> `classify(code,`
    """
    simulator.rule(match={"region": "us-east-1"}, act={"error": "ThrottlingException", "after_events": 1})
    request_id = stack.submit(prompt=STORY, stream=True, max_attempts=1)
    assert stack.api is not None
    assert followed(stack.api, request_id).text == STORY
    [attempt] = stack.job(request_id)["attempt_history"]
    assert [(each["target"], each["reason"]) for each in attempt["fallbacks"]] == [(FIRST, "throttled")]
    assert attempt["target"] == SECOND


@pytest.mark.parametrize("cut", [{"close": True}, {"reset": True}])
def test_a_stream_without_an_end_is_a_failure(stack: Stack, simulator: Simulator, cut: dict[str, bool]) -> None:
    """Never an answer that looks whole: the attempt is spent, and another one follows, whose text begins anew. Between the first
    text and the cut there is time enough for who follows to be told of it.

    Red when: `quarry/inference/converse_stream.py`: `raise StreamEnded` -> `break`
    """
    simulator.rule({**cut, "after_events": 3, "event_seconds": 1.5}, times=1)
    request_id = stack.submit(prompt=STORY, stream=True)
    assert stack.api is not None
    with following(stack.api, request_id) as follower:
        eventually(lambda: follower.ended, seconds=60)
    assert (follower.text, follower.names.count("restart")) == (STORY, 1)
    job = stack.job(request_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert job["attempt_history"][0]["error"]["code"] == ("model_failed" if "close" in cut else "invocation_timed_out")


def test_a_target_may_be_streamed_though_nobody_listens(stack: Stack, simulator: Simulator, worker: Process) -> None:
    """By its route, so that a stall is noticed; the answer is the same.

    Red when: `quarry/inference/engine.py`: `(_nobody if candidate.place.streamed else None)` -> `None`
    """
    simulator.rule(match={"region": "us-east-1"}, act={"error": "ThrottlingException"})
    job = stack.finished(stack.submit(prompt=STORY))
    assert (job["stream"], job["result"]["text"], job["served_by"]["region"]) == (False, STORY, "us-west-2")
    told = [line for line in stack.metrics(worker).splitlines() if line.startswith("quarry_time_to_first_token_seconds_count")]
    assert [line.partition("region=")[2] for line in told] == ['"us-west-2"} 1.0']


def test_bulk_submissions_may_be_streamed(stack: Stack) -> None:
    """Each by itself.

    Red when: `quarry/store/item.py`: `"stream": job.stream or None,` -> `"stream": None,`
    """
    assert stack.api is not None
    jobs = [{"prompt": STORY, "stream": True}, {"prompt": STORY}]
    answer = stack.api.post("/v1/jobs/bulk", json={"jobs": jobs}).json()
    streamed, plain = (followed(stack.api, job["request_id"]) for job in answer["jobs"])
    assert (streamed.text, plain.text) == (STORY, "")
    assert stack.finished(answer["jobs"][0]["request_id"])["stream"] is True

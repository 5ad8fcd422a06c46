"""A prompt is processed where it may be, and nowhere else: not even when nobody answers there."""

import pytest

from tests.support.processes import eventually
from tests.support.routing import route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: A model that stands in one region, and a profile that may be served in three from there.
NEAR, FAR = "bedrock/eu-west-1/amazon.nova-lite-v1:0", "bedrock/us-east-1/us.amazon.nova-lite-v1:0"


@pytest.fixture(autouse=True)
def _two_continents(stack: Stack, simulator: Simulator) -> None:
    stack.use(simulator)
    targets = (each.split("/") for each in (FAR, NEAR))
    stack.declare(route(*(target(region, provider=provider, model=model) for provider, region, model in targets)))


def test_a_job_is_served_where_it_may_be(stack: Stack, simulator: Simulator) -> None:
    """The target that stands first is skipped, and the history says why; without a wish it is asked.

    Red when: `worker/invoke.py`: `failures_of(job), job.allowed_regions, heard` -> `failures_of(job), (), heard`
    """
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello", allowed_regions=["eu-west-1", "eu-central-1"]))
        assert (job["status"], job["served_by"]["region"], job["allowed_regions"]) == (
            "completed", "eu-west-1", ["eu-west-1", "eu-central-1"],
        )  # fmt: skip
        [attempt] = job["attempt_history"]
        assert attempt["fallbacks"] == [{"target": FAR, "reason": "region_not_allowed", "seconds": 0.0, "skipped": True}]
        job = stack.finished(stack.submit(prompt="Hello"))
        assert (job["served_by"]["region"], job["allowed_regions"]) == ("us-east-1", None)
    assert simulator.calls()["calls"] == 2


def test_where_nobody_answers_the_job_waits_rather_than_leave(stack: Stack, simulator: Simulator) -> None:
    """The other continent has room, and is never asked; when there is room here, the job completes, here.

    Red when: `quarry/inference/candidates.py`: `if why := objection(place, allowed):` -> `if why := objection(place, None):`
    """
    simulator.rule(match={"region": "eu-west-1"}, act={"error": "ThrottlingException"})
    with stack.running_api(), stack.running_worker():
        request_id = stack.submit(prompt="Hello", allowed_regions=["eu-west-1"], max_attempts=1)
        eventually(lambda: stack.job(request_id)["status_reason"] == "waiting_for_capacity")
        assert simulator.calls()["billed"] == 0
        simulator.reset()
        job = stack.finished(request_id, seconds=90)
    assert (job["status"], job["served_by"]["region"], job["attempts"]) == ("completed", "eu-west-1", 1)
    assert simulator.calls()["billed"] == 1


def test_a_job_that_nobody_may_serve_is_refused(stack: Stack) -> None:
    """At once, with the reason for each target: a profile needs all of its regions, not the one that it is called in. So is one
    of a bulk submission, and the others are taken.

    Red when: `quarry/inference/residency.py`: `outside = regions - allowed` ->
    `outside = None if regions & allowed else regions`
    """
    with stack.running_api() as api:
        answer = api.post("/v1/jobs", json={"prompt": "Hello", "allowed_regions": ["us-east-1"]})
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_request"
        [fault] = answer.json()["errors"]
        assert fault["path"] == "allowed_regions"
        assert f"{FAR}: it may process prompts in us-east-2 and us-west-2, which are not allowed" in fault["message"]
        assert f"{NEAR}: it may process prompts in eu-west-1, which is not allowed" in fault["message"]
        bodies = [{"prompt": "Hello", "allowed_regions": [region]} for region in ("us-east-1", "eu-west-1", "eu-wset-1")]
        refused, accepted, unknown = api.post("/v1/jobs/bulk", json={"jobs": bodies}).json()["jobs"]
    assert accepted["status"] == "queued"
    assert [each["error"]["errors"][0]["path"] for each in (refused, unknown)] == ["allowed_regions", "allowed_regions[0]"]


def test_the_same_key_with_other_regions_is_another_request(stack: Stack) -> None:
    """What was promised for the first is not what the second asks for.

    Red when: `producer/idempotency.py`: `if name != FIELD}` -> `if name not in (FIELD, "allowed_regions")}`
    """
    with stack.running_api() as api:
        body = {"prompt": "Hello", "idempotency_key": "k", "allowed_regions": ["eu-west-1"]}
        assert [api.post("/v1/jobs", json=each).status_code for each in (body, body, body | {"allowed_regions": None})] == [
            202, 202, 409,
        ]  # fmt: skip


def test_a_request_that_no_target_can_serve_is_refused(stack: Stack) -> None:
    """A body of one family's format, for a route whose targets are another's.

    Red when: `quarry/inference/candidates.py`: `if foreign := _foreign(place.target, invocation, meant):` -> `if foreign := None:`
    """
    with stack.running_api() as api:
        native = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": []}
        answer = api.post("/v1/jobs", json={"native": native, "model": "default"})
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == ["model"]


def test_what_a_target_does_not_take_is_left_out_and_said(stack: Stack, simulator: Simulator) -> None:
    """Titan's output is bounded, strictly: a request for more is made smaller, and the attempt says so.

    Red when: `quarry/inference/adaptation.py`: `invocation = replace(invocation, max_tokens=bound)` -> `pass`
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes(provider="bedrock", model="amazon.titan-text-premier-v1:0")
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello", max_tokens=4000))
    assert (job["status"], [attempt["adapted"] for attempt in job["attempt_history"]]) == ("completed", [["max_tokens"]])
    assert '"event": "invocation.adapted"' in (stack.directory / "worker.log").read_text()

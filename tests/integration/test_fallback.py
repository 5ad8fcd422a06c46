"""Where one target fails and nothing was paid, the next one of the route answers; the history says who was asked, and why not."""

import pytest

from tests.support.processes import eventually
from tests.support.routing import FIRST, SECOND, TWO_REGIONS
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def _two_regions(stack: Stack, simulator: Simulator) -> None:
    stack.use(simulator)
    stack.declare(TWO_REGIONS)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("ServiceUnavailableException", "provider_unavailable"),
        ("ThrottlingException", "throttled"),
        ("AccessDeniedException", "access_denied"),
    ],
)
def test_the_second_target_answers_where_the_first_refuses(stack: Stack, simulator: Simulator, error: str, reason: str) -> None:
    """In the same attempt, at once; `attempt_history` names the first and its reason.

    Red when: `quarry/inference/fallback.py`: `return error.fallback_helps and not error.may_be_billed` -> `return False`
    """
    simulator.rule(match={"region": "us-east-1"}, act={"error": error})
    with stack.running_api(), stack.running_worker() as worker:
        job = stack.finished(stack.submit(prompt="Hello", max_attempts=1))
        [attempt] = job["attempt_history"]
        assert (job["status"], attempt["target"], job["served_by"]["region"]) == ("completed", SECOND, "us-west-2")
        assert [(each["target"], each["reason"]) for each in attempt["fallbacks"]] == [(FIRST, reason)]
        assert f'reason="{reason}",region="us-east-1"' in stack.metrics(worker)
    assert simulator.calls()["billed"] == 1


def test_what_may_be_paid_is_not_asked_elsewhere_in_the_same_attempt(stack: Stack, simulator: Simulator) -> None:
    """A connection that broke after the request was sent: whether to pay again is for the budget of attempts to say.

    Red when: `quarry/inference/fallback.py`: `return error.fallback_helps and not error.may_be_billed` ->
    `return error.fallback_helps`
    """
    simulator.rule(match={"region": "us-east-1"}, act={"reset": True})
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello", max_attempts=1))
    assert (job["status"], (job["error"] or {}).get("code")) == ("failed", "invocation_timed_out")
    assert [attempt["target"] for attempt in job["attempt_history"]] == [FIRST]


def test_while_every_target_is_full_a_job_waits_at_no_cost(stack: Stack, simulator: Simulator) -> None:
    """Throttled here, refused there: it waits for capacity, and is answered when there is some.

    Red when: `quarry/inference/engine.py`: `chosen = min(busy, key=lambda error: error.retry_after_seconds or 0.0) if busy else` ->
    `chosen =`
    """
    simulator.rule(match={"region": "us-east-1"}, act={"error": "AccessDeniedException"})
    simulator.rule(match={"region": "us-west-2"}, act={"error": "ThrottlingException"})
    with stack.running_api(), stack.running_worker():
        request_id = stack.submit(prompt="Hello", max_attempts=1)
        eventually(lambda: stack.job(request_id)["status_reason"] == "waiting_for_capacity")
        simulator.reset()
        job = stack.finished(request_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)

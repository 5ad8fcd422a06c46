"""The guard of a tenant: what it forbids is not asked, not answered, and not written anywhere; its guardrail judges every call."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.routing import MODEL, REGIONS, route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack, provisioned

HERE, AWAY = REGIONS
POLICY = f"""
[[default.guard.forbidden]]
name = "codename"
pattern = 'project\\s+basilisk'

[[default.guard.forbidden]]
name = "card"
pattern = '\\b4(?:[ -]?\\d){{15}}\\b'
where = "output"

[[default.guard.forbidden]]
name = "weather"
pattern = 'rain'
where = "both"
action = "flag"

[default.guard.guardrails.{HERE}]
id = "gr1"
version = "1"
"""
CARD = "4111 1111 1111 1111"
SAID_NO, CUT = "Not about that.", "Withdrawn."


@pytest.fixture(scope="module")
def stack(aws_url: str, running_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service whose tenants have that policy: routes to Bedrock here, to Bedrock where there is no guardrail, and to an echo."""
    stack = provisioned(aws_url, Path(tmp_path_factory.mktemp("guarded")))
    stack.use(running_simulator)
    elsewhere, echo = target(AWAY, route="elsewhere"), target(HERE, provider="echo", model="echo", route="echo")
    stack.declare(route(target(HERE)) + elsewhere + echo)
    path = stack.directory / "tenants.toml"
    path.write_text(POLICY)
    stack.env["QUARRY_TENANTS_FILE"] = str(path)
    with stack.running_api(), stack.running_worker():
        yield stack


@pytest.fixture
def guarded(stack: Stack, simulator: Simulator) -> httpx.Client:
    """Its API; the guardrail that the policy names is there."""
    simulator.guardrail("gr1", "kraken", input_message=SAID_NO, output_message=CUT)
    assert stack.api is not None
    return stack.api


def result(job: dict[str, Any]) -> tuple[str, str, bool]:
    """Text, stop reason, filtered."""
    assert job["status"] == "completed", job
    return job["result"]["text"], job["result"]["stop_reason"], job["result"]["filtered"]


def streamed(api: httpx.Client, request_id: str) -> str:
    """All that somebody is sent who follows a job to its end."""
    with api.stream("GET", f"/v1/jobs/{request_id}/events") as answer:
        return "".join(answer.iter_text())


def test_what_is_forbidden_is_neither_asked_nor_shown(stack: Stack, simulator: Simulator, guarded: httpx.Client) -> None:
    """A submission is refused by pattern and field; an answer is withheld, in a stream too, is paid once, and is in no row.

    Red when: `quarry/guard/normal.py`: `return seen if seen.isascii()` -> `return text if text`
    Red when: `worker/screening.py`: `return replace(flagged, content=(), ` -> `return replace(flagged, `
    Red when: `worker/invoke.py`: `if voice and not guard.withholds` -> `if voice`
    """
    refused = guarded.post("/v1/jobs", json={"prompt": "Tell me of pro\u200bject BASI\u00adLISK", "system": "project  basilisk"})
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "content_refused")
    assert [(each["path"], "codename" in each["message"]) for each in problem["errors"]] == [("prompt", True), ("system", True)]
    assert "basi" not in refused.text.lower()

    answers = [{"text": f"The card is {CARD}, and that is all."}]
    simulator.rule({"content": answers, "event_seconds": 0.2}, match={"text_contains": "card"})
    for streams in (False, True):
        request_id = stack.submit(prompt="Which card, in the rain?", stream=streams)
        said = streamed(guarded, request_id) if streams else ""
        job = stack.finished(request_id)
        assert result(job) == ("", "content_filtered", True)
        assert (job["flags"], job["result"]["content"], job["usage"]["output_tokens"] > 0) == (["weather", "card"], [], True)
        assert simulator.calls()["by_request_id"][request_id] == {"calls": 1, "billed": 1}
        assert "4111" not in said + json.dumps(job)
    rows = stack.client("dynamodb").scan(TableName=stack.name, ConsistentRead=True)["Items"]
    assert len(rows) >= 2
    assert "4111" not in json.dumps(rows, default=str)


NATIVE = {"messages": [{"role": "user", "content": [{"text": "Of the Kraken"}]}], "inferenceConfig": {"maxTokens": 20}}
ASKED: dict[str, dict[str, Any]] = {
    "converse": {"prompt": "Of the Kraken"},
    "stream": {"prompt": "Of the Kraken", "stream": True},
    "native": {"model": MODEL, "native": NATIVE},
    "another provider": {"prompt": "Of the Kraken", "model": "echo", "stream": True},
}


def test_a_guardrail_judges_every_call(stack: Stack, simulator: Simulator, guarded: httpx.Client) -> None:
    """What it blocks is answered with its words, whichever way a model is asked; the rest comes through; nobody asks around it.

    Red when: `quarry/inference/providers/bedrock.py`: `if guardrail := invocation.guardrail:` -> `if guardrail := None:`
    Red when: `quarry/inference/providers/bedrock.py`, after `def native_request(`: `if guardrail:` -> `if not target:`
    Red when: `quarry/inference/guardrails.py`: `if answer["action"] == "NONE":` -> `if answer:`
    Red when: `quarry/inference/candidates.py`: `if isinstance(judged, Candidate) and request.guardrails:` -> `if False:`
    """
    simulator.rule({"text": "It is a kraken."}, match={"text_contains": "octopus"})
    ids = {kind: stack.submit(**body) for kind, body in ASKED.items()}
    meant = {"Is it an octopus?": (CUT, "guardrail_intervened", True), "Is it a fish?": ("Is it a fish?", "end_turn", False)}
    others = {stack.submit(prompt=prompt): expected for prompt, expected in meant.items()}

    for kind, request_id in ids.items():
        job = stack.finished(request_id)
        text, stop_reason, filtered = result(job)
        assert (text, filtered) == (SAID_NO, True), kind
        assert stop_reason == "guardrail_intervened", kind
        assert job["attempts"] == 1
    assert {request_id: result(stack.finished(request_id)) for request_id in others} == others

    # Where the tenant has none, nobody is asked; and nobody may choose what it looks at.
    bypass = [{"role": "user", "content": [{"guardContent": {"text": {"text": "a fish"}}}, {"text": "the kraken"}]}]
    for body in (
        {"prompt": "A fish", "model": "elsewhere"},
        {"messages": bypass},
        {"prompt": "x", "converse": {"guardrailConfig": {"guardrailIdentifier": "mine", "guardrailVersion": "1"}}},
    ):
        assert guarded.post("/v1/jobs", json=body).status_code == 422, body


def test_a_guardrail_that_does_not_answer_lets_nothing_through(stack: Stack, simulator: Simulator, guarded: httpx.Client) -> None:
    """The job waits at no cost while it is throttled or may not be used, and is answered once it judges.

    Red when: `quarry/inference/guardrails.py`: `raise kind(` -> `return None; raise kind(`
    """
    for error, reason in {"ThrottlingException": "waiting_for_capacity", "AccessDeniedException": "blocked"}.items():
        rule = simulator.rule({"error": error}, match={"model": "guardrail/gr1"})
        request_id = stack.submit(prompt=f"A fish, {error}", model="echo")
        waiting = partial(_standing, stack, request_id, reason)
        assert eventually(waiting)["result"] is None
        simulator.drop(rule)
        job = stack.finished(request_id, seconds=60)
        assert (result(job)[0], job["attempts"]) == (f"A fish, {error}", 1)


def _standing(stack: Stack, request_id: str, reason: str) -> dict[str, Any] | None:
    job = stack.job(request_id)
    return job if job["status_reason"] == reason else None

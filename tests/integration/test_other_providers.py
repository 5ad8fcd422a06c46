"""Where Bedrock does not answer, a server of chat completions or an endpoint of SageMaker does, and the other way round."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT, quarry
from tests.support.routing import route, target
from tests.support.simulator import Simulator
from tests.support.stack import Stack

_BEDROCK = target()
_GATEWAY = target("", provider="gateway", model="gpt-oss-120b")
_ENDPOINT = target("", provider="endpoints", model="llama-8b")
KEY = "sk-never-to-be-seen"


@pytest.fixture(autouse=True)
def _others(stack: Stack, simulator: Simulator) -> None:
    stack.use(simulator)
    stack.env |= {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": simulator.url, "GATEWAY_KEY": KEY}


@pytest.fixture
def routed(stack: Stack, simulator: Simulator) -> Any:
    """Has these targets serve, in this order."""

    def routed(*targets: str, gateway: str = simulator.url) -> None:
        declared = f"""
[providers.gateway]
kind = "openai"
base_url = "{gateway}/v1"
api_key_env = "GATEWAY_KEY"

[providers.endpoints]
kind = "sagemaker"
region = "eu-west-3"
"""
        stack.declare(route(*targets) + declared)

    return routed


@pytest.mark.parametrize(
    ("target", "served_by"),
    [
        (_GATEWAY, {"provider": "gateway", "model": "gpt-oss-120b"}),
        (_ENDPOINT, {"provider": "endpoints", "region": "eu-west-3", "model": "llama-8b"}),
    ],
)
def test_while_bedrock_is_down_another_provider_answers(
    stack: Stack, simulator: Simulator, routed: Any, target: str, served_by: dict[str, str]
) -> None:
    """In the same attempt; the history names both, and the key is in no log.

    Red when: `worker/providers.py`: `self._by_name |= {name: self._declared[spec] for name, spec in specs.items()}` -> `pass`
    """
    routed(_BEDROCK, target)
    simulator.rule({"error": "ServiceUnavailableException"}, match={"model": "amazon.nova-lite-v1:0"})
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello there", max_attempts=1))
    [attempt] = job["attempt_history"]
    assert (job["status"], job["result"]["text"]) == ("completed", "Hello there")
    assert {name: value for name, value in job["served_by"].items() if value} == served_by
    assert [(each["target"], each["reason"]) for each in attempt["fallbacks"]] == [
        ("bedrock/us-east-1/amazon.nova-lite-v1:0", "provider_unavailable")
    ]
    counted = simulator.calls()
    assert (counted["billed"], counted["by_request_id"][job["request_id"]]) == (1, {"calls": 2, "billed": 1})
    assert KEY not in "".join(each.read_text() for each in stack.directory.glob("*.log"))


def test_a_server_that_is_not_there_costs_nothing(stack: Stack, simulator: Simulator, routed: Any) -> None:
    """A refused connection says that nothing was sent, so the next target is asked at once.

    Red when: `quarry/inference/providers/openai.py`: `return ProviderUnavailable("no connection", target=where)` ->
    `return InvocationTimedOut("no connection", target=where)`
    """
    routed(_GATEWAY, _BEDROCK, gateway="http://127.0.0.1:1")
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello there", max_attempts=1))
    [attempt] = job["attempt_history"]
    assert (job["status"], (job["served_by"] or {}).get("provider")) == ("completed", "bedrock")
    assert [(each["target"], each["reason"]) for each in attempt["fallbacks"]] == [("gateway/gpt-oss-120b", "provider_unavailable")]
    assert simulator.calls()["calls"] == 1


def test_a_call_that_breaks_off_is_not_made_again_unasked(stack: Stack, simulator: Simulator, routed: Any) -> None:
    """It was sent, and perhaps paid: neither the server nor the next target is asked in the same attempt.

    Red when: `quarry/inference/providers/openai.py`:
    `return InvocationTimedOut(f"the connection broke before an answer was read ({type(error).__name__})", target=where)` ->
    `return ProviderUnavailable("no connection", target=where)`
    """
    routed(_GATEWAY, _BEDROCK)
    simulator.rule({"reset": True}, match={"model": "gpt-oss-120b"})
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello there", max_attempts=1))
    assert (job["status"], (job["error"] or {}).get("code")) == ("failed", "invocation_timed_out")
    assert (simulator.calls()["calls"], simulator.calls()["billed"]) == (1, 1)


def test_what_one_provider_cannot_say_another_is_asked(stack: Stack, simulator: Simulator, routed: Any) -> None:
    """A chat completion cannot point to an image in S3: it is not left out, and nothing is sent there.

    Red when: `quarry/inference/chat_request.py`: `raise NotCapable("an image that is not in the request")` ->
    `return {"type": "text", "text": "-"}`
    """
    routed(_GATEWAY, _BEDROCK)
    image = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/key.png"}}}}
    messages = [{"role": "user", "content": [{"text": "What is it?"}, image]}]
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(messages=messages, max_attempts=1))
    [attempt] = job["attempt_history"]
    assert (job["status"], (job["served_by"] or {}).get("provider")) == ("completed", "bedrock")
    assert [each["reason"] for each in attempt["fallbacks"]] == ["target_not_capable"]
    assert simulator.calls()["calls"] == 1


def test_a_key_from_secrets_manager(stack: Stack, routed: Any) -> None:
    """It is read at the start; without it the worker does not start, and says which one is missing.

    Red when: `worker/providers.py`: `raise ConfigurationError(f"{spec.place}: {error}") from error` -> `raise`
    """
    routed(_GATEWAY)
    path = Path(stack.env["QUARRY_ROUTES_FILE"])
    path.write_text(path.read_text().replace('api_key_env = "GATEWAY_KEY"', f'api_key_secret = "{stack.name}"'))
    done = subprocess.run(quarry("worker"), env=stack.environ(), capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 78
    assert f"{path}:" in done.stderr
    assert f"[providers.gateway]: the secret {stack.name} cannot be read: ResourceNotFoundException" in done.stderr
    stack.client("secretsmanager").create_secret(Name=stack.name, SecretString=f'{{"api_key": "{KEY}"}}')
    with stack.running_api(), stack.running_worker():
        job = stack.finished(stack.submit(prompt="Hello there", max_attempts=1))
    assert job["status"] == "completed"
    assert KEY not in "".join(each.read_text() for each in stack.directory.glob("*.log"))

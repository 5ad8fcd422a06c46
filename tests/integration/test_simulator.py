"""The Bedrock simulator, as the stock AWS client sees it: one test per promise."""

import asyncio
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from quarry.inference.converse import service_model
from tests.support.processes import ROOT, clean_environ, eventually, free_port, quarry, serving
from tests.support.simulator import Simulator

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
BODY = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host"}
EXCEPTIONS = sorted(shape.name for shape in service_model().operation_model("Converse").error_shapes)


#: For one answer, on a machine that may halt for a moment.
SECONDS = 20


def client(url: str, region: str = "us-east-1", patience: float = SECONDS) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=SECONDS, read_timeout=patience)
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the simulator's
        config=config,
    )


def converse(bedrock: Any, text: str = "hello", **members: Any) -> dict[str, Any]:
    request = {"modelId": PROFILE, "messages": [{"role": "user", "content": [{"text": text}]}], **members}
    answer: dict[str, Any] = bedrock.converse(**request)
    return answer


def test_an_answer_is_true_to_the_service(simulator: Simulator) -> None:
    """The stock client parses text, stop reason, usage and request id.

    Red when: `quarry/simulator/wire.py`:
    `"totalTokens": generation.input_tokens + generation.output_tokens` -> `"totalTokens": generation.input_tokens`
    """
    answer = converse(client(simulator.url), inferenceConfig={"maxTokens": 1})
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": "hell"}]}
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"] == {"inputTokens": 2, "outputTokens": 1, "totalTokens": 3}
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_errors_are_the_service_s_own(simulator: Simulator, name: str) -> None:
    """Each exception comes out as the client's own class, with the model's status and the words given.

    Red when: `quarry/simulator/wire.py`: `status=refusal.status, headers=headers` -> `status=400, headers=headers`
    """
    simulator.rule({"error": name, "message": "because"})
    bedrock = client(simulator.url)
    with pytest.raises(getattr(bedrock.exceptions, name)) as caught:
        converse(bedrock)
    error = caught.value.response
    assert error["Error"] == {"Code": name, "Message": "because"}
    status = service_model().shape_for(name).metadata["error"]["httpStatusCode"]
    assert error["ResponseMetadata"]["HTTPStatusCode"] == status
    assert (simulator.calls()["billed"], simulator.calls()["by_outcome"]) == (0, {name: 1})


def test_a_hint_is_sent(simulator: Simulator) -> None:
    """A rule's headers reach the client.

    Red when: `quarry/simulator/wire.py`: `, **refusal.headers}` -> `}`
    """
    simulator.rule({"error": "ThrottlingException", "headers": {"Retry-After": "7"}})
    with pytest.raises(ClientError) as caught:
        converse(client(simulator.url))
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"].get("retry-after") == "7"


def test_a_bad_request_is_refused(simulator: Simulator) -> None:
    """The service's own validation, which the client does not have.

    Red when: `quarry/simulator/server.py`: `operation.check(call)` -> `pass`
    """
    bedrock = client(simulator.url)
    with pytest.raises(bedrock.exceptions.ValidationException, match="blank"):
        converse(bedrock, " ")
    assert simulator.calls()["billed"] == 0


def test_rules_go_by_region_model_text_and_request(simulator: Simulator) -> None:
    """One endpoint plays all regions: a rule for one leaves the others alone.

    Red when: `quarry/simulator/wire.py`: `return scope["region"]` -> `return "us-east-1"`
    """
    simulator.rule({"text": "here"}, match={"region": "eu-west-1", "model": PROFILE, "text_contains": "ell", "request_id": "r1"})
    labelled: dict[str, Any] = {"requestMetadata": {"quarry_request_id": "r1"}}

    def answered(region: str, text: str = "hello", **members: Any) -> str:
        said: str = converse(client(simulator.url, region), text, **members)["output"]["message"]["content"][0]["text"]
        return said

    assert answered("eu-west-1", **labelled) == "here"
    assert answered("us-east-1", **labelled) == "hello"
    assert answered("eu-west-1", "HELLO", **labelled) == "HELLO"
    assert answered("eu-west-1") == "hello"
    assert answered("eu-west-1", **labelled, modelId=NOVA) == "hello"


def test_an_unsigned_call_is_refused(simulator: Simulator) -> None:
    """403, in the service's form.

    Red when: `quarry/simulator/wire.py`: `raise Refusal("MissingAuthenticationTokenException")` -> `return ""`
    """
    answer = httpx.post(f"{simulator.url}/model/{NOVA}/converse", json={}, timeout=SECONDS)
    assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("act", "outcome", "seen", "patience"),
    [
        ({"hang": True}, "hung", ReadTimeoutError, 2),
        ({"reset": True}, "reset", ConnectionClosedError, SECONDS),
        ({"close": True}, "closed", ConnectionClosedError, SECONDS),
        ({"delay_seconds": 600}, "client_left", ReadTimeoutError, 2),
    ],
)
def test_an_answer_that_nobody_gets_is_billed(
    simulator: Simulator, act: dict[str, Any], outcome: str, seen: type[BotoCoreError], patience: float
) -> None:
    """What breaks after the model began was paid.

    Red when: `quarry/simulator/server.py`: `self._ledger.billed(call.request_id)` -> `pass`
    """
    simulator.rule(act, times=1)
    with pytest.raises(seen):
        converse(client(simulator.url, patience=patience), requestMetadata={"quarry_request_id": "r1"})
    eventually(lambda: simulator.calls()["by_outcome"] == {outcome: 1}, what=lambda: f"{outcome}: {simulator.calls()}")
    counters = simulator.calls()
    assert (counters["calls"], counters["answered"], counters["billed"]) == (1, 0, 1)
    assert counters["by_request_id"] == {"r1": {"calls": 1, "billed": 1}}


def test_paying_twice_shows(simulator: Simulator) -> None:
    """Two calls for one job are two bills under its id.

    Red when: `quarry/simulator/ledger.py`: `self._entry(request_id).billed += 1` -> `self._entry(request_id).billed = 1`
    """
    bedrock = client(simulator.url)
    for request_id in ("r1", "r1", "r2"):
        converse(bedrock, requestMetadata={"quarry_request_id": request_id})
    billed = {request_id: counts["billed"] for request_id, counts in simulator.calls()["by_request_id"].items()}
    assert billed == {"r1": 2, "r2": 1}


def test_content_of_one_s_own(simulator: Simulator) -> None:
    """A tool call, as a model would make it.

    Red when: `quarry/simulator/server.py`: `act.content if act.text is None else` -> `None if act.text is None else`
    """
    use = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bern"}}}
    simulator.rule({"content": [use], "stop_reason": "tool_use"})
    answer = converse(client(simulator.url))
    assert (answer["output"]["message"]["content"], answer["stopReason"]) == ([use], "tool_use")


@pytest.mark.parametrize("body", ["{", "[]", '{"act": {"hang": "yes"}}', '{"act": {}, "tmes": 1}'])
def test_a_bad_rule_is_refused(simulator: Simulator, body: str) -> None:
    """400 and a reason; nothing is added.

    Red when: `quarry/simulator/control.py`: `except (ValueError, RecursionError) as error:` -> `except RecursionError as error:`
    """
    answer = httpx.post(f"{simulator.url}/_simulator/rules", content=body, timeout=SECONDS)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert httpx.get(f"{simulator.url}/_simulator/rules", timeout=SECONDS).json() == {"rules": []}


def test_rules_are_listed_and_dropped(simulator: Simulator) -> None:
    """What is in force can be read, with the times that are left.

    Red when: `quarry/simulator/rules.py`: `update={"times": rule.times - 1}` -> `update={}`
    """
    rule_id = simulator.rule({"text": "a"}, times=3)
    converse(client(simulator.url))
    listed = httpx.get(f"{simulator.url}/_simulator/rules", timeout=SECONDS).json()["rules"]
    assert listed == [{"id": rule_id, "act": {"text": "a"}, "times": 2}]
    assert httpx.delete(f"{simulator.url}/_simulator/rules", timeout=SECONDS).status_code == 204
    assert httpx.get(f"{simulator.url}/_simulator/rules", timeout=SECONDS).json() == {"rules": []}


async def test_slow_calls_wait_side_by_side(simulator: Simulator) -> None:
    """Five hundred slow calls take about as long as one.

    Red when: `quarry/simulator/server.py`: `await asyncio.sleep(act.delay_seconds)` -> `time.sleep(act.delay_seconds)`
    """
    simulator.rule({"delay_seconds": 0.1})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def call() -> int:
            async with http.post(f"{simulator.url}/model/{NOVA}/converse", json=BODY, headers=SIGNED) as answer:
                return answer.status

        started = time.monotonic()
        statuses = await asyncio.gather(*(call() for _ in range(500)))
        seconds = time.monotonic() - started
    assert statuses == [200] * 500
    # One after another they take 50 s; the bound leaves room for a busy machine.
    assert seconds < 30


def test_a_script_is_in_force_from_the_start(tmp_path: Path) -> None:
    """`--script` holds for the first call; the log says what listens where; SIGTERM ends it with exit 0, hung calls and all.

    Red when: `quarry/simulator/server.py`: `shutdown_timeout=_SHUTDOWN_SECONDS` -> `shutdown_timeout=60`
    """
    script = tmp_path / "faults.json"
    script.write_text(json.dumps([{"act": {"hang": True}, "times": 1}]))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = quarry("simulator", "--port", str(port), "--script", str(script))
    with (
        ThreadPoolExecutor(1) as pool,
        serving(command, clean_environ(), tmp_path / "simulator.log", f"{url}/livez") as process,
    ):
        post = partial(httpx.post, f"{url}/model/{NOVA}/converse", json=BODY, headers=SIGNED, timeout=60)
        hung = pool.submit(post)
        eventually(lambda: httpx.get(f"{url}/_simulator/calls", timeout=SECONDS).json()["by_outcome"] == {"hung": 1})
        assert process.stop(SECONDS) == 0
        assert isinstance(hung.exception(SECONDS), httpx.TransportError)
        started = json.loads(process.output.splitlines()[0])
        assert (started["event"], started["url"], started["rules"]) == ("service.started", url, 1)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("{}", "must hold a list of rules"),
        ('[{"act": {"hang": 1}}]', "rule 1: act.hang"),
    ],
)
def test_a_wrong_script_stops_the_start(tmp_path: Path, script: str | None, words: str) -> None:
    """Exit 78 and one sentence.

    Red when: `quarry/simulator/script.py`: `except (ValueError, RecursionError) as error:` -> `except RecursionError as error:`
    """
    path = tmp_path / "faults.json"
    if script is not None:
        path.write_text(script)
    done = _ended(quarry("simulator", "--port", "0", "--script", str(path)))
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert words in done.stderr
    assert str(path) in done.stderr


def test_a_port_that_is_taken_stops_the_start(simulator: Simulator) -> None:
    """Exit 78 and one sentence that names the address.

    Red when: `quarry/simulator/server.py`: `except OSError as error:` -> `except KeyError as error:`
    """
    port = simulator.url.rpartition(":")[2]
    done = _ended(quarry("simulator", "--port", port))
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert f"127.0.0.1:{port}" in done.stderr


def _ended(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=clean_environ(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

"""The simulator's streams and its other operations, as the stock client reads them."""

import json
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EventStreamError
from urllib3.exceptions import HTTPError

from quarry.dialects import read
from tests.support.simulator import Simulator

HI = [{"role": "user", "content": [{"text": "Hello, this is more than one piece of text."}]}]
TEXT = HI[0]["content"][0]["text"]  # type: ignore[index]
BODIES: dict[str, dict[str, Any]] = {
    "anthropic.claude-3-haiku-20240307-v1:0": {
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": TEXT}],
    },
    "amazon.nova-lite-v1:0": {"messages": HI},
    "amazon.titan-text-express-v1": {"inputText": TEXT},
    "meta.llama3-8b-instruct-v1:0": {"prompt": TEXT},
}  # fmt: skip


@pytest.fixture
def bedrock(simulator: Simulator) -> Any:
    """A client without retries."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=20, read_timeout=20)
    return boto3.client(
        "bedrock-runtime", endpoint_url=simulator.url, region_name="us-east-1", config=config,
        aws_access_key_id="test", aws_secret_access_key="test",  # noqa: S106 - the simulator's
    )  # fmt: skip


def test_a_conversation_is_streamed(bedrock: Any) -> None:
    """Text in pieces, then the stop reason, then usage; the client checks each frame's sums.

    Red when: `quarry/simulator/eventstream.py`: `_CHUNK_CHARACTERS: Final = 16` -> `_CHUNK_CHARACTERS: Final = 1600`
    """
    events = list(bedrock.converse_stream(modelId="amazon.nova-lite-v1:0", messages=HI)["stream"])
    names = [next(iter(event)) for event in events]
    assert (names[0], names[-3:]) == ("messageStart", ["contentBlockStop", "messageStop", "metadata"])
    texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert (len(texts) > 1, "".join(texts)) == (True, TEXT)
    assert events[-1]["metadata"]["usage"] == {"inputTokens": 11, "outputTokens": 11, "totalTokens": 22}


@pytest.mark.parametrize("model", BODIES)
def test_a_native_body_is_answered_whole_and_in_chunks(bedrock: Any, model: str) -> None:
    """In the family's words, its counts in headers and in the last chunk.

    Red when: `quarry/simulator/operations.py`:
    `chunk(last | metrics(generation, latency_ms) | guarded(call, generation))` -> `chunk(last)`
    """
    body = json.dumps(BODIES[model])
    answer = bedrock.invoke_model(modelId=model, body=body)
    assert read(json.loads(answer["body"].read())).text == TEXT
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"] == "11"
    streamed = bedrock.invoke_model_with_response_stream(modelId=model, body=body)
    chunks = [json.loads(event["chunk"]["bytes"]) for event in streamed["body"]]
    assert len(chunks) > 3
    assert chunks[-1].get("amazon-bedrock-invocationMetrics", {}).get("outputTokenCount") == 11


def test_an_error_comes_as_an_event(bedrock: Any, simulator: Simulator) -> None:
    """After what was said already; it was billed.

    Red when: `quarry/simulator/sending.py`: `await response.write(stream.fail(act.refusal))` -> `pass`
    """
    simulator.rule(act={"error": "ThrottlingException", "after_events": 2})
    seen, failure = [], ""
    # Read to its end or not, the client keeps the connection until it is closed.
    with closing(bedrock.converse_stream(modelId="amazon.nova-lite-v1:0", messages=HI)["stream"]) as stream:
        try:
            for event in stream:
                seen.append(next(iter(event)))
        except EventStreamError as error:
            failure = error.response["Error"]["Code"]
    assert (seen, failure) == (["messageStart", "contentBlockDelta"], "throttlingException")
    assert simulator.calls()["by_outcome"] == {"ThrottlingException": 1}
    assert simulator.calls()["billed"] == 1


@pytest.mark.parametrize("cut", ["reset", "close"])
def test_a_stream_is_cut(bedrock: Any, simulator: Simulator, cut: str) -> None:
    """By a broken connection, or by an end that leaves the stop reason out.

    Red when: `quarry/simulator/sending.py`: `events[: act.after_events]` -> `events`
    """
    simulator.rule(act={cut: True, "after_events": 3})
    seen = []
    stream = bedrock.converse_stream(modelId="amazon.nova-lite-v1:0", messages=HI)["stream"]
    try:
        for event in stream:
            seen.append(next(iter(event)))
        ended = "close"
    except HTTPError:
        ended = "reset"
    finally:
        stream.close()
    assert "messageStop" not in seen
    assert ended == cut


def test_tokens_are_counted_without_a_bill(bedrock: Any, simulator: Simulator) -> None:
    """Of a Converse request and of a native body.

    Red when: `quarry/simulator/operations.py`: `Operation(_count, bills=False)` -> `Operation(_count)`
    """
    model = "anthropic.claude-3-5-sonnet-20241022-v2:0"
    native = json.dumps(next(body for name, body in BODIES.items() if name.startswith("anthropic."))).encode()
    assert bedrock.count_tokens(modelId=model, input={"converse": {"messages": HI}})["inputTokens"] == 11
    assert bedrock.count_tokens(modelId=model, input={"invokeModel": {"body": native}})["inputTokens"] == 11
    assert simulator.calls()["billed"] == 0

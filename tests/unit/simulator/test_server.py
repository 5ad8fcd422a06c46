"""The simulator's server in this process: who is asked, what is billed, and what a stream's faults leave of it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from botocore.eventstream import EventStreamBuffer

from quarry.simulator.brain import count_by_length, echo
from quarry.simulator.ledger import Ledger
from quarry.simulator.rules import RuleBook, parse_rule
from quarry.simulator.server import Simulator, Thinking, serving
from quarry.simulator.wire import Call, Generation, Refusal

CLAUDE = "anthropic.claude-3-5-sonnet-20241022-v2:0"
NOVA = "amazon.nova-lite-v1:0"
EMBED = "amazon.titan-embed-text-v2:0"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host"}
HELLO = {"messages": [{"role": "user", "content": [{"text": "Hello, this is more than one piece of text."}]}]}
#: What an echo of that text has: three pieces of it.
EVENTS = ["messageStart", *["contentBlockDelta"] * 3, "contentBlockStop", "messageStop", "metadata"]


class Bench:
    """A simulator, a client of it, and a note of who was asked."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.rules, self.ledger, self.asked = RuleBook(), Ledger(), list[str]()
        self.refuses = False
        self.url = ""
        self.http = http

    async def brain(self, call: Call) -> Generation:
        """The echo, or a refusal."""
        self.asked.append("brain")
        if self.refuses:
            raise Refusal("ThrottlingException")
        return await echo(call)

    async def count(self, call: Call) -> Generation:
        """The count, or a refusal."""
        self.asked.append("count")
        if self.refuses:
            raise Refusal("ThrottlingException")
        return await count_by_length(call)

    def post(self, path: str, body: Any, model: str = NOVA, **headers: str) -> Any:
        """A call; its answer is a context."""
        return self.http.post(f"{self.url}/model/{model}/{path}", json=body, headers=SIGNED | headers)

    async def status(self, path: str, body: Any, model: str = NOVA) -> int:
        """How a call ends."""
        async with self.post(path, body, model) as answer:
            await answer.read()
            status: int = answer.status
            return status

    def counted(self, of: str) -> Any:
        """A counter of the ledger."""
        return self.ledger.summary()[of]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with aiohttp.ClientSession() as http:
        made = Bench(http)
        simulator = Simulator(made.rules, made.ledger, Thinking(made.brain, made.count))
        async with serving(simulator, host="127.0.0.1", port=0) as made.url:
            yield made


def names(content: bytes) -> list[str]:
    """The messages of a stream, by what they are."""
    buffer = EventStreamBuffer()
    buffer.add_data(content)
    headers: list[Any] = [frame.headers for frame in buffer]
    return [each.get(":event-type") or each[":exception-type"] for each in headers]


COUNTING = {"input": {"converse": HELLO}}


async def test_counting_asks_no_brain(bench: Bench) -> None:
    """CountTokens only counts, whatever rules say of answers; nobody pays."""
    bench.rules.add(parse_rule({"act": {"text": "an answer"}}))
    assert await bench.status("count-tokens", COUNTING, CLAUDE) == 200
    native = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    body = base64.b64encode(json.dumps(native).encode()).decode()
    assert await bench.status("count-tokens", {"input": {"invokeModel": {"body": body}}}, CLAUDE) == 200
    assert (bench.asked, bench.counted("calls"), bench.counted("billed")) == (["count", "count"], 2, 0)


async def test_an_embedding_asks_no_brain_but_is_billed(bench: Bench) -> None:
    """It is made of the request alone."""
    assert await bench.status("invoke", {"inputText": "Hi"}, EMBED) == 200
    assert (bench.asked, bench.counted("billed")) == (["count"], 1)
    async with bench.post("invoke-with-response-stream", {"inputText": "Hi"}, EMBED) as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "The model is unsupported for streaming."})


async def test_a_native_answer_has_its_counts_in_headers(bench: Bench) -> None:
    """As clients of the service look for them; the latency is in milliseconds."""
    bench.rules.add(parse_rule({"act": {"delay_seconds": 0.05}}))
    async with bench.post("invoke", HELLO) as answer:
        given = {name: int(answer.headers[f"X-Amzn-Bedrock-{name}"]) for name in ("Input-Token-Count", "Output-Token-Count")}
        assert given == {"Input-Token-Count": 11, "Output-Token-Count": 11}
        assert 50 <= int(answer.headers["X-Amzn-Bedrock-Invocation-Latency"]) < 10_000
        assert len(answer.headers["x-amzn-RequestId"]) == 36


@pytest.mark.parametrize(
    ("code", "status"),
    [("ExpiredTokenException", 403), ("ExpiredToken", 403), ("InvalidClientTokenId", 403), ("UnrecognizedClientException", 403),
     ("InvalidSignatureException", 403), ("IncompleteSignatureException", 400), ("MissingAuthenticationTokenException", 403)],
)  # fmt: skip
async def test_the_front_end_s_errors_are_no_exceptions_of_bedrock(bench: Bench, code: str, status: int) -> None:
    """Their status is known, and their class stands alone in the header."""
    bench.rules.add(parse_rule({"act": {"error": code}}))
    async with bench.post("converse", HELLO) as answer:
        assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (status, code)
        assert (await answer.json())["message"]


async def test_an_error_of_nobody_s_has_the_status_that_it_is_given(bench: Bench) -> None:
    """As a proxy's in between."""
    bench.rules.add(parse_rule({"act": {"error": "BadGateway", "status": 502, "message": "No.", "headers": {"Retry-After": "3"}}}))
    async with bench.post("converse", HELLO) as answer:
        assert (answer.status, await answer.json(), answer.headers["Retry-After"]) == (502, {"message": "No."}, "3")
        assert answer.headers["x-amzn-ErrorType"] == "BadGateway"


@pytest.mark.parametrize(("path", "body", "model"), [("converse", HELLO, NOVA), ("count-tokens", COUNTING, CLAUDE)])
async def test_what_a_brain_refuses_is_not_billed(bench: Bench, path: str, body: Any, model: str) -> None:
    """Nor is anything taken off the bills of others."""
    assert await bench.status("converse", HELLO) == 200
    bench.refuses = True
    assert await bench.status(path, body, model) == 429
    assert (bench.counted("billed"), bench.counted("by_outcome")) == (1, {"ThrottlingException": 1, "answered": 1})


async def test_nor_for_the_job_that_it_was_made_for(bench: Bench) -> None:
    """Its other calls are."""
    labelled = HELLO | {"requestMetadata": {"quarry_request_id": "r1"}}
    assert await bench.status("converse", labelled) == 200
    bench.refuses = True
    assert await bench.status("converse", labelled) == 429
    assert bench.counted("by_request_id") == {"r1": {"calls": 2, "billed": 1}}


async def test_a_rule_s_answer_asks_no_brain(bench: Bench) -> None:
    """But a rule that only says why the model stopped does."""
    bench.rules.add(parse_rule({"act": {"text": "an answer"}, "times": 1}))
    bench.rules.add(parse_rule({"act": {"stop_reason": "max_tokens"}, "times": 1}))
    assert [await bench.status("converse", HELLO) for _ in range(2)] == [200, 200]
    assert (bench.asked, bench.counted("billed")) == (["brain"], 2)


@pytest.mark.parametrize("count", range(len(EVENTS) + 2))
async def test_an_error_stands_behind_so_many_events(bench: Bench, count: int) -> None:
    """Or behind all of them, where there are fewer; then the stream ends, and it was billed."""
    bench.rules.add(parse_rule({"act": {"error": "ThrottlingException", "after_events": count}}))
    async with bench.post("converse-stream", HELLO) as answer:
        assert answer.status == 200
        assert names(await answer.read()) == [*EVENTS[:count], "throttlingException"]
    assert bench.counted("billed") == 1


@pytest.mark.parametrize("count", range(len(EVENTS) + 2))
async def test_a_stream_is_closed_after_so_many_events(bench: Bench, count: int) -> None:
    """It ends as any stream does, only too soon."""
    bench.rules.add(parse_rule({"act": {"close": True, "after_events": count}}))
    async with bench.post("converse-stream", HELLO) as answer:
        assert names(await answer.read()) == EVENTS[:count]


async def test_a_stream_is_reset_after_some_events(bench: Bench) -> None:
    """They arrive; the end does not."""
    bench.rules.add(parse_rule({"act": {"reset": True, "after_events": 2}}))
    received = b""
    async with bench.post("converse-stream", HELLO) as answer:
        while len(names(received)) < 2:
            received += await answer.content.readany()
        with pytest.raises(aiohttp.ClientError):
            await answer.content.readany()
    assert names(received) == EVENTS[:2]


async def test_a_stream_hangs_after_some_events(bench: Bench) -> None:
    """They arrive; then nothing does, and the connection stays."""
    bench.rules.add(parse_rule({"act": {"hang": True, "after_events": 2}}))
    received = b""
    async with bench.post("converse-stream", HELLO) as answer:
        while len(names(received)) < 2:
            received += await answer.content.readany()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.content.readany(), 0.05)
    assert names(received) == EVENTS[:2]


async def test_what_does_not_stream_takes_no_notice(bench: Bench) -> None:
    """There the error is the answer, and no bill."""
    bench.rules.add(parse_rule({"act": {"error": "ThrottlingException", "after_events": 2}}))
    assert await bench.status("converse", HELLO) == 429
    assert bench.counted("billed") == 0


@pytest.mark.parametrize("body", [HELLO, {"unheard": "of"}])
async def test_a_native_call_counts_for_its_job(bench: Bench, body: Any) -> None:
    """Refused or not: its metadata are a header. Those that are none count for nobody."""
    for metadata in ('{"quarry_request_id": "r1"}', "{", "7", '{"quarry_request_id": 7}'):
        async with bench.post("invoke", body, **{"X-Amzn-Bedrock-Request-Metadata": metadata}) as answer:
            served = answer.status == 200
            assert served == (body is HELLO and metadata == '{"quarry_request_id": "r1"}')
    assert bench.counted("by_request_id") == {"r1": {"calls": 1, "billed": int(body is HELLO)}}
    assert bench.counted("calls") == 4


@pytest.mark.parametrize("path", ["converse", "converse-stream", "invoke", "invoke-with-response-stream", "count-tokens"])
async def test_an_unknown_model_is_refused_by_every_operation(bench: Bench, path: str) -> None:
    """Before anything else is said of the call: it counts as one, and has no bill."""
    async with bench.post(path, {}, "sonnet") as answer:
        assert (answer.status, await answer.json()) == (400, {"message": "The provided model identifier is invalid."})
    assert (bench.counted("calls"), bench.counted("billed"), bench.asked) == (1, 0, [])


@pytest.mark.parametrize(
    ("path", "model", "sent", "code", "words"),
    [
        ("converse", NOVA, b"{", "SerializationException", "The request body is not JSON."),
        ("converse", NOVA, b"[]", "SerializationException", "The request body is not an object."),
        ("converse", NOVA, b"[" * 100_000, "SerializationException", "The request body is not JSON."),
        ("converse", NOVA, b"", "ValidationException", "A conversation must start with a user message."),
        ("count-tokens", CLAUDE, b'{"input": {"invokeModel": {"body": "?"}}}', "ValidationException", "The body is not JSON."),
        (
            "count-tokens",
            CLAUDE,
            b'{"input": {"invokeModel": {"body": "W10="}}}',
            "ValidationException",
            "The body is not an object.",
        ),
        ("count-tokens", CLAUDE, b"{}", "ValidationException", "The input must be one of converse, invokeModel."),
        ("count-tokens", CLAUDE, b'{"input": {"converse": 7}}', "ValidationException", "The input's converse is not"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    bench: Bench, path: str, model: str, sent: bytes, code: str, words: str
) -> None:
    """As the service's errors are, and without a bill."""
    async with bench.http.post(f"{bench.url}/model/{model}/{path}", data=sent, headers=SIGNED) as answer:
        assert (answer.status, answer.headers["x-amzn-ErrorType"].partition(":")[0]) == (400, code)
        assert (await answer.json())["message"].startswith(words)
    assert (bench.counted("billed"), bench.counted("by_outcome")) == (0, {code: 1})


@pytest.mark.parametrize("path", ["guardrail/abc/version/1/delete", "async-invoke", f"model/{NOVA}/dream"])
async def test_other_operations_are_not_known(bench: Bench, path: str) -> None:
    """As AWS answers for any service; they are no calls."""
    async with bench.http.post(f"{bench.url}/{path}", json={}, headers=SIGNED) as answer:
        assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")
    async with bench.http.get(f"{bench.url}/_simulator/dreams") as answer:
        assert (answer.status, "x-amzn-ErrorType" in answer.headers) == (404, False)
    assert bench.counted("calls") == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("converse", HELLO),
        ("converse-stream", HELLO),
        ("invoke", {"prompt": "Hi"}),
        ("invoke-with-response-stream", {"prompt": "Hi"}),
    ],
)
async def test_a_model_behind_a_profile_is_asked_by_it(bench: Bench, path: str, body: Any) -> None:
    """By every operation that asks a model."""
    model = "meta.llama3-2-3b-instruct-v1:0"
    async with bench.post(path, body, model) as answer:
        assert answer.status == 400
        assert "with on-demand throughput" in (await answer.json())["message"]
    assert await bench.status(path, body, f"us.{model}") == 200


@pytest.mark.parametrize(("reason", "action"), [("end_turn", "NONE"), ("guardrail_intervened", "INTERVENED")])
async def test_a_guardrail_says_what_it_did(bench: Bench, reason: str, action: str) -> None:
    """In InvokeModel's body, where one was asked for, and only there."""
    bench.rules.add(parse_rule({"act": {"stop_reason": reason}}))
    guarded = {"X-Amzn-Bedrock-GuardrailIdentifier": "abc", "X-Amzn-Bedrock-GuardrailVersion": "1"}
    async with bench.post("invoke", HELLO, **guarded) as answer:
        assert (await answer.json())["amazon-bedrock-guardrailAction"] == action
    async with bench.post("invoke", HELLO) as answer:
        assert "amazon-bedrock-guardrailAction" not in await answer.json()


async def test_a_rule_can_be_dropped_by_its_id(bench: Bench) -> None:
    """The others stay in force; an id that is none is 404."""
    first, second = (bench.rules.add(parse_rule({"act": {"text": text}})) for text in "ab")
    url = f"{bench.url}/_simulator/rules"
    async with bench.http.delete(f"{url}/{first}") as answer:
        assert answer.status == 204
    async with bench.http.delete(f"{url}/{first}") as answer:
        assert answer.status == 404
    assert [rule["id"] for rule in bench.rules.listed()] == [second]


async def test_one_jobs_calls_can_be_asked_for(bench: Bench) -> None:
    """Of 100,000 ids, the one that matters; the totals are everybody's."""
    for name in ("mine", "other"):
        bench.ledger.began(name)
    url = f"{bench.url}/_simulator/calls"
    async with bench.http.get(url, params={"request_id": "mine"}) as answer:
        said = await answer.json()
    assert (said["by_request_id"], said["calls"]) == ({"mine": {"calls": 1, "billed": 0}}, 2)
    async with bench.http.get(url, params={"request_id": "nobody"}) as answer:
        assert (await answer.json())["by_request_id"] == {}

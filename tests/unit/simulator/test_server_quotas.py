"""The simulator's server within quotas: which calls take from them, how much, and how a throttle looks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from quarry.simulator.brain import count_by_length, echo
from quarry.simulator.ledger import Ledger
from quarry.simulator.quotas import Quotas, parse_quota
from quarry.simulator.rules import RuleBook, parse_rule
from quarry.simulator.server import Simulator, Thinking, serving
from quarry.simulator.wire import Call, Generation, Refusal

NOVA = "amazon.nova-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host"}
#: Ten tokens, and an echo of ten.
ASKED = "0123456789" * 4
HELLO = {"messages": [{"role": "user", "content": [{"text": ASKED}]}], "inferenceConfig": {"maxTokens": 100}}
REQUESTS = {"message": "Too many requests, please wait before trying again."}


class NotingLedger(Ledger):
    """Tells when a call came to its end."""

    def __init__(self) -> None:
        self.one_ended = asyncio.Event()
        super().__init__()

    def ended(self, outcome: str) -> None:
        """Note it."""
        super().ended(outcome)
        self.one_ended.set()


class World:
    """A simulator whose clock the test moves."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.now = 1_795_305_600.0
        self.rules, self.ledger, self.quotas = RuleBook(), NotingLedger(), Quotas()
        self.refuses = self.ponders = False
        self.asked = asyncio.Event()
        self.http = http
        self.url = ""

    async def brain(self, call: Call) -> Generation:
        """The echo, a refusal, or nothing for ever."""
        self.asked.set()
        if self.ponders:
            await asyncio.Event().wait()
        if self.refuses:
            raise Refusal("ModelErrorException")
        return await echo(call)

    def quota(self, **quota: Any) -> None:
        """Set one for all."""
        self.quotas.add(parse_quota(quota), self.now)

    def post(self, path: str = "converse", body: Any = HELLO, model: str = NOVA, headers: dict[str, str] = SIGNED) -> Any:
        """A call; its answer is a context."""
        return self.http.post(f"{self.url}/model/{model}/{path}", json=body, headers=headers)

    async def status(self, *asked: Any, **how: Any) -> int:
        """How a call ends."""
        async with self.post(*asked, **how) as answer:
            await answer.read()
            status: int = answer.status
            return status

    @property
    def report(self) -> Any:
        """Of the one pair that was called."""
        [pair] = self.quotas.report(self.now)["pairs"]
        return pair


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with aiohttp.ClientSession() as http:
        made = World(http)
        simulator = Simulator(made.rules, made.ledger, Thinking(made.brain, count_by_length), made.quotas, lambda: made.now)
        async with serving(simulator, host="127.0.0.1", port=0) as made.url:
            yield made


async def test_a_throttle_is_refused_at_once_and_not_billed(world: World) -> None:
    """A 429 in Bedrock's words, without the delay that a rule has for answers."""
    world.quota(requests_per_minute=1)
    assert await world.status() == 200
    world.rules.add(parse_rule({"act": {"delay_seconds": 3600}}))
    async with world.post() as answer:
        assert (answer.status, await answer.json()) == (429, REQUESTS)
        assert answer.headers["x-amzn-ErrorType"].startswith("ThrottlingException")
    assert (world.ledger.summary()["billed"], world.report["throttled_requests"]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "model", "held", "settled"),
    [
        (HELLO, NOVA, 10 + 100, 10 + 10),
        (HELLO, CLAUDE, 10 + 100, 10 + 5 * 10),
        # Without a bound: the model's, where that is known, else 4,096.
        ({"messages": HELLO["messages"]}, CLAUDE, 10 + 64_000, 10 + 5 * 10),
        ({"messages": HELLO["messages"]}, NOVA, 10 + 4096, 10 + 10),
    ],
)
async def test_a_call_holds_back_what_it_may_need(world: World, body: Any, model: str, held: int, settled: int) -> None:
    """Input and the most that may be said fit, or it is refused; then input and what was said count, as the model burns."""
    world.quota(tokens_per_minute=held - 1)
    assert await world.status("converse", body, model) == 429
    world.quota(tokens_per_minute=held, match={"model": model})
    world.now += 60
    assert await world.status("converse", body, model) == 200
    assert (world.report["tokens_settled"], world.report["throttled_tokens"]) == (settled, 1)
    # What was given back is there for others.
    assert await world.status("converse", HELLO | {"inferenceConfig": {"maxTokens": held - 10 - settled}}, model) == 200


@pytest.mark.parametrize("path", ["converse-stream", "invoke", "invoke-with-response-stream"])
async def test_all_operations_draw_on_one_quota(world: World, path: str) -> None:
    """Streamed or not, in the model's own words or Converse's."""
    world.quota(requests_per_minute=2, tokens_per_minute=100_000)
    assert [await world.status("converse"), await world.status(path), await world.status(path)] == [200, 200, 429]
    assert world.report["tokens_settled"] == 40


async def test_an_embedding_says_nothing(world: World) -> None:
    """Only its input counts."""
    world.quota(tokens_per_minute=10)
    assert await world.status("invoke", {"inputText": ASKED}, "amazon.titan-embed-text-v2:0") == 200
    assert world.report["tokens_settled"] == 10


async def test_what_is_refused_before_the_model_takes_nothing(world: World) -> None:
    """A request that is not valid, one that only counts, and one that a rule refuses."""
    world.quota(requests_per_minute=1)
    world.rules.add(parse_rule({"times": 1, "act": {"error": "ServiceUnavailableException"}}))
    assert await world.status() == 503
    assert await world.status("converse", {"messages": []}) == 400
    model = CLAUDE.removeprefix("us.")
    counting = {"input": {"converse": {"messages": HELLO["messages"]}}}
    assert [await world.status("count-tokens", counting, model) for _ in range(2)] == [200, 200]
    assert await world.status() == 200


async def test_a_throttled_call_uses_up_no_rule(world: World) -> None:
    """The fault is kept for a call that is served."""
    world.quota(requests_per_minute=1)
    assert await world.status() == 200
    world.rules.add(parse_rule({"times": 1, "act": {"text": "once"}}))
    assert await world.status() == 429
    world.now += 60
    async with world.post() as answer:
        assert (await answer.json())["output"]["message"]["content"] == [{"text": "once"}]


async def test_what_the_model_refuses_gives_its_tokens_back(world: World) -> None:
    """It said nothing; the request counts."""
    world.quota(requests_per_minute=2, tokens_per_minute=110)
    world.refuses = True
    assert await world.status() == 424
    world.refuses = False
    assert [await world.status(), await world.status()] == [200, 429]
    assert (world.report["tokens_settled"], world.report["throttled_requests"]) == (20, 1)


@pytest.mark.parametrize(
    ("act", "settled"),
    [({"reset": True}, 110), ({"close": True}, 110), ({"close": True, "after_events": 1}, 20),
     ({"error": "ModelStreamErrorException", "after_events": 1}, 20)],
)  # fmt: skip
async def test_a_broken_answer_costs_what_the_model_may_have_said(world: World, act: dict[str, Any], settled: int) -> None:
    """All that was held back, where nobody knows; what it said, where some of that went out."""
    world.quota(tokens_per_minute=1000)
    world.rules.add(parse_rule({"act": act}))
    try:
        await world.status("converse-stream")
    except aiohttp.ClientError:
        assert "after_events" not in act
    assert world.report["tokens_settled"] == settled


async def test_a_client_that_leaves_has_paid(world: World) -> None:
    """What it had held back is settled when it goes."""
    world.quota(tokens_per_minute=1000)
    world.ponders = True
    call = asyncio.create_task(world.status())
    await world.asked.wait()
    call.cancel()
    await world.ledger.one_ended.wait()
    assert world.report["tokens_settled"] == 110


async def test_a_bearer_token_names_no_region(world: World) -> None:
    """Its calls have a budget of their own."""
    world.quota(requests_per_minute=1)
    token = {"Authorization": "Bearer token"}
    assert [await world.status(headers=headers) for headers in (SIGNED, token, token)] == [200, 200, 429]


async def test_other_services_are_throttled_in_their_own_form(world: World) -> None:
    """A chat completion's 429; its model is the one in the body."""
    world.quota(match={"model": "gpt"}, requests_per_minute=1)
    body = {"model": "gpt", "messages": [{"role": "user", "content": "Hello"}]}
    for status, said in ((200, None), (429, REQUESTS["message"])):
        async with world.http.post(f"{world.url}/v1/chat/completions", json=body) as answer:
            assert (answer.status, (await answer.json()).get("error", {}).get("message")) == (status, said)


async def test_quotas_are_set_read_and_dropped(world: World) -> None:
    """At `/_simulator/quotas`, with their ids; a bad one is refused in a sentence."""
    url = f"{world.url}/_simulator/quotas"
    async with world.http.post(url, json={"match": {"region": "us-east-1"}, "requests_per_minute": 1}) as answer:
        assert (answer.status, await answer.json()) == (201, {"id": "quota-1"})
    assert [await world.status(), await world.status()] == [200, 429]
    async with world.http.post(url, json={"requests_per_minute": -1}) as answer:
        assert (answer.status, (await answer.json())["error"].partition(":")[0]) == (400, "requests_per_minute")
    async with world.http.get(url) as answer:
        read = await answer.json()
    assert read["quotas"] == [{"id": "quota-1", "match": {"region": "us-east-1"}, "requests_per_minute": 1}]
    assert [(each["region"], each["model"], each["served"]) for each in read["pairs"]] == [("us-east-1", NOVA, 1)]
    for path, status in (("/quota-2", 404), ("/quota-1", 204), ("", 204)):
        async with world.http.delete(url + path) as answer:
            assert answer.status == status
    assert await world.status() == 200


LONG = {"messages": [{"role": "user", "content": [{"text": "x" * 96}]}]}


@pytest.mark.parametrize("path", ["converse", "invoke"])
async def test_an_answer_takes_its_time_by_its_tokens(world: World, path: str) -> None:
    """Until the first token, and then so many a second; the latency that the answer states is that."""
    world.rules.add(parse_rule({"act": {"first_token_seconds": 0.04, "tokens_per_second": 400}}))
    started = asyncio.get_running_loop().time()
    async with world.post(path, LONG) as answer:
        body = await answer.json()
        header = answer.headers.get("X-Amzn-Bedrock-Invocation-Latency", "")
    assert asyncio.get_running_loop().time() - started >= 0.1
    assert 100 <= (body["metrics"]["latencyMs"] if path == "converse" else int(header)) < 10_000


async def test_a_stream_comes_as_its_tokens_do(world: World) -> None:
    """Nothing before the first token, and the last event when the last one is there."""
    world.rules.add(parse_rule({"act": {"first_token_seconds": 0.1, "tokens_per_second": 240}}))
    clock = asyncio.get_running_loop()
    started = clock.time()
    async with world.post("converse-stream", LONG) as answer:
        times = [clock.time() - started async for _ in answer.content.iter_any()]
    assert times[0] >= 0.1
    # 24 tokens: a tenth of a second, spread over the events.
    assert times[-1] >= 0.2
    assert times[len(times) // 2] - times[0] >= 0.02

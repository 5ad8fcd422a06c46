"""The simulator's quotas, as the stock AWS client meets them: one test per promise."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.processes import clean_environ, eventually, free_port, quarry, serving
from tests.support.simulator import Simulator

NOVA = "amazon.nova-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
#: Ten tokens, and an echo of ten.
MESSAGES: Any = [{"role": "user", "content": [{"text": "0123456789" * 4}]}]
KEYS: Any = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
ONCE: Any = {"retries": {"total_max_attempts": 1}, "read_timeout": 20}


def client(url: str, region: str = "us-east-1") -> Any:
    return boto3.client(
        "bedrock-runtime", endpoint_url=url, region_name=region, config=Config(max_pool_connections=50, **ONCE), **KEYS
    )


def asked(bedrock: Any, model: str = NOVA, bound: int = 100) -> str:
    """How a call ends: `answered`, or an error's words."""
    try:
        bedrock.converse(modelId=model, messages=MESSAGES, inferenceConfig={"maxTokens": bound})
    except bedrock.exceptions.ThrottlingException as error:
        return str(error.response["Error"]["Message"])
    return "answered"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"requests_per_minute": 2}, "Too many requests, please wait before trying again."),
        ({"tokens_per_minute": 140}, "Too many tokens, please wait before trying again."),
    ],
)
def test_a_spent_quota_throttles_in_bedrock_s_words(simulator: Simulator, limit: dict[str, Any], words: str) -> None:
    """A 429 that the client knows as its ThrottlingException, for each limit in its own words; nobody pays for it.

    Red when: `quarry/simulator/quotas.py`: `"ThrottlingException", _REQUESTS` -> `"ThrottlingException", _TOKENS`
    Red when: `quarry/simulator/quotas.py`: `"ThrottlingException", _TOKENS` -> `"ThrottlingException", _REQUESTS`
    """
    simulator.quota(**limit, refill="minute", phase_seconds=away_from_the_boundary())
    bedrock = client(simulator.url)
    assert [asked(bedrock) for _ in range(5)] == ["answered"] * 2 + [words] * 3
    assert (simulator.calls()["billed"], simulator.calls()["by_outcome"]) == (2, {"ThrottlingException": 3, "answered": 2})


async def test_an_asynchronous_client_is_throttled_alike(simulator: Simulator) -> None:
    """A stream too, before it begins.

    Red when: `quarry/simulator/server.py`: `hold = self._held(call)` -> `pass`
    """
    simulator.quota(requests_per_minute=1)
    async with get_session().create_client(
        "bedrock-runtime", endpoint_url=simulator.url, region_name="us-east-1", config=AioConfig(**ONCE), **KEYS
    ) as bedrock:
        await bedrock.converse(modelId=NOVA, messages=MESSAGES)
        with pytest.raises(ClientError) as caught:
            await bedrock.converse_stream(modelId=NOVA, messages=MESSAGES)
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_tokens_are_held_back_and_settled(simulator: Simulator) -> None:
    """The bound of a call must fit, and only what it used is gone at its end; Claude's output counts five times.

    Red when: `quarry/simulator/server.py`: `hold.spend(made.input_tokens, made.output_tokens)` -> `pass`
    Red when: `quarry/simulator/quotas.py`: `output_tokens * burndown(self.pair.model)` -> `output_tokens`
    """
    simulator.quota(tokens_per_minute=1000, refill="minute", phase_seconds=away_from_the_boundary())
    bedrock = client(simulator.url)
    assert asked(bedrock, CLAUDE, 991).startswith("Too many tokens")
    # 10 + 5 x 10 tokens each.
    assert [asked(bedrock, CLAUDE, 690) for _ in range(6)] == ["answered"] * 6
    assert asked(bedrock, CLAUDE, 690).startswith("Too many tokens")
    [pair] = simulator.quotas()
    assert {name: pair[name] for name in ("served", "throttled_tokens", "throttled_requests", "tokens_settled")} == {
        "served": 6,
        "throttled_tokens": 2,
        "throttled_requests": 0,
        "tokens_settled": 360,
    }


def test_each_region_and_model_has_its_own(simulator: Simulator) -> None:
    """One endpoint plays all regions, with a budget for each pair.

    Red when: `quarry/simulator/quotas.py`:
    `((region, model), (None, model), (region, None), (None, None))` -> `((None, None),)`
    """
    simulator.quota(requests_per_minute=1)
    simulator.quota(requests_per_minute=2, region="eu-west-1")
    ends = {region: [asked(client(simulator.url, region))[:8] for _ in range(3)] for region in ("us-east-1", "eu-west-1")}
    assert ends == {"us-east-1": ["answered", "Too many", "Too many"], "eu-west-1": ["answered", "answered", "Too many"]}
    assert asked(client(simulator.url), CLAUDE) == "answered"


def test_a_quota_changes_in_the_middle_of_a_run(simulator: Simulator) -> None:
    """Halved and doubled, what is used stays used: nobody gets a minute anew.

    Red when: `quarry/simulator/quotas.py`: `carry(old, new)` -> `pass`
    """
    phase = away_from_the_boundary()
    bedrock = client(simulator.url)
    ids, answered = set(), []
    for limit in (10, 5, 20):
        ids.add(simulator.quota(requests_per_minute=limit, refill="minute", phase_seconds=phase))
        answered.append([asked(bedrock) for _ in range(12 if limit > 5 else 3)].count("answered"))
    assert answered == [10, 0, 10]
    assert len(ids) == 1
    [pair] = simulator.quotas()
    assert (pair["served"], pair["requests_granted"], pair["requests_per_minute"]) == (20, 20, 20)


def test_the_use_of_a_quota_can_be_computed(simulator: Simulator) -> None:
    """Served ÷ granted of a bucket that is asked without a pause is one; the counts by second add up to it.

    Red when: `quarry/simulator/budgets.py`: `self.granted += gain` -> `pass`
    """
    bedrock = client(simulator.url)
    # Where the machine halts for a moment, there was a pause: what the bucket was granted meanwhile is lost.
    for _ in range(5):
        simulator.reset()
        simulator.quota(requests_per_minute=1200, burst_seconds=1)
        if _longest_pause(bedrock, 3) < 0.2:
            break
    [pair] = simulator.quotas()
    assert pair["served"] > 40
    assert 0.9 < pair["served"] / pair["requests_granted"] <= 1
    counts = pair["by_second"]
    assert (sum(counts["served"]), sum(counts["throttled"])) == (pair["served"], pair["throttled_requests"])
    assert sum(counts["tokens"]) == pair["tokens_settled"] == 20 * pair["served"]


def test_never_is_more_served_than_granted_side_by_side(simulator: Simulator) -> None:
    """Fifty callers at once get no more than one would.

    Red when: `quarry/simulator/quotas.py`: `self.requests.left -= 1` -> `self.requests.left -= 0.5`
    """
    simulator.quota(requests_per_minute=60, tokens_per_minute=6000)
    bedrock = client(simulator.url)
    with ThreadPoolExecutor(50) as pool:
        ends = Counter(end[:17] for end in pool.map(lambda _: asked(bedrock), range(200)))
    [pair] = simulator.quotas()
    assert ends["answered"] == pair["served"] <= pair["requests_granted"]
    assert ends["answered"] + ends["Too many requests"] + ends["Too many tokens, "] == 200
    assert pair["tokens_settled"] <= pair["tokens_granted"]


def test_a_rule_holds_for_a_time(simulator: Simulator) -> None:
    """An outage that begins some time after it was announced, and ends.

    Red when: `quarry/simulator/rules.py`: `now >= entry.end` -> `False`
    Red when: `quarry/simulator/rules.py`: `now < entry.begin or` -> ``
    """
    bedrock = client(simulator.url)
    # Each of the two lasts longer than the machine may halt for.
    simulator.rule({"error": "ServiceUnavailableException"}, after_seconds=4, until_seconds=8)
    seen = [available(bedrock, True)]
    for wanted in (False, True):
        eventually(partial(available, bedrock, wanted), what=f"available: {wanted}")
        seen.append(wanted)
    assert seen == [True, False, True]


def test_an_answer_takes_its_time(simulator: Simulator) -> None:
    """A stream's first event comes with the first token; the answer as a whole with the last.

    Red when: `quarry/simulator/sending.py`: `await asyncio.sleep(pace.first_token)` -> `pass`
    Red when: `quarry/simulator/sending.py`: `await asyncio.sleep(sum(pace))` -> `pass`
    """
    simulator.rule({"first_token_seconds": 0.5, "tokens_per_second": 20})
    bedrock = client(simulator.url)
    started = time.monotonic()
    stream = bedrock.converse_stream(modelId=NOVA, messages=MESSAGES)["stream"]
    times = [time.monotonic() - started for _ in stream]
    assert times[0] >= 0.5
    assert times[-1] >= 1.0
    started = time.monotonic()
    bedrock.converse(modelId=NOVA, messages=MESSAGES)
    assert time.monotonic() - started >= 1.0


def test_a_script_sets_quotas(tmp_path: Path) -> None:
    """They hold for the first call.

    Red when: `quarry/simulator/server.py`: `in_force.add(quota, now())` -> `pass`
    """
    script = tmp_path / "play.json"
    script.write_text(json.dumps({"rules": [{"act": {"text": "hi"}}], "quotas": [{"requests_per_minute": 1}]}))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = quarry("simulator", "--port", str(port), "--script", str(script))
    with serving(command, clean_environ(), tmp_path / "simulator.log", f"{url}/livez"):
        bedrock = client(url)
        assert [asked(bedrock)[:8] for _ in range(2)] == ["answered", "Too many"]
        assert len(httpx.get(f"{url}/_simulator/rules", timeout=20).json()["rules"]) == 1


def _longest_pause(bedrock: Any, seconds: float) -> float:
    """Ask for so long, one call after the other: the longest time from one answer to the next."""
    answered = [time.monotonic()]
    while answered[-1] < answered[0] + seconds:
        asked(bedrock)
        answered.append(time.monotonic())
    return max(later - earlier for earlier, later in pairwise(answered))


def available(bedrock: Any, wanted: bool) -> bool:
    """Whether it is as it is wanted."""
    try:
        return (asked(bedrock) == "answered") is wanted
    except bedrock.exceptions.ServiceUnavailableException:
        return not wanted


def away_from_the_boundary() -> float:
    """A phase by which the minute has just begun: no test sees the next one."""
    return (time.time() - 1) % 60

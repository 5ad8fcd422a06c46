"""The simulator's rules: which one decides, how often, and what is refused."""

from typing import Any

import pytest

from quarry.errors import ConfigurationError
from quarry.simulator.rules import AS_USUAL, RuleBook, parse_rule
from quarry.simulator.script import parse_script
from quarry.simulator.wire import Call, Refusal
from quarry.testing import FakeClock


def call(*texts: str, model: str = "m", region: str = "us-east-1", request_id: str = "r1") -> Call:
    messages: list[Any] = [{"role": "user", "content": [{"text": text}]} for text in texts or ("hello",)]
    messages.append({"role": "assistant", "content": [{"text": "secret"}]})
    return Call(model, region, {"messages": messages, "requestMetadata": {"quarry_request_id": request_id}})


def book(*rules: Any) -> RuleBook:
    return RuleBook([parse_rule(rule) for rule in rules])


def test_the_first_that_matches_decides() -> None:
    """Rules are looked at in the order in which they came."""
    rules = book({"match": {"model": "other"}, "act": {"text": "a"}}, {"act": {"text": "b"}}, {"act": {"text": "c"}})
    assert rules.take(call()).text == "b"


def test_a_rule_is_used_up() -> None:
    """After its times, the next one decides; without any, calls are served as usual."""
    rules = book({"act": {"text": "a"}, "times": 2}, {"act": {"text": "b"}, "times": 1})
    assert [rules.take(call()).text for _ in range(3)] == ["a", "a", "b"]
    assert rules.take(call()) is AS_USUAL
    assert rules.listed() == []


def test_a_call_that_is_not_meant_uses_nothing_up() -> None:
    """Only matching calls count."""
    rules = book({"match": {"region": "eu-west-1"}, "act": {"text": "a"}, "times": 1})
    assert rules.take(call()) is AS_USUAL
    assert rules.take(call(region="eu-west-1")).text == "a"


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"model": "m", "region": "us-east-1", "request_id": "r1", "text_contains": "ell"}, True),
        ({"model": "n"}, False),
        ({"region": "eu-west-1"}, False),
        ({"request_id": "r2"}, False),
        ({"text_contains": "first"}, True),
        # The model's own words are not the user's.
        ({"text_contains": "secret"}, False),
        ({"model": "m", "region": "eu-west-1"}, False),
    ],
)
def test_all_that_is_given_must_hold(match: dict[str, str], holds: bool) -> None:
    """`text_contains` looks into every user message; all others are equal or not."""
    rules = book({"match": match, "act": {"text": "a"}})
    assert (rules.take(call("the first", "hello")) is not AS_USUAL) == holds


def test_draws_repeat_with_the_seed() -> None:
    """The same seed fails the same calls, and clearing begins anew."""
    rule = parse_rule({"act": {"text": "a", "probability": 0.5}})

    def drawn(rules: RuleBook) -> list[bool]:
        return [rules.take(call()) is not AS_USUAL for _ in range(100)]

    rules = RuleBook([rule], seed=1)
    first = drawn(rules)
    assert 30 < sum(first) < 70
    rules.clear()
    rules.add(rule)
    assert drawn(rules) == first == drawn(RuleBook([rule], seed=1))
    assert drawn(RuleBook([rule], seed=2)) != first


def test_a_draw_that_fails_costs_no_time() -> None:
    """An improbable rule keeps its times, and the next rule is looked at."""
    rules = book({"act": {"text": "a", "probability": 0}, "times": 1}, {"act": {"text": "b"}})
    assert rules.take(call()).text == "b"
    assert len(rules) == 2


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ([], "the rule"),
        ({}, "act: Field required"),
        ({"act": {}, "time": 1}, "time: "),
        ({"act": {}, "times": 0}, "times: "),
        ({"act": {}, "match": {"modle": "m"}}, "match.modle"),
        ({"act": {"delay_seconds": -1}}, "act.delay_seconds"),
        ({"act": {"delay_seconds": "1"}}, "act.delay_seconds"),
        ({"act": {"probability": 2}}, "act.probability"),
        ({"act": {"hang": True, "reset": True}}, "`hang` and `reset` exclude each other"),
        ({"act": {"error": "ThrottlingException", "text": "a"}}, "`error` and `text` exclude each other"),
        ({"act": {"text": "a", "content": []}}, "`text` and `content` exclude each other"),
        ({"act": {"content": [{"text": "a"}, {"toolUse": {"name": "n", "input": {}}}]}}, "content[1].toolUse.toolUseId is missing"),
        ({"act": {"content": [{"words": "a"}]}}, "content[0]"),
        ({"act": {"error": "NoSuchException"}}, "needs a `status`"),
        ({"act": {"text": "a", "after_events": 1}}, "`after_events` belongs to"),
        ({"act": {"error": "AccessDeniedException", "after_events": 1}}, "a stream has no event for it"),
        ({"act": {"close": True, "after_events": -1}}, "act.after_events"),
        ({"act": {"stop_reason": "nonsense"}}, "act.stop_reason: is none of Converse's: content_filtered, end_turn, "),
        ({"act": {"status": 500}}, "belong to an `error`"),
        ({"act": {"hang": True, "tokens_per_second": 9}}, "`first_token_seconds` and `tokens_per_second` belong to an answer"),
        ({"act": {"error": "ThrottlingException", "first_token_seconds": 9}}, "belong to an answer"),
        ({"act": {"jitter": 0.5}}, "`jitter` belongs to `first_token_seconds` or `tokens_per_second`"),
        ({"act": {"first_token_seconds": 1, "jitter": 1.5}}, "act.jitter"),
        ({"act": {"tokens_per_second": 0}}, "act.tokens_per_second"),
        ({"act": {}, "after_seconds": 2, "until_seconds": 2}, "the rule: `until_seconds` must be more than `after_seconds`"),
        ({"act": {}, "after_seconds": -1}, "after_seconds"),
        ({"act": {"error": "ThrottlingException", "headers": {"a": "b\r\nc: d"}}}, "act.headers.a"),
    ],
)
def test_a_bad_rule_is_refused_with_its_place(rule: Any, words: str) -> None:
    """One sentence that names the field."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_rule(rule)
    assert words in str(caught.value)


def test_a_bad_script_names_its_rule() -> None:
    """The file and the number of the rule or quota, for whoever wrote it."""
    with pytest.raises(ConfigurationError, match=r"faults\.json, rule 2: act: Field required"):
        parse_script("faults.json", [{"act": {"hang": True}}, {}])
    with pytest.raises(ConfigurationError, match=r"faults\.json, quota 1: the quota: give "):
        parse_script("faults.json", {"quotas": [{}]})
    with pytest.raises(ConfigurationError, match=r"faults\.json: `quotas` must be a list"):
        parse_script("faults.json", {"quotas": {}})
    wrong: list[Any] = [{"act": {}}, {}, "rules", {"rules": [], "calls": []}]
    for value in wrong:
        with pytest.raises(ConfigurationError, match=r"faults\.json must hold a list of rules, or an object with "):
            parse_script("faults.json", value)


@pytest.mark.parametrize(
    ("value", "rules", "quotas"),
    [
        ([{"act": {}}], 1, 0),
        ({"rules": [{"act": {}}]}, 1, 0),
        ({"rules": [{"act": {}}] * 2, "quotas": [{"requests_per_minute": 1}]}, 2, 1),
        ({"quotas": [{"requests_per_minute": 1}]}, 0, 1),
    ],
)
def test_a_script_has_rules_quotas_or_both(value: Any, rules: int, quotas: int) -> None:
    """A list holds rules."""
    script = parse_script("faults.json", value)
    assert (len(script.rules), len(script.quotas)) == (rules, quotas)


async def test_a_rule_is_in_force_for_a_time() -> None:
    """From so many seconds after it was sent, until so many; then the next one decides again."""
    clock = FakeClock()
    outage = parse_rule({"after_seconds": 10, "until_seconds": 20, "act": {"text": "outage"}})
    later = parse_rule({"after_seconds": 20, "act": {"text": "later"}})
    rules = RuleBook([outage, later], now=clock.monotonic)
    seen = {}
    for seconds in (0, 9, 10, 19, 20, 1000):
        await clock.advance(seconds - clock.monotonic())
        seen[seconds] = rules.take(call()).text
    assert seen == {0: None, 9: None, 10: "outage", 19: "outage", 20: "later", 1000: "later"}


async def test_a_rule_s_time_begins_when_it_is_sent() -> None:
    """A script's, which is read before, when the simulator begins to serve."""
    clock = FakeClock()
    rule = parse_rule({"after_seconds": 10, "until_seconds": 20, "act": {"text": "a"}})
    rules = RuleBook([rule], now=clock.monotonic)
    await clock.advance(15)
    rules.start()
    assert rules.take(call()) is AS_USUAL
    await clock.advance(10)
    assert rules.take(call()).text == "a"
    rules.clear()
    rules.add(rule)
    assert rules.take(call()) is AS_USUAL
    await clock.advance(10)
    assert rules.take(call()).text == "a"


def test_a_rule_out_of_its_time_draws_nothing() -> None:
    """The draws of the others are the same with it and without it."""
    drawn = parse_rule({"act": {"text": "a", "probability": 0.5}})
    later = parse_rule({"after_seconds": 1, "act": {"text": "b", "probability": 0.5}})
    with_it, without = RuleBook([later, drawn], now=lambda: 0.0), RuleBook([drawn])
    assert [with_it.take(call()).text for _ in range(50)] == [without.take(call()).text for _ in range(50)]


def test_what_is_not_allowed_uses_nothing_up() -> None:
    """The rule is kept for the next call."""
    rules = book({"act": {"text": "a"}, "times": 1})

    def refuse(_act: Any) -> None:
        raise Refusal("ThrottlingException")

    with pytest.raises(Refusal):
        rules.take(call(), refuse)
    assert rules.take(call()).text == "a"
    with pytest.raises(Refusal):
        rules.take(call(), refuse)


def test_an_answer_is_paced_by_its_tokens() -> None:
    """The time until the first token, and that of all tokens."""
    rules = book()
    assert rules.pace(parse_rule({"act": {"first_token_seconds": 0.5, "tokens_per_second": 50}}).act, 100) == (0.5, 2.0)
    assert rules.pace(parse_rule({"act": {"first_token_seconds": 0.5}}).act, 100) == (0.5, 0.0)
    assert rules.pace(AS_USUAL, 100) == (0.0, 0.0)


def test_jitter_is_drawn_within_its_fraction_and_repeats_with_the_seed() -> None:
    """Both times of an answer are longer or shorter by the same part."""
    act = parse_rule({"act": {"first_token_seconds": 1, "tokens_per_second": 50, "jitter": 0.25}}).act

    def drawn(rules: RuleBook) -> list[Any]:
        return [rules.pace(act, 100) for _ in range(200)]

    paces = drawn(RuleBook(seed=1))
    assert paces == drawn(RuleBook(seed=1)) != drawn(RuleBook(seed=2))
    assert all(0.75 <= first <= 1.25 and rest == pytest.approx(2 * first) for first, rest in paces)
    assert min(paces).first_token < 0.8
    assert max(paces).first_token > 1.2


@pytest.mark.parametrize("ending", [{"error": "ModelTimeoutException"}, {"hang": True}, {"reset": True}, {"close": True}])
def test_whatever_ends_a_stream_may_come_after_some_events(ending: dict[str, Any]) -> None:
    """After none of them, too."""
    for count in (0, 3):
        assert parse_rule({"act": {**ending, "after_events": count}}).act.after_events == count

"""The simulator's rules: which one decides, how often, and what is refused."""

from typing import Any

import pytest

from quarry.errors import ConfigurationError
from quarry.simulator.rules import AS_USUAL, RuleBook, parse_rule
from quarry.simulator.script import parse_script
from quarry.simulator.wire import Call


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
        ({"act": {"error": "ThrottlingException", "headers": {"a": "b\r\nc: d"}}}, "act.headers.a"),
    ],
)
def test_a_bad_rule_is_refused_with_its_place(rule: Any, words: str) -> None:
    """One sentence that names the field."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_rule(rule)
    assert words in str(caught.value)


def test_a_bad_script_names_its_rule() -> None:
    """The file and the number of the rule, for whoever wrote it."""
    with pytest.raises(ConfigurationError, match=r"faults\.json, rule 2: act: Field required"):
        parse_script("faults.json", [{"act": {"hang": True}}, {}])
    with pytest.raises(ConfigurationError, match=r"faults\.json must hold a list"):
        parse_script("faults.json", {"act": {}})
    assert len(parse_script("faults.json", [{"act": {}}]).rules) == 1


@pytest.mark.parametrize("ending", [{"error": "ModelTimeoutException"}, {"hang": True}, {"reset": True}, {"close": True}])
def test_whatever_ends_a_stream_may_come_after_some_events(ending: dict[str, Any]) -> None:
    """After none of them, too."""
    for count in (0, 3):
        assert parse_rule({"act": {**ending, "after_events": count}}).act.after_events == count

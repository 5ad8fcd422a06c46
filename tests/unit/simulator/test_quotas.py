"""The simulator's quotas: what is admitted, what is held back and settled, and what happens when a quota changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.simulator.quotas import Hold, Pair, Quotas, parse_quota
from quarry.simulator.wire import Refusal

NOVA = "amazon.nova-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
REQUESTS = "Too many requests, please wait before trying again."
TOKENS = "Too many tokens, please wait before trying again."
#: A full minute, and a moment within it.
MINUTE = 1_795_305_600.0


def quotas(*values: Any, now: float = MINUTE) -> Quotas:
    made = Quotas()
    for value in values:
        made.add(parse_quota(value), now)
    return made


def pair_of(now: float = MINUTE, *, model: str = NOVA, **quota: Any) -> Pair:
    pair = quotas(quota, now=now).pair("us-east-1", model, now)
    assert pair is not None
    return pair


def change(pair: Pair, now: float, **quota: Any) -> None:
    pair.change(parse_quota(quota), now)


def refused(pair: Pair, now: float, tokens: int = 0) -> str:
    """The words, or nothing where the call is admitted."""
    try:
        pair.take(tokens, now)
    except Refusal as refusal:
        return refusal.message
    return ""


def served(pair: Pair, now: float, tokens: int = 0) -> int:
    """How many calls are admitted at one moment, until one is not."""
    count = 0
    while not refused(pair, now, tokens):
        count += 1
    return count


def ended(hold: Hold, now: float, input_tokens: int, output_tokens: int) -> None:
    hold.spend(input_tokens, output_tokens)
    hold.end(now)


@pytest.mark.parametrize(("burst", "at_once"), [({}, 600), ({"burst_seconds": 1.0}, 10), ({"burst_seconds": 0.001}, 1)])
def test_a_bucket_fills_all_the_time(burst: dict[str, Any], at_once: int) -> None:
    """It is full at first; then there is a call for each tenth of a second, saved up for no longer than the burst."""
    pair = pair_of(requests_per_minute=600, **burst)
    assert served(pair, MINUTE) == at_once
    assert [served(pair, MINUTE + seconds) for seconds in (0.05, 0.1, 0.15, 0.2)] == [0, 1, 0, 1]
    assert served(pair, MINUTE + 1000) == at_once


@pytest.mark.parametrize(("phase", "boundary"), [(0.0, 60.0), (45.0, 45.0)])
def test_a_minute_gives_its_quota_at_once(phase: float, boundary: float) -> None:
    """All of it is back at the full minute, which may be shifted, and nothing before; nothing is saved up."""
    pair = pair_of(MINUTE + 10, requests_per_minute=600, refill="minute", phase_seconds=phase)
    assert served(pair, MINUTE + 10) == 600
    assert served(pair, MINUTE + boundary - 0.01) == 0
    assert served(pair, MINUTE + boundary) == 600
    assert served(pair, MINUTE + boundary + 600) == 600
    # Its first minute, the next, and ten more that nobody asked in but for the last.
    assert pair.report(MINUTE + boundary + 600)["requests_granted"] == 12 * 600


def test_a_call_takes_one_request_and_what_it_may_need() -> None:
    """Each limit refuses in its own words, and a refused call takes nothing from either."""
    pair = pair_of(requests_per_minute=3, tokens_per_minute=1000)
    assert refused(pair, MINUTE, 600) == ""
    assert [refused(pair, MINUTE, 600) for _ in range(5)] == [TOKENS] * 5
    assert [refused(pair, MINUTE, tokens) for tokens in (200, 200)] == ["", ""]
    # The requests are spent now, and 1,000 tokens are: the requests are looked at first.
    assert [refused(pair, MINUTE, tokens) for tokens in (0, 1)] == [REQUESTS] * 2
    report = pair.report(MINUTE)
    assert (report["served"], report["throttled_requests"], report["throttled_tokens"]) == (3, 2, 5)


def test_what_was_held_back_and_not_used_comes_back() -> None:
    """Input and output are what counts in the end."""
    pair = pair_of(tokens_per_minute=1000)
    hold = pair.take(1000, MINUTE)
    assert refused(pair, MINUTE, 1) == TOKENS
    ended(hold, MINUTE, 100, 200)
    assert [refused(pair, MINUTE, tokens) for tokens in (701, 700)] == [TOKENS, ""]
    assert pair.report(MINUTE)["tokens_settled"] == 300


@pytest.mark.parametrize(("refill", "free_again"), [("smooth", 33.0), ("minute", 60.0)])
def test_output_of_a_model_that_burns_faster_makes_debts(refill: str, free_again: float) -> None:
    """A token that Claude says takes five: more than was held back may be used, and others wait until that is made up for."""
    pair = pair_of(model=CLAUDE, tokens_per_minute=1000, refill=refill)
    hold = pair.take(100 + 290, MINUTE)
    ended(hold, MINUTE, 100, 290)
    assert pair.tokens_settled == 100 + 5 * 290
    assert [refused(pair, MINUTE + seconds, 0) for seconds in (free_again - 1, free_again)] == [TOKENS, ""]


def test_a_minute_that_is_over_gives_nothing_back() -> None:
    """A call that ends in the next minute returns nothing to it, but takes from it what it used beyond."""
    pair = pair_of(model=CLAUDE, tokens_per_minute=1000, refill="minute")
    cheap, dear = (pair.take(500, MINUTE) for _ in range(2))
    assert refused(pair, MINUTE + 60, 1000) == ""
    ended(cheap, MINUTE + 60, 100, 0)
    assert refused(pair, MINUTE + 60, 1) == TOKENS
    assert pair.take(1000, MINUTE + 120).tokens == 1000
    ended(dear, MINUTE + 180, 0, 200)
    assert [refused(pair, MINUTE + 180, tokens) for tokens in (501, 500)] == [TOKENS, ""]


def test_a_call_without_an_answer_costs_what_was_held_back() -> None:
    """Nobody knows what the model said."""
    pair = pair_of(tokens_per_minute=1000)
    pair.take(400, MINUTE).end(MINUTE)
    assert (pair.tokens_settled, refused(pair, MINUTE, 601), refused(pair, MINUTE, 600)) == (400, TOKENS, "")


@pytest.mark.parametrize(
    ("before", "after", "at_once", "in_all"),
    [
        # A bucket keeps its level, as far as it goes in: 400 of 600 are there.
        ({"requests_per_minute": 600}, {"requests_per_minute": 300}, 300, 500),
        ({"requests_per_minute": 600}, {"requests_per_minute": 1200}, 400, 600),
        # Of the minute's quota 200 are used.
        ({"requests_per_minute": 600, "refill": "minute"}, {"requests_per_minute": 300, "refill": "minute"}, 100, 300),
        ({"requests_per_minute": 600, "refill": "minute"}, {"requests_per_minute": 1200, "refill": "minute"}, 1000, 1200),
        ({"requests_per_minute": 600, "refill": "minute"}, {"requests_per_minute": 100, "refill": "minute"}, 0, 200),
        # From one to the other: what is there goes over, as far as it goes in.
        ({"requests_per_minute": 600, "refill": "minute"}, {"requests_per_minute": 300}, 300, 500),
        ({"requests_per_minute": 600}, {"requests_per_minute": 1200, "refill": "minute"}, 400, 600),
    ],
)
def test_what_is_used_stays_used_when_a_quota_changes(
    before: dict[str, Any], after: dict[str, Any], at_once: int, in_all: int
) -> None:
    """In the middle of a run a quota may halve or double; what was granted is what could be had in all."""
    pair = pair_of(**before)
    for _ in range(200):
        pair.take(0, MINUTE)
    change(pair, MINUTE, **after)
    assert served(pair, MINUTE) == at_once
    assert pair.report(MINUTE)["requests_granted"] == in_all


def test_the_new_rate_holds_from_the_change_on() -> None:
    """A bucket that halves fills half as fast; one that doubles, twice."""
    pair = pair_of(requests_per_minute=600)
    assert served(pair, MINUTE) == 600
    change(pair, MINUTE, requests_per_minute=300)
    assert served(pair, MINUTE + 10) == 50
    change(pair, MINUTE + 10, requests_per_minute=1200)
    assert pair.report(MINUTE + 20)["requests_granted"] == 850
    change(pair, MINUTE + 20, requests_per_minute=600)
    assert served(pair, MINUTE + 20) == 200


def test_what_came_in_before_a_change_came_at_the_old_rate() -> None:
    """Also where nobody asked in between."""
    pair = pair_of(requests_per_minute=600)
    assert served(pair, MINUTE) == 600
    change(pair, MINUTE + 10, requests_per_minute=300)
    assert served(pair, MINUTE + 10) == 100


def test_a_limit_that_comes_later_begins_full() -> None:
    """And one that goes is no limit any more."""
    pair = pair_of(requests_per_minute=1)
    assert served(pair, MINUTE) == 1
    change(pair, MINUTE, tokens_per_minute=100)
    assert served(pair, MINUTE, 50) == 2
    report = pair.report(MINUTE)
    assert (report["requests_granted"], report["requests_per_minute"], report["tokens_granted"]) == (None, None, 100)


LIMITS = st.fixed_dictionaries(
    {
        "requests_per_minute": st.integers(1, 600),
        "tokens_per_minute": st.integers(1, 5000),
        "refill": st.sampled_from(("smooth", "minute")),
    }
)
#: Seconds until it, the tokens it may need, which part of them it uses, and how many calls later it ends; or another quota.
EVENTS = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 800), st.floats(0, 1), st.integers(0, 3)) | LIMITS, max_size=80)


@given(LIMITS, EVENTS)
def test_never_is_more_served_than_granted(first: dict[str, Any], events: list[Any]) -> None:
    """Whatever is asked when, and however the quota changes: neither requests nor tokens, those under way counted in full."""
    pair, now, under_way = pair_of(**first), MINUTE, list[tuple[int, Hold]]()
    for event in events:
        if isinstance(event, dict):
            change(pair, now, **event)
        else:
            seconds, tokens, part, later = event
            now += seconds
            try:
                hold = pair.take(tokens, now)
            except Refusal:
                pass
            else:
                hold.spend(int(tokens * part), 0)
                under_way.append((later, hold))
        for _, hold in (each for each in under_way if each[0] == 0):
            hold.end(now)
        under_way = [(later - 1, hold) for later, hold in under_way if later]
        report = pair.report(now)
        assert report["served"] <= report["requests_granted"] + 0.01
        assert report["tokens_settled"] + sum(hold.tokens for _, hold in under_way) <= report["tokens_granted"] + 0.01


@given(st.integers(6, 100), st.sampled_from(("smooth", "minute")), st.lists(st.floats(0.001, 50), max_size=20))
def test_who_asks_all_the_time_gets_all(per_minute: int, refill: str, steps: list[float]) -> None:
    """What was granted is what could be had, so that served ÷ granted is the use that was made of a quota."""
    pair, now = pair_of(requests_per_minute=per_minute, refill=refill), MINUTE
    served(pair, now)
    # Sooner each time than the bucket is full.
    for seconds in steps:
        now += seconds
        served(pair, now)
    granted = pair.report(now)["requests_granted"]
    assert granted - 1.01 < pair.served <= granted + 0.01


def test_each_pair_has_a_budget_of_its_own() -> None:
    """A quota without a match means each region and model for itself; calls that no quota means are not counted."""
    book = quotas({"match": {"model": NOVA}, "requests_per_minute": 2})
    pairs = [book.pair(region, NOVA, MINUTE) for region in ("us-east-1", "eu-west-1", "us-east-1")]
    assert pairs[0] is pairs[2] is not pairs[1]
    assert book.pair("us-east-1", CLAUDE, MINUTE) is None
    assert [served(pair, MINUTE) for pair in pairs if pair] == [2, 2, 0]
    assert [(each["region"], each["served"]) for each in book.report(MINUTE)["pairs"]] == [("us-east-1", 2), ("eu-west-1", 2)]


def test_the_narrowest_match_holds() -> None:
    """Both named, then the model, then the region, then any; whatever came first."""
    anywhere = quotas(
        {"requests_per_minute": 1},
        {"match": {"region": "r", "model": "m"}, "requests_per_minute": 2},
        {"match": {"region": "r"}, "requests_per_minute": 3},
        {"match": {"model": "m"}, "requests_per_minute": 4},
    )
    found = [anywhere.pair(region, model, MINUTE) for region, model in (("r", "m"), ("s", "m"), ("r", "n"), ("s", "n"))]
    assert [pair and pair.quota.requests_per_minute for pair in found] == [2, 4, 3, 1]
    anywhere.drop("quota-2", MINUTE)
    assert found[0]
    assert found[0].quota.requests_per_minute == 4


def test_a_quota_takes_the_place_of_one_with_the_same_match() -> None:
    """It keeps the id, and pairs go on with what they used; a narrower one takes its pairs over just so."""
    book = quotas()
    ids = [book.add(parse_quota({"match": {"region": region}, "requests_per_minute": 2}), MINUTE) for region in ("r", "s", "r")]
    assert ids == ["quota-1", "quota-2", "quota-1"]
    pair = book.pair("r", "m", MINUTE)
    assert pair
    assert served(pair, MINUTE) == 2
    book.add(parse_quota({"match": {"region": "r", "model": "m"}, "requests_per_minute": 60}), MINUTE)
    assert book.pair("r", "m", MINUTE) is pair
    assert served(pair, MINUTE + 1) == 1


def test_a_quota_is_dropped() -> None:
    """Its pairs fall to a wider one, or are forgotten."""
    book = quotas({"requests_per_minute": 5}, {"match": {"region": "r"}, "requests_per_minute": 7})
    assert [book.pair("r", "m", MINUTE) is None, book.pair("s", "m", MINUTE) is None] == [False, False]
    assert [book.drop("quota-2", MINUTE), book.drop("quota-2", MINUTE)] == [True, False]
    assert [each["requests_per_minute"] for each in book.report(MINUTE)["pairs"]] == [5, 5]
    nothing = {"now": MINUTE, "quotas": [], "pairs": []}
    assert book.drop("quota-1", MINUTE)
    assert book.report(MINUTE) == nothing
    book.add(parse_quota({"requests_per_minute": 5}), MINUTE)
    assert book.pair("r", "m", MINUTE)
    book.clear()
    assert book.report(MINUTE) == nothing


def test_what_happened_can_be_read_by_second() -> None:
    """From the first call on: what was served, throttled and settled in each second."""
    pair = pair_of(MINUTE + 0.9, requests_per_minute=1, tokens_per_minute=1000)
    pair.take(10, MINUTE + 0.9)
    assert refused(pair, MINUTE + 2) == REQUESTS
    pair.take(30, MINUTE + 63.9).end(MINUTE + 64.9)
    by_second = pair.report(MINUTE + 70)["by_second"]
    assert by_second["first"] == 0
    assert {name: {i: count for i, count in enumerate(by_second[name]) if count} for name in ("served", "throttled", "tokens")} == {
        "served": {0: 1, 63: 1},
        "throttled": {1: 1},
        "tokens": {64: 30},
    }


def test_an_hour_is_remembered() -> None:
    """However long it runs, and however long nothing was asked."""
    pair = pair_of(requests_per_minute=60)
    for now in (0, 10, 3700, 100_000):
        assert refused(pair, MINUTE + now) == ""
    by_second = pair.report(MINUTE + 100_000)["by_second"]
    assert (by_second["first"], len(by_second["served"]), sum(by_second["served"])) == (100_001 - 3600, 3600, 1)


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        ({}, "the quota: give `requests_per_minute`, `tokens_per_minute` or both"),
        ({"requests_per_minute": 0}, "requests_per_minute: Input should be greater than 0"),
        ({"tokens_per_minute": "1"}, "tokens_per_minute: "),
        ({"requests_per_minute": 1, "refill": "hourly"}, "refill: Input should be 'smooth' or 'minute'"),
        ({"requests_per_minute": 1, "phase_seconds": 1.0}, "`phase_seconds` belongs to `refill`: `minute`"),
        ({"requests_per_minute": 1, "refill": "minute", "burst_seconds": 1.0}, "`burst_seconds` belongs to `refill`: `smooth`"),
        ({"requests_per_minute": 1, "refill": "minute", "phase_seconds": 60}, "phase_seconds: "),
        ({"requests_per_minute": 1, "match": {"account": "1"}}, "match.account: "),
        ([], "the quota: "),
    ],
)
def test_a_bad_quota_is_refused_with_its_place(quota: Any, words: str) -> None:
    """One sentence that names the field."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_quota(quota)
    assert words in str(caught.value)

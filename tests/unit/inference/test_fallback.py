"""Fallback policies: an order of all candidates, the same for the same draw; and what an error says of those not yet asked."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.errors import (
    AccessDenied,
    ContextTooLong,
    CredentialsExpired,
    InvocationError,
    ModelNotFound,
    QuotaExceeded,
    Throttled,
)
from quarry.inference.candidates import Candidate
from quarry.inference.fallback import POLICIES, estimated_input_tokens, in_order, remaining
from quarry.inference.routes import Policy, Price, RouteTarget
from quarry.invocation import Invocation, Target
from quarry.testing import an_invocation

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
TARGETS = (
    Target("bedrock", "us-east-1", CLAUDE),
    Target("bedrock", "us-east-1", NOVA),
    Target("litellm", "", "claude-sonnet"),
    Target("bedrock", "us-west-2", CLAUDE),
    Target("bedrock", "us-east-1", f"us.{CLAUDE}"),
    Target("bedrock", "eu-west-1", f"eu.{NOVA}"),
    Target("bedrock", "us-east-1", f"global.{CLAUDE}"),
    Target("local", "", "meta-llama/Llama-3.1-8B"),
)


def candidate(target: Target, invocation: Invocation | None = None, *, weight: int = 1, price: Price | None = None) -> Candidate:
    return Candidate(RouteTarget(target, weight=weight, price=price), invocation or an_invocation())


def targets(candidates: Sequence[Candidate]) -> list[Target]:
    return [each.place.target for each in candidates]


prices = st.none() | st.builds(Price, st.integers(0, 100_000_000), st.integers(0, 100_000_000))
some_candidates = st.lists(
    st.builds(lambda target, weight, price: candidate(target, weight=weight, price=price), st.sampled_from(TARGETS),
              st.integers(0, 1_000), prices),
    unique_by=lambda each: each.place.target,
)  # fmt: skip
some_failures = st.dictionaries(st.sampled_from([*map(str, TARGETS)]), st.integers(0, 9))
draws = st.floats(0, 1, exclude_max=True)


@given(st.sampled_from(get_args(Policy)), some_candidates, some_failures, draws)
def test_everybody_is_asked_once(policy: Policy, candidates: list[Candidate], failures: dict[str, int], draw: float) -> None:
    """None is lost and none is there twice, whatever the policy; the same draw gives the same order."""
    ordered = in_order(policy, candidates, failures, draw)
    assert sorted(ordered, key=candidates.index) == candidates
    assert in_order(policy, candidates, failures, draw) == ordered
    counts = [failures.get(str(each.place.target), 0) for each in ordered]
    assert counts == sorted(counts)


@given(st.sampled_from(["ordered", "cheapest"]), some_candidates, draws, draws)
def test_what_a_policy_does_not_tell_apart_stays_as_listed(
    policy: Policy, candidates: list[Candidate], draw: float, other: float
) -> None:
    """Ordering is stable: what is in order stays as it is, and a draw plays no part."""
    once = POLICIES[policy].order(candidates, draw)
    assert list(POLICIES[policy].order(once, other)) == list(once)
    plain = [replace(each, place=RouteTarget(each.place.target)) for each in candidates]
    assert list(POLICIES[policy].order(plain, draw)) == plain


def test_the_ladder_is_native_first() -> None:
    """Global profile, geographic profile, the model elsewhere, other models, other providers; within a rung as listed."""
    ordered = POLICIES["ladder"].order([candidate(each) for each in TARGETS], 0.5)
    assert targets(ordered) == [TARGETS[i] for i in (6, 4, 0, 3, 1, 5, 2, 7)]


def test_the_ladder_begins_at_what_is_listed_first() -> None:
    """Where another model is listed first, that one is wanted."""
    ordered = POLICIES["ladder"].order([candidate(TARGETS[i]) for i in (1, 0, 5, 4)], 0.5)
    assert targets(ordered) == [TARGETS[i] for i in (5, 1, 0, 4)]


@pytest.mark.parametrize(("first", "second"), [((1, 1, 2), None), ((5, 0, 1), None), ((3, 2, 5), 0)])
def test_weights_are_honoured(first: tuple[int, ...], second: int | None) -> None:
    """Over evenly spread draws each is first as often as its weight says, and second by weight among the rest."""
    candidates = [candidate(target, weight=weight) for target, weight in zip(TARGETS, first, strict=False)]
    count = 12_000
    orders = [targets(POLICIES["weighted"].order(candidates, (i + 0.5) / count)) for i in range(count)]
    firsts = Counter(order[0] for order in orders)
    for each in candidates:
        assert firsts[each.place.target] == pytest.approx(count * each.place.weight / sum(first), rel=0.01)
    if second is not None:
        led = [order for order in orders if order[0] == TARGETS[second]]
        rest = sum(first) - first[second]
        for other in (each for i, each in enumerate(candidates) if i != second):
            share = sum(order[1] == other.place.target for order in led) / len(led)
            assert share == pytest.approx(other.place.weight / rest, rel=0.02)


def test_without_weight_is_last() -> None:
    """Weight 0: asked only where all others have failed, in the order of the list."""
    candidates = [candidate(target, weight=weight) for target, weight in zip(TARGETS, (0, 3, 0, 2), strict=False)]
    for draw in (0.0, 0.3, 0.7, 0.999):
        assert targets(POLICIES["weighted"].order(candidates, draw))[2:] == [TARGETS[0], TARGETS[2]]


def test_the_cheapest_depends_on_the_request() -> None:
    """A long question goes where input is cheap, a long answer where output is; what has no price comes last, as listed."""
    cheap_input, cheap_output = Price(100_000, 9_000_000), Price(3_000_000, 1_000_000)

    def first(invocation: Invocation) -> list[Target]:
        pairs = zip(TARGETS, (None, cheap_input, None, cheap_output), strict=False)
        return targets(POLICIES["cheapest"].order([candidate(target, invocation, price=price) for target, price in pairs], 0.5))

    assert first(an_invocation("word " * 20_000, max_tokens=100)) == [TARGETS[i] for i in (1, 3, 0, 2)]
    assert first(an_invocation("Write a book.", max_tokens=8_000)) == [TARGETS[i] for i in (3, 1, 0, 2)]


def test_an_adapted_request_is_cheaper() -> None:
    """What counts is what that target would be asked for."""
    price = Price(1, 10_000_000)
    full, cut = candidate(TARGETS[0], price=price), candidate(TARGETS[1], an_invocation(max_tokens=10), price=price)
    assert POLICIES["cheapest"].order([full, cut], 0.5) == [cut, full]


def test_binary_is_not_counted_as_text() -> None:
    """A picture of a megabyte is not a quarter of a million tokens; the texts beside it count, a native body's too."""
    picture = {"image": {"format": "png", "source": {"bytes": "A" * 1_000_000}}}
    shown = an_invocation(messages=({"role": "user", "content": [picture, {"text": "x" * 400}]},))
    assert 100 <= estimated_input_tokens(shown) < 110
    assert estimated_input_tokens(Invocation(native={"inputText": "x" * 400, "n": 3})) == 100


def test_too_long_for_a_model_is_too_long_for_it_everywhere() -> None:
    """Its other regions and profiles are not asked; other models are, in their order."""
    left = [candidate(TARGETS[i]) for i in (1, 2, 3, 4, 6, 7)]
    goes_on, needless = remaining(ContextTooLong("long"), candidate(TARGETS[0]), left)
    assert (targets(goes_on), targets(needless)) == ([TARGETS[i] for i in (1, 2, 7)], [TARGETS[i] for i in (3, 4, 6)])


def test_refused_credentials_are_tried_elsewhere_last() -> None:
    """Another provider has credentials of its own; another region may take ours, if hardly."""
    left = [candidate(TARGETS[i]) for i in (3, 2, 1, 7)]
    goes_on, needless = remaining(CredentialsExpired("no"), candidate(TARGETS[0]), left)
    assert (targets(goes_on), needless) == ([TARGETS[i] for i in (2, 7, 3, 1)], [])


@pytest.mark.parametrize("kind", [Throttled, AccessDenied, ModelNotFound, QuotaExceeded])
def test_what_a_region_says_of_itself_binds_no_other(kind: Callable[[str], InvocationError]) -> None:
    """Quota, access and models are each region's own: the order stays."""
    left = [candidate(TARGETS[i]) for i in (3, 2, 1)]
    assert remaining(kind("x"), candidate(TARGETS[0]), left) == (left, [])


def test_a_failure_counts_more_than_the_policy() -> None:
    """Where an attempt has failed, the next one looks elsewhere first."""
    left = [replace(candidate(target), place=RouteTarget(target, price=Price(i, i))) for i, target in enumerate(TARGETS[:3])]
    assert targets(in_order("cheapest", left, {str(TARGETS[0]): 1}, 0.5)) == [TARGETS[1], TARGETS[2], TARGETS[0]]

"""Fallback policies: who of a route's candidates is asked first, and after an error, who next. Pure.

A policy orders all candidates before the first one is asked. What an error says of those not yet asked is the same under every
policy, and follows from two questions: does time help, does another target help (`remaining`, and the attributes of the classes
in `quarry/errors/invocation.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, Protocol

from quarry.errors import ContextTooLong, CredentialsExpired, InvocationError, InvocationRejected
from quarry.inference.candidates import Candidate
from quarry.inference.model_ids import Kind, read_model_id
from quarry.inference.routes import Policy
from quarry.invocation import Invocation, Target

#: Of English text, as OpenAI's page "What are tokens and how to count them?" has it; our knowledge, for prices to be compared by.
_CHARACTERS_PER_TOKEN: Final = 4
#: The largest that a draw may be.
_BELOW_ONE: Final = 1 - 2**-53
#: Content that is not text: its characters say nothing about its tokens.
_BINARY: Final = frozenset({"bytes", "data"})


class Ordering(Protocol):
    """A policy."""

    def order(self, candidates: Sequence[Candidate], draw: float) -> Sequence[Candidate]:
        """All of them, the one to ask first in front; `draw` is in [0, 1). What it does not tell apart stays as listed."""


class Ordered:
    """As they are listed."""

    def order(self, candidates: Sequence[Candidate], draw: float) -> Sequence[Candidate]:
        """`draw` plays no part."""
        return candidates


class Ladder:
    """Native first, beginning at the first that is listed: what leads from its model's quota to the next one with least change.

    Rung by rung: the model's global inference profile, a geographic one, the model elsewhere, other models, other providers.
    """

    def order(self, candidates: Sequence[Candidate], draw: float) -> Sequence[Candidate]:
        """`draw` plays no part."""
        return sorted(candidates, key=lambda each: self._rung(each.place.target, candidates[0].place.target))

    def _rung(self, target: Target, wanted: Target) -> int:
        if target.provider != wanted.provider:
            return 4
        if model_of(target) != model_of(wanted):
            return 3
        return {Kind.GLOBAL_PROFILE: 0, Kind.GEOGRAPHIC_PROFILE: 1}.get(_kind_of(target), 2)


class Weighted:
    """The first by weight, then the next by weight among the rest. Those of weight 0 come last, as listed."""

    def order(self, candidates: Sequence[Candidate], draw: float) -> Sequence[Candidate]:
        """One draw serves all: what it leaves of the share that it fell into is as random as it was."""
        left, ordered = list(candidates), []
        while left:
            ends = list(accumulate(each.place.weight for each in left))
            point = draw * ends[-1]
            chosen = next((i for i, end in enumerate(ends) if point < end), 0)
            share = left[chosen].place.weight
            draw = min((point - ends[chosen] + share) / share, _BELOW_ONE) if share else 0.0
            ordered.append(left.pop(chosen))
        return ordered


class Cheapest:
    """By what the request is expected to cost there, if the answer takes all of its `max_tokens`; those without a price last."""

    def order(self, candidates: Sequence[Candidate], draw: float) -> Sequence[Candidate]:
        """`draw` plays no part."""
        input_tokens = estimated_input_tokens(candidates[0].invocation) if candidates else 0
        return sorted(candidates, key=lambda each: expected_usd_micros(each, input_tokens))


POLICIES: Final[Mapping[Policy, Ordering]] = {
    "ordered": Ordered(),
    "ladder": Ladder(),
    "weighted": Weighted(),
    "cheapest": Cheapest(),
}


def in_order(policy: Policy, candidates: Sequence[Candidate], failures: Mapping[str, int], draw: float) -> list[Candidate]:
    """By the policy, but those on which earlier attempts of the job failed come later, the oftener the later."""
    return sorted(POLICIES[policy].order(candidates, draw), key=lambda each: failures.get(str(each.place.target), 0))


def another_may_be_asked(error: InvocationError) -> bool:
    """Whether the next target is asked in the same attempt: it may help, and nothing can have been paid."""
    return error.fallback_helps and not error.may_be_billed


def is_one_models_opinion(error: InvocationError, target: Target, busy: Iterable[Target]) -> bool:
    """Whether a request that is refused as wrong may be right for a model that was asked before, and had no capacity.

    It is waited for then, and says itself what it thinks of the request: for want of capacity no job fails.
    """
    return isinstance(error, InvocationRejected) and any(model_of(each) != model_of(target) for each in busy)


def remaining(error: InvocationError, failed: Candidate, left: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Who may still be asked after an error, in order; and who need not be, for it would say the same.

    A text that is too long for a model is too long for it in every region. Credentials that one region refuses are mostly refused
    by all, but not always (a region that the account has not opted in to refuses good ones): others of the provider come last.
    """
    target = failed.place.target
    if isinstance(error, ContextTooLong):
        same = [each for each in left if model_of(each.place.target) == model_of(target)]
        return [each for each in left if each not in same], same
    if isinstance(error, CredentialsExpired):
        return sorted(left, key=lambda each: each.place.target.provider == target.provider), []
    return list(left), []


def model_of(target: Target) -> tuple[str, str]:
    """What answers there, wherever it runs: the provider, and the foundation model where the model's id says which."""
    try:
        return target.provider, read_model_id(target.model).foundation_model or target.model
    except ValueError:
        return target.provider, target.model  # a name of another provider's


def _kind_of(target: Target) -> Kind:
    try:
        return read_model_id(target.model).kind
    except ValueError:
        return Kind.NAME


def expected_usd_micros(candidate: Candidate, input_tokens: int) -> float:
    """What a request is expected to cost on a target, in micro-dollars; infinite where nobody wrote its price."""
    price = candidate.place.price
    if price is None:
        return float("inf")
    output = candidate.invocation.max_tokens * price.output_usd_micros
    return (input_tokens * price.input_usd_micros + output) / 1_000_000


def estimated_input_tokens(invocation: Invocation) -> int:
    """A guess by the length of the texts: good enough to compare prices by, and no more."""
    parts = (invocation.messages, invocation.system, invocation.converse, invocation.native)
    return sum(map(_text_length, parts)) // _CHARACTERS_PER_TOKEN


def _text_length(value: Any) -> int:
    match value:
        case str():
            return len(value)
        case Mapping():
            return sum(_text_length(each) for name, each in value.items() if name not in _BINARY)
        case Iterable():
            return sum(map(_text_length, value))
    return 0

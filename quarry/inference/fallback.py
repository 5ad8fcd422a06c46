"""Fallback policies: who of a route's candidates is asked first, and after an error, who next. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, get_args

from quarry.errors import InvocationError
from quarry.inference.candidates import Candidate
from quarry.inference.routes import Policy


class Ordered:
    """As they are listed."""

    def order(self, candidates: Sequence[Candidate], draw: float) -> Sequence[Candidate]:
        """All of them, the one to ask first in front. `draw` is in [0, 1)."""
        return candidates


POLICIES: Final[Mapping[Policy, Ordered]] = dict.fromkeys(get_args(Policy), Ordered())


def in_order(policy: Policy, candidates: Sequence[Candidate], failures: Mapping[str, int], draw: float) -> list[Candidate]:
    """By the policy, but those on which earlier attempts of the job failed come later, the oftener the later."""
    return sorted(POLICIES[policy].order(candidates, draw), key=lambda each: failures.get(str(each.place.target), 0))


def another_may_be_asked(error: InvocationError) -> bool:
    """Whether the next target is asked in the same attempt: it may help, and nothing can have been paid."""
    return error.fallback_helps and not error.may_be_billed

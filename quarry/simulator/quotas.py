"""Quotas: how many requests and tokens a minute each model of each region serves, counted as Bedrock counts them. Pure.

At the start of a call its input tokens and the most it may say are held back; at its end that is settled to input + output x the
model's burn-down factor. A call that does not fit is refused at once. All operations draw on one quota. Source: "How tokens are
counted in Amazon Bedrock" in the Bedrock User Guide, as public files quote it (November 2026).

Our own choices: a refused call takes nothing, requests are looked at before tokens, and a call that breaks before its answer is
made costs all that was held back. There are no tokens of a prompt cache here.
"""

import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from quarry.inference.model_facts import burndown
from quarry.simulator.budgets import Budget, Minute, Smooth, carry, fits
from quarry.simulator.parts import Part, parsed
from quarry.simulator.wire import Refusal

#: The words of the service: github.com/kirodotdev/Kiro/issues/8113 (requests), of May 2026, and
#: github.com/RooCodeInc/Roo-Code/issues/5050 (tokens), of June 2025.
_REQUESTS: Final = "Too many requests, please wait before trying again."
_TOKENS: Final = "Too many tokens, please wait before trying again."
#: So many seconds are remembered one by one. Our own choice: an hour.
_SECONDS_MAX: Final = 3600


class Scope(Part):
    """Which pairs of region and model are meant; each has a budget of its own."""

    region: str | None = None
    model: str | None = None


class Quota(Part):
    """Limits, and how they refill."""

    match: Scope = Scope()
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    #: All the time, or all at once at each full minute of the simulator's clock.
    refill: Literal["smooth", "minute"] = "smooth"
    #: Of `smooth`: how much can be saved up.
    burst_seconds: float = Field(60.0, gt=0, le=3600)
    #: Of `minute`: when the minute begins, after the full one.
    phase_seconds: float = Field(0.0, ge=0, lt=60)

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.requests_per_minute is None and self.tokens_per_minute is None:
            raise ValueError("give `requests_per_minute`, `tokens_per_minute` or both")
        if self.refill == "smooth" and "phase_seconds" in self.model_fields_set:
            raise ValueError("`phase_seconds` belongs to `refill`: `minute`")
        if self.refill == "minute" and "burst_seconds" in self.model_fields_set:
            raise ValueError("`burst_seconds` belongs to `refill`: `smooth`")
        return self

    def budget(self, per_minute: float | None, now: float) -> Budget | None:
        """A full one."""
        if per_minute is None:
            return None
        if self.refill == "minute":
            return Minute(per_minute, self.phase_seconds, now)
        return Smooth(per_minute, self.burst_seconds, now)


@dataclass(slots=True)
class Hold:
    """What is held back for a call under way, and what it used: all of it, until that is known."""

    pair: "Pair"
    tokens: int
    taken_at: float
    used: int

    def spend(self, input_tokens: int, output_tokens: int) -> None:
        """The answer is made."""
        self.used = input_tokens + output_tokens * burndown(self.pair.model)

    def end(self, now: float) -> None:
        """The call is over."""
        self.pair.settle(self, now)


@dataclass(slots=True)
class _Second:
    served: int = 0
    throttled: int = 0
    tokens: int = 0


@dataclass(slots=True)
class Pair:
    """A region and a model, what they may and what they did."""

    region: str
    model: str
    quota: Quota
    since: float
    requests: Budget | None = field(init=False)
    tokens: Budget | None = field(init=False)
    served: int = 0
    throttled_requests: int = 0
    throttled_tokens: int = 0
    tokens_settled: int = 0
    _seconds: deque[_Second] = field(default_factory=lambda: deque(maxlen=_SECONDS_MAX))
    #: Of the second that is the last in `_seconds`, from the first call on.
    _last: int = -1

    def __post_init__(self) -> None:
        self.requests = self.quota.budget(self.quota.requests_per_minute, self.since)
        self.tokens = self.quota.budget(self.quota.tokens_per_minute, self.since)

    def take(self, tokens: int, now: float) -> Hold:
        """Admit a call that will take no more than `tokens`.

        Raises:
            Refusal: a ThrottlingException: a quota is spent.
        """
        self._advance(now)
        second = self._second(now)
        if not fits(self.requests, 1):
            self.throttled_requests += 1
            second.throttled += 1
            raise Refusal("ThrottlingException", _REQUESTS)
        if not fits(self.tokens, tokens):
            self.throttled_tokens += 1
            second.throttled += 1
            raise Refusal("ThrottlingException", _TOKENS)
        if self.requests is not None:
            self.requests.left -= 1
        if self.tokens is not None:
            self.tokens.left -= tokens
        self.served += 1
        second.served += 1
        return Hold(self, tokens, now, used=tokens)

    def settle(self, hold: Hold, now: float) -> None:
        """Take what was used instead of what was held back."""
        self._advance(now)
        if self.tokens is not None:
            self.tokens.give_back(hold.tokens - hold.used, hold.taken_at)
        self.tokens_settled += hold.used
        self._second(now).tokens += hold.used

    def change(self, quota: Quota, now: float) -> None:
        """Go on with other limits; what is used stays used."""
        self._advance(now)
        self.quota = quota
        was = self.requests, self.tokens
        self.requests = quota.budget(quota.requests_per_minute, now)
        self.tokens = quota.budget(quota.tokens_per_minute, now)
        for old, new in zip(was, (self.requests, self.tokens), strict=True):
            if old is not None and new is not None:
                carry(old, new)

    def report(self, now: float) -> dict[str, Any]:
        """What it was granted and what became of it, JSON-safe. By second: since the first call, the last hour of it."""
        self._advance(now)
        return {
            "region": self.region,
            "model": self.model,
            "requests_per_minute": self.quota.requests_per_minute,
            "tokens_per_minute": self.quota.tokens_per_minute,
            "refill": self.quota.refill,
            "first_call_at": self.since,
            "served": self.served,
            "throttled_requests": self.throttled_requests,
            "throttled_tokens": self.throttled_tokens,
            "tokens_settled": self.tokens_settled,
            "requests_granted": self.requests and round(self.requests.granted, 3),
            "tokens_granted": self.tokens and round(self.tokens.granted, 3),
            "by_second": {
                "first": self._last + 1 - len(self._seconds),
                "served": [each.served for each in self._seconds],
                "throttled": [each.throttled for each in self._seconds],
                "tokens": [each.tokens for each in self._seconds],
            },
        }

    def _advance(self, now: float) -> None:
        for budget in (self.requests, self.tokens):
            if budget is not None:
                budget.advance(now)

    def _second(self, now: float) -> _Second:
        number = int(now - self.since)
        # After a long silence all that is remembered is silence.
        for _ in range(min(number - self._last, _SECONDS_MAX)):
            self._seconds.append(_Second())
        self._last = max(self._last, number)
        return self._seconds[-1]


class Quotas:
    """The quotas in force, one for each match; of several that mean a pair the narrowest holds, a model's before a region's."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.clear()

    def clear(self) -> None:
        """Serve without limits, and forget what was counted."""
        self._quotas: dict[Scope, tuple[str, Quota]] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}

    def add(self, quota: Quota, now: float) -> str:
        """Take a quota, in the place of one with the same match; returns its id, which is that one's then."""
        quota_id = self._quotas[quota.match][0] if quota.match in self._quotas else f"quota-{next(self._ids)}"
        self._quotas[quota.match] = quota_id, quota
        self._settle_in(now)
        return quota_id

    def drop(self, quota_id: str, now: float) -> bool:
        """Drop one; whether it was there. A pair that no other means is forgotten."""
        kept = {match: each for match, each in self._quotas.items() if each[0] != quota_id}
        dropped = len(kept) < len(self._quotas)
        self._quotas = kept
        self._settle_in(now)
        return dropped

    def pair(self, region: str, model: str, now: float) -> Pair | None:
        """What counts for a call; None where no quota means it."""
        if not self._quotas:
            return None
        pair = self._pairs.get((region, model))
        if pair is None:
            quota = self._meant(region, model)
            if quota is None:
                return None
            pair = self._pairs[region, model] = Pair(region, model, quota, now)
        return pair

    def report(self, now: float) -> dict[str, Any]:
        """The quotas, and each pair that was called while one meant it."""
        quotas = [{"id": quota_id, **quota.model_dump(exclude_defaults=True)} for quota_id, quota in self._quotas.values()]
        return {"now": now, "quotas": quotas, "pairs": [pair.report(now) for pair in self._pairs.values()]}

    def _meant(self, region: str, model: str) -> Quota | None:
        scopes = ((region, model), (None, model), (region, None), (None, None))
        found = (self._quotas.get(Scope(region=region, model=model)) for region, model in scopes)
        return next((each[1] for each in found if each is not None), None)

    def _settle_in(self, now: float) -> None:
        """After the quotas changed."""
        for key, pair in list(self._pairs.items()):
            quota = self._meant(*key)
            if quota is None:
                del self._pairs[key]
            else:
                pair.change(quota, now)


def parse_quota(value: Any) -> Quota:
    """Read a quota from JSON.

    Raises:
        ValueError: one sentence that names the places at fault.
    """
    return parsed(Quota, value, "the quota")

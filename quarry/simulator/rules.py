"""Rules: what the simulator does instead of answering as usual.

    {"match": {"model": "amazon.nova-lite-v1:0"}, "times": 2, "act": {"error": "ThrottlingException"}}
    {"after_seconds": 60, "until_seconds": 90, "act": {"error": "ServiceUnavailableException"}}

The first rule that matches, is in force and has times left decides. A rule whose `times` are used up is gone; one whose time is
over stays in the list.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from quarry.inference.converse import body_faults
from quarry.simulator.parts import Part, parsed
from quarry.simulator.wire import Call, Refusal, statuses, stop_reasons, streamed_errors

#: What may stand in a header's value.
_HeaderValue = Annotated[str, Field(pattern=r"^[\t\x20-\x7e]*$")]
_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]


class Match(Part):
    """Which calls are meant: all that is given must hold."""

    region: str | None = None
    model: str | None = None
    #: In the text of any user message.
    text_contains: str | None = None
    request_id: str | None = None

    def holds(self, call: Call) -> bool:
        """Whether `call` is meant."""
        return (
            (self.region is None or call.region == self.region)
            and (self.model is None or call.model == self.model)
            and (self.request_id is None or call.request_id == self.request_id)
            and (self.text_contains is None or any(self.text_contains in text for text in call.user_texts))
        )


class Act(Part):
    """What happens to them: at most one of `error`, `hang`, `reset`, `close`, and an answer of its own; else they are served."""

    #: Before whatever happens, an error too.
    delay_seconds: float = Field(0.0, ge=0, le=86_400)
    #: The draw is made for each matching call; where it fails, the next rule is looked at.
    probability: float = Field(1.0, ge=0, le=1)
    #: An exception of the service by its name; one that is not known needs a status. To a chat completion it is the error's `code`.
    error: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_.]*$")
    message: str = ""
    status: int | None = Field(None, ge=400, le=599)
    headers: dict[_HeaderName, _HeaderValue] = Field(default_factory=dict)
    #: Take the request, and never answer it.
    hang: bool = False
    #: A TCP reset after the request was read.
    reset: bool = False
    #: An orderly end of the connection, without an answer.
    close: bool = False
    #: Of a stream: so many events go out first. Then `error` comes as an event, `close` ends the stream before its last events,
    #: and `reset` and `hang` are as ever. Operations that do not stream take no notice of it.
    after_events: int | None = Field(None, ge=0)
    #: Between one event of a stream and the next.
    event_seconds: float = Field(0.0, ge=0, le=3600)
    #: How long a model takes over an answer: until its first token, and then so many tokens a second. A stream's first event comes
    #: with the first token, and its others as the tokens do.
    first_token_seconds: float = Field(0.0, ge=0, le=86_400)
    tokens_per_second: float | None = Field(None, gt=0)
    #: Of 1: by so much an answer may be faster or slower than these say, evenly drawn.
    jitter: float = Field(0.0, ge=0, le=1)
    text: str | None = None
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None

    @field_validator("stop_reason")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in stop_reasons():
            raise ValueError(f"is none of Converse's: {', '.join(sorted(stop_reasons()))}")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        answer = {"text": self.text, "content": self.content, "stop_reason": self.stop_reason}
        if self.text is not None and self.content is not None:
            raise ValueError("`text` and `content` exclude each other")
        kinds = ["error"] if self.error else []
        kinds += [name for name in ("hang", "reset", "close") if getattr(self, name)]
        kinds += [name for name, value in answer.items() if value is not None][:1]
        for fault in body_faults({"messages": [{"role": "assistant", "content": self.content or []}]}):
            raise ValueError(f"{fault.path.removeprefix('messages[0].')} {fault.message}")
        if len(kinds) > 1:
            raise ValueError(f"{' and '.join(f'`{name}`' for name in kinds)} exclude each other")
        if not self.error and (self.message or self.status or self.headers):
            raise ValueError("`message`, `status` and `headers` belong to an `error`")
        if self.after_events is not None and not (self.error or self.hang or self.reset or self.close):
            raise ValueError("`after_events` belongs to `error`, `hang`, `reset` or `close`")
        if self.error and self.after_events is not None and self.error not in streamed_errors():
            raise ValueError(f"a stream has no event for it: {', '.join(sorted(streamed_errors()))}")
        if self._paced() and self.after_events is None and (self.error or self.hang or self.reset or self.close):
            raise ValueError("`first_token_seconds` and `tokens_per_second` belong to an answer")
        if self.jitter and not self._paced():
            raise ValueError("`jitter` belongs to `first_token_seconds` or `tokens_per_second`")
        if self.error and self.error not in statuses() and not self.status:
            raise ValueError(f"{self.error} is not an exception of Bedrock Runtime, so it needs a `status`")
        return self

    def _paced(self) -> bool:
        return bool(self.first_token_seconds or self.tokens_per_second)

    @property
    def refusal(self) -> Refusal | None:
        """The error to answer with."""
        return Refusal(self.error, self.message, status=self.status, headers=self.headers) if self.error else None

    @property
    def fault(self) -> str | None:
        """What happens to the connection, as the ledger calls it."""
        faults = ((self.hang, "hung"), (self.reset, "reset"), (self.close, "closed"))
        return next((outcome for given, outcome in faults if given), None)

    def midway(self, streams: bool) -> bool:
        """Whether events go out before the fault."""
        return streams and self.after_events is not None


class Rule(Part):
    """A match, an act, and how often; without `times` for ever."""

    match: Match = Match()
    act: Act
    times: int | None = Field(None, ge=1)
    #: When it is in force, counted from when it was sent; of a script from when the simulator began to serve.
    after_seconds: float = Field(0.0, ge=0)
    until_seconds: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _in_force_some_time(self) -> Self:
        if self.until_seconds is not None and self.until_seconds <= self.after_seconds:
            raise ValueError("`until_seconds` must be more than `after_seconds`")
        return self


class Pace(NamedTuple):
    """What an answer takes, in seconds."""

    first_token: float
    #: From the first token to the last.
    rest: float


#: For calls that no rule means.
AS_USUAL = Act()


@dataclass(frozen=True, slots=True)
class _Entry:
    rule: Rule
    begin: float
    end: float | None


class RuleBook:
    """The rules in force, in the order in which they came. The same seed gives the same draws."""

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is in seconds, from anywhere on."""
        self._seed = seed
        self._now = now
        self._ids = itertools.count(1)
        self._rules: dict[str, _Entry] = {}
        self.clear()
        for rule in rules:
            self.add(rule)

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, rule: Rule) -> str:
        """Put a rule behind the others; returns its id."""
        rule_id = f"rule-{next(self._ids)}"
        self._rules[rule_id] = self._entry(rule)
        return rule_id

    def start(self) -> None:
        """Count the times of all rules from now."""
        self._rules = {rule_id: self._entry(entry.rule) for rule_id, entry in self._rules.items()}

    def drop(self, rule_id: str) -> bool:
        """Drop one rule; whether it was there."""
        return self._rules.pop(rule_id, None) is not None

    def clear(self) -> None:
        """Drop all rules and begin the draws anew."""
        self._rules = {}
        self._random = random.Random(self._seed)  # noqa: S311 - for reproducible faults, not for secrets

    def take(self, call: Call, allow: Callable[[Act], None] = lambda _act: None) -> Act:
        """What to do with `call`; uses up one of the rule's times, unless `allow` refuses the call by raising."""
        now = self._now()
        for rule_id, entry in self._rules.items():
            if now < entry.begin or (entry.end is not None and now >= entry.end):
                continue
            if entry.rule.match.holds(call) and self._random.random() < entry.rule.act.probability:
                allow(entry.rule.act)
                self._use(rule_id, entry)
                return entry.rule.act
        allow(AS_USUAL)
        return AS_USUAL

    def pace(self, act: Act, tokens: int) -> Pace:
        """How long an answer of so many tokens takes; draws its jitter."""
        factor = self._random.uniform(1 - act.jitter, 1 + act.jitter) if act.jitter else 1.0
        return Pace(act.first_token_seconds * factor, tokens / act.tokens_per_second * factor if act.tokens_per_second else 0.0)

    def listed(self) -> list[dict[str, Any]]:
        """All rules, JSON-safe; `times` is what is left."""
        return [{"id": rule_id, **entry.rule.model_dump(exclude_defaults=True)} for rule_id, entry in self._rules.items()]

    def _entry(self, rule: Rule) -> _Entry:
        now = self._now()
        return _Entry(rule, now + rule.after_seconds, None if rule.until_seconds is None else now + rule.until_seconds)

    def _use(self, rule_id: str, entry: _Entry) -> None:
        rule = entry.rule
        if rule.times == 1:
            del self._rules[rule_id]
        elif rule.times is not None:
            self._rules[rule_id] = replace(entry, rule=rule.model_copy(update={"times": rule.times - 1}))


def parse_rule(value: Any) -> Rule:
    """Read a rule from JSON.

    Raises:
        ValueError: one sentence that names the places at fault.
    """
    return parsed(Rule, value, "the rule")

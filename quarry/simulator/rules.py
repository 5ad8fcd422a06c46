"""Rules: what the simulator does instead of answering as usual.

    {"match": {"model": "amazon.nova-lite-v1:0"}, "times": 2, "act": {"error": "ThrottlingException"}}

The first rule that matches and has times left decides. A rule whose `times` are used up is gone.
"""

import itertools
import random
from collections.abc import Iterable
from typing import Annotated, Any, Self

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

    #: A throttle is refused at once, an answer takes its time: both after this.
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
        if self.error and self.error not in statuses() and not self.status:
            raise ValueError(f"{self.error} is not an exception of Bedrock Runtime, so it needs a `status`")
        return self

    @property
    def refusal(self) -> Refusal | None:
        """The error to answer with."""
        return Refusal(self.error, self.message, status=self.status, headers=self.headers) if self.error else None


class Rule(Part):
    """A match, an act, and how often; without `times` for ever."""

    match: Match = Match()
    act: Act
    times: int | None = Field(None, ge=1)


#: For calls that no rule means.
AS_USUAL = Act()


class RuleBook:
    """The rules in force, in the order in which they came. The same seed gives the same draws."""

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self._seed = seed
        self._ids = itertools.count(1)
        self.clear()
        for rule in rules:
            self.add(rule)

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, rule: Rule) -> str:
        """Put a rule behind the others; returns its id."""
        rule_id = f"rule-{next(self._ids)}"
        self._rules[rule_id] = rule
        return rule_id

    def drop(self, rule_id: str) -> bool:
        """Drop one rule; whether it was there."""
        return self._rules.pop(rule_id, None) is not None

    def clear(self) -> None:
        """Drop all rules and begin the draws anew."""
        self._rules: dict[str, Rule] = {}
        self._random = random.Random(self._seed)  # noqa: S311 - for reproducible faults, not for secrets

    def take(self, call: Call) -> Act:
        """What to do with `call`; uses up one of the rule's times."""
        for rule_id, rule in self._rules.items():
            if rule.match.holds(call) and self._random.random() < rule.act.probability:
                self._use(rule_id, rule)
                return rule.act
        return AS_USUAL

    def listed(self) -> list[dict[str, Any]]:
        """All rules, JSON-safe; `times` is what is left."""
        return [{"id": rule_id, **rule.model_dump(exclude_defaults=True)} for rule_id, rule in self._rules.items()]

    def _use(self, rule_id: str, rule: Rule) -> None:
        if rule.times == 1:
            del self._rules[rule_id]
        elif rule.times is not None:
            self._rules[rule_id] = rule.model_copy(update={"times": rule.times - 1})


def parse_rule(value: Any) -> Rule:
    """Read a rule from JSON.

    Raises:
        ValueError: one sentence that names the places at fault.
    """
    return parsed(Rule, value, "the rule")

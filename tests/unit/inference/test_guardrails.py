"""Guardrails: which one a call has to pass, and what becomes of calls that do not."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from prometheus_client import CollectorRegistry

from quarry.errors import AnswerUnchecked, GuardrailUnavailable, GuardrailUnusable, InvocationError
from quarry.guard.narrowing import narrowing
from quarry.inference.candidates import Request, candidates
from quarry.inference.engine import Engine
from quarry.inference.guardrails import GuardedProvider
from quarry.inference.providers.bedrock import converse_request, native_request
from quarry.inference.routes import Route
from quarry.invocation import Completion, Guardrail, Invocation, Target, Usage
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import FakeClock, ScriptedProvider

NOVA = "amazon.nova-lite-v1:0"
HERE, AWAY = Target("bedrock", "us-east-1", NOVA), Target("bedrock", "eu-west-1", NOVA)
CHAT = Target("gateway", "", "m")
EAST, WEST = Guardrail("us-east-1", "east", "1"), Guardrail("us-west-2", "west", "3", trace=True)
HELLO = Invocation(
    messages=({"role": "user", "content": [{"text": "Hello"}, {"toolResult": {"content": [{"json": {"a": "b"}}]}}]},)
)
NONE = {"action": "NONE", "outputs": [], "assessments": [], "usage": {}}
BLOCKED = {"action": "GUARDRAIL_INTERVENED", "outputs": [{"text": "No."}], "assessments": [], "usage": {}}


def refused(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "about SECRET"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "ApplyGuardrail")


@dataclass
class Judge:
    """A client of Bedrock Runtime, as far as it is needed."""

    rulings: list[Any]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def apply_guardrail(self, **request: Any) -> Any:
        self.asked.append(request)
        ruling = self.rulings.pop(0)
        if isinstance(ruling, Exception):
            raise ruling
        return ruling


@dataclass
class Model:
    """A provider that was asked or not."""

    asked: list[Invocation] = field(default_factory=list)
    says: tuple[dict[str, Any], ...] = ({"text": "An answer"},)

    async def invoke(self, target: Target, invocation: Invocation, *, heard: Any = None, **_: Any) -> Completion:
        assert heard is None
        self.asked.append(invocation)
        return Completion(self.says, "end_turn", filtered=False, usage=Usage(3, 4, 7), served_by=target)


async def asked(judge: Judge, model: Model, guardrail: Guardrail | None = EAST) -> Completion:
    clock = FakeClock()
    provider = GuardedProvider(model, {"us-east-1": judge}, clock)
    call = provider.invoke(CHAT, replace(HELLO, guardrail=guardrail), timeout=timedelta(seconds=9), labels={}, heard=lambda _: None)
    return await clock.run(call)


async def test_what_is_asked_and_answered_passes() -> None:
    """Every text, tools' results too, with the names in them; the version that is declared."""
    judge, model = Judge([NONE, NONE]), Model()

    answer = await asked(judge, model)

    assert answer.text == "An answer"
    assert [(each["source"], each["content"]) for each in judge.asked] == [
        ("INPUT", [{"text": {"text": "user\nHello\na\nb"}}]),
        ("OUTPUT", [{"text": {"text": "An answer"}}]),
    ]
    assert {(each["guardrailIdentifier"], each["guardrailVersion"]) for each in judge.asked} == {("east", "1")}
    assert model.asked == [HELLO]


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "a kra"}, {"text": "ken"}],
        [{"text": "a"}, {"text": "kraken"}],
        [{"toolResult": {"content": [{"json": {"a kraken": 1}}]}}],
    ],
)
async def test_no_word_is_kept_from_it(content: list[dict[str, Any]]) -> None:
    """Neither cut in two, nor stuck to another, nor as a member's name."""
    judge = Judge([NONE, NONE])
    provider = GuardedProvider(Model(), {"us-east-1": judge}, FakeClock())
    asks = Invocation(messages=({"role": "user", "content": content},), guardrail=EAST)

    await provider.invoke(CHAT, asks, timeout=timedelta(seconds=9), labels={})

    assert "kraken" in judge.asked[0]["content"][0]["text"]["text"].split()


async def test_numbers_and_the_text_of_an_answer_are_judged_as_they_are_read() -> None:
    judge = Judge([NONE, NONE])
    uses = {"toolUse": {"toolUseId": "t", "name": "pay", "input": {"card": 4111111111111111}}}

    await asked(judge, Model(says=({"text": "a kra"}, {"text": "ken"}, uses)))

    assert judge.asked[1]["content"] == [{"text": {"text": "a kraken\nt\npay\ncard\n4111111111111111"}}]


async def test_what_is_blocked_is_not_asked() -> None:
    model = Model()

    answer = await asked(Judge([BLOCKED]), model)

    assert (answer.text, answer.stop_reason, answer.filtered, answer.usage) == ("No.", "guardrail_intervened", True, Usage())
    assert model.asked == []


async def test_an_answer_that_is_blocked_is_not_shown_and_was_paid() -> None:
    answer = await asked(Judge([NONE, BLOCKED]), Model())

    assert (answer.text, answer.stop_reason, answer.filtered, answer.usage.total_tokens) == ("No.", "guardrail_intervened", True, 7)


@pytest.mark.parametrize(
    ("ruling", "kind"),
    [
        (refused("ThrottlingException", 429), GuardrailUnavailable),
        (refused("InternalServerException", 500), GuardrailUnavailable),
        (refused("ServiceUnavailableException", 503), GuardrailUnavailable),
        (ConnectTimeoutError(endpoint_url="https://x"), GuardrailUnavailable),
        (TimeoutError(), GuardrailUnavailable),
        ({"action": "SOMETHING"}, GuardrailUnavailable),
        ({}, GuardrailUnavailable),
        (refused("AccessDeniedException", 403), GuardrailUnusable),
        (refused("ResourceNotFoundException", 404), GuardrailUnusable),
        (refused("ValidationException"), GuardrailUnusable),
        (refused("ServiceQuotaExceededException"), GuardrailUnusable),
    ],
)
async def test_without_a_ruling_nothing_is_asked(ruling: Any, kind: type[InvocationError]) -> None:
    """And nothing is said of what the service said."""
    model = Model()

    with pytest.raises(kind) as raised:
        await asked(Judge([ruling]), model)

    assert (model.asked, raised.value.may_be_billed) == ([], False)
    assert "SECRET" not in str(raised.value)


async def test_without_a_ruling_an_answer_is_shown_to_nobody() -> None:
    """Some tries later. What it cost is told."""
    judge = Judge([NONE, *(refused("ThrottlingException", 429) for _ in range(3))])

    with pytest.raises(AnswerUnchecked) as raised:
        await asked(judge, Model())

    assert (judge.rulings, raised.value.usage, raised.value.may_be_billed) == ([], Usage(3, 4, 7), True)
    assert (await asked(Judge([NONE, refused("ThrottlingException", 429), NONE]), Model())).text == "An answer"


async def test_a_guardrail_without_a_client_lets_nothing_through() -> None:
    with pytest.raises(GuardrailUnusable):
        await asked(Judge([]), Model(), WEST)


async def test_without_a_guardrail_nobody_is_asked_for_a_ruling() -> None:
    class Listening(Model):
        async def invoke(self, target: Target, invocation: Invocation, *, heard: Any = None, **more: Any) -> Completion:
            assert heard is not None
            return await super().invoke(target, invocation, **more)

    assert (await asked(Judge([]), Listening(), None)).text == "An answer"


def chosen(*targets: Target, guardrails: tuple[Guardrail, ...], allowed: tuple[str, ...] = ()) -> list[str | None]:
    by_region = {each.region: each for each in guardrails}
    able, _ = candidates(Route.of("r", *targets), Request(HELLO, allowed_regions=allowed, guardrails=by_region))
    return [each.invocation.guardrail.id if each.invocation.guardrail else None for each in able]


def test_each_target_has_the_guardrail_of_its_region() -> None:
    """Bedrock takes no other; a target elsewhere is not asked. Another provider's text may be judged anywhere it may go."""
    assert chosen(HERE, AWAY, guardrails=(EAST, WEST)) == ["east"]
    assert chosen(HERE, AWAY, guardrails=()) == [None, None]
    assert chosen(Target("echo", "", "echo"), guardrails=(EAST, WEST)) == ["east"]
    assert chosen(Target("echo", "us-west-2", "echo"), guardrails=(EAST, WEST)) == ["west"]
    echo = Target("echo", "", "echo")
    assert chosen(echo, guardrails=(EAST, WEST), allowed=("us-west-2", "us-east-2")) == ["west"]
    assert chosen(echo, guardrails=(EAST,), allowed=("eu-west-1",)) == []


def test_a_callers_own_guardrail_does_not_take_the_place_of_the_tenants() -> None:
    """Of a job that was submitted before the tenant had one."""
    mine = replace(HELLO, converse={"guardrailConfig": {"guardrailIdentifier": "mine"}, "serviceTier": {"type": "flex"}})
    [candidate], _ = candidates(Route.of("r", HERE), Request(mine, guardrails={"us-east-1": EAST}))

    request = converse_request(HERE, candidate.invocation, {})

    assert request["guardrailConfig"] == {"guardrailIdentifier": "east", "guardrailVersion": "1", "trace": "disabled"}
    assert request["serviceTier"] == {"type": "flex"}


def test_a_native_call_has_it_in_its_headers() -> None:
    request = native_request(HERE, {"a": 1}, {}, WEST)

    assert {name: request[name] for name in ("guardrailIdentifier", "guardrailVersion", "trace")} == {
        "guardrailIdentifier": "west", "guardrailVersion": "3", "trace": "ENABLED",
    }  # fmt: skip
    assert "guardrailIdentifier" not in native_request(HERE, {"a": 1}, {})


async def test_a_provider_that_passes_no_guardrail_is_not_asked_for_what_needs_one() -> None:
    provider = ScriptedProvider()
    engine = Engine({"bedrock": provider}, InferenceMetrics(CollectorRegistry()), FakeClock())

    async def before_call(_target: Target) -> None:
        pass

    with pytest.raises(GuardrailUnusable):
        await engine.invoke(Route.of("r", HERE), Request(HELLO, guardrails={"us-east-1": EAST}), before_call)
    assert provider.calls == []


BLOCKS = [{"guardContent": {"text": {"text": "x"}}}]
CHOOSING: dict[str, Callable[[], Invocation]] = {
    "converse.guardrailConfig": lambda: Invocation(converse={"guardrailConfig": {}}),
    "messages.0.content.0.guardContent": lambda: Invocation(messages=({"role": "user", "content": BLOCKS},)),
    "system.0.guardContent": lambda: Invocation(system=({"guardContent": {}},)),
    "native.amazon-bedrock-guardrailConfig": lambda: Invocation(native={"amazon-bedrock-guardrailConfig": {"tagSuffix": "x"}}),
    "native.messages.0.guardContent": lambda: Invocation(native={"messages": BLOCKS}),
}


@pytest.mark.parametrize("place", CHOOSING)
def test_what_narrows_a_guardrail_is_found(place: str) -> None:
    assert ".".join(map(str, narrowing(CHOOSING[place]()) or ())) == place


def test_what_does_not_is_not() -> None:
    assert narrowing(HELLO) is None
    assert narrowing(Invocation(messages=({"role": "user", "content": [{"text": "guardContent"}]},))) is None

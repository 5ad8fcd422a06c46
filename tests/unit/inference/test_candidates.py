"""What a request needs, what a target has, and the form in which it is asked."""

from collections.abc import Iterator
from typing import Any

import pytest

from quarry.inference.adaptation import adapted
from quarry.inference.candidates import Candidate, Request, candidates
from quarry.inference.capabilities import CAPABILITIES, TUNING, lacks, needs
from quarry.inference.model_facts import LACKS, facts_of
from quarry.inference.routes import Adaptation, Route, RouteTarget
from quarry.invocation import Invocation, Target
from quarry.testing.builders import an_invocation

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS = "us.anthropic.claude-opus-4-7"
TITAN = "amazon.titan-text-express-v1"
NOVA = "amazon.nova-pro-v1:0"
MINE = "arn:aws:bedrock:us-east-1:123456789012:"
ARN = f"{MINE}application-inference-profile/abcdefghijkl"
IMPORTED = f"{MINE}imported-model/abcdefghijkl"
TOOLS = {"toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]}}
POINT = {"cachePoint": {"type": "default"}}


def place(model: str, provider: str = "bedrock", **more: Any) -> RouteTarget:
    return RouteTarget(Target(provider, "us-east-1", model), **more)


def named(value: object) -> str | None:
    """A case is called by its target. Sets are printed in another order by each process."""
    return str(value.target) if isinstance(value, RouteTarget) else None


def asking(*blocks: Any, role: str = "user", **more: Any) -> Invocation:
    return Invocation(messages=({"role": role, "content": [{"text": "Hi"}, *blocks]},), **more)


@pytest.mark.parametrize(
    ("invocation", "needed"),
    [
        (asking(), set()),
        (asking(system=({"text": "Be brief."},)), {"system"}),
        (asking(system=({"text": "Be brief."}, POINT)), {"system", "prompt_cache"}),
        (asking({"image": {}}, {"document": {}}), {"images", "documents"}),
        (asking({"video": {}}, {"audio": {}}), {"video", "audio"}),
        (asking({"toolResult": {"content": [{"image": {}}]}}), {"tools", "images"}),
        (asking(converse=TOOLS), {"tools"}),
        (asking(converse={"toolConfig": {"tools": [*TOOLS["toolConfig"]["tools"], POINT]}}), {"tools", "prompt_cache"}),
        (asking({"guardContent": {}}), {"guardrail"}),
        (asking(converse={"guardrailConfig": {"guardrailIdentifier": "g"}}), {"guardrail"}),
        (asking({"reasoningContent": {}}), {"reasoning"}),
        (asking(role="assistant"), {"prefill"}),
        (asking(temperature=0.0), {"temperature"}),
        (asking(temperature=0.0, top_p=0.5), {"temperature", "top_p", "temperature_with_top_p"}),
        (asking(stop_sequences=("END",)), {"stop_sequences"}),
        (asking(converse={"outputConfig": {"textFormat": {"type": "json_schema"}}}), {"structured_output"}),
        (asking(converse={"outputConfig": {"effort": "low"}}), set()),
        (asking(converse={"serviceTier": {"type": "flex"}}), {"service_tier"}),
        (asking(converse={"serviceTier": {"type": "default"}}), set()),
        (asking(converse={"performanceConfig": {"latency": "optimized"}}), {"latency"}),
        (asking(converse={"performanceConfig": {"latency": "standard"}}), set()),
        (Invocation(native={"system": "Be brief.", "temperature": 1}), {"native"}),
    ],
)
def test_what_a_request_needs(invocation: Invocation, needed: set[str]) -> None:
    """Read from its blocks, wherever they are, and from its fields."""
    assert needs(invocation) == needed
    assert needed <= CAPABILITIES.keys()


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        (place(HAIKU), set()),
        (place("amazon.nova-micro-v1:0"), {"documents", "images"}),
        (place("us.amazon.nova-micro-v1:0"), {"documents", "images"}),
        (place("amazon.titan-text-premier-v1:0"), {"system", "images", "tools", "documents"}),
        (place(SONNET), {"video", "audio", "service_tier", "temperature_with_top_p"}),
        (place("meta.llama3-8b-instruct-v1:0"), {"images", "tools"}),
        (place("meta.llama3-1-8b-instruct-v1:0"), {"images"}),
        (place("meta.llama3-3-70b-instruct-v1:0"), set()),
        (place(ARN), set()),
        (place(f"{MINE}prompt/ABCDEFGHIJ:1"), {"system", "tools", "stop_sequences", "temperature", "top_p"}),
        (place("no model id"), set()),
        (place("anything", "echo"), {"native"}),
        (
            place(HAIKU, "litellm"),
            {"documents", "video", "audio", "guardrail", "prompt_cache", "service_tier", "latency"},
        ),
        (place("amazon.nova-micro-v1:0", capabilities=frozenset(CAPABILITIES)), set()),
        (place(ARN, capabilities=frozenset({"tools", "system"})), CAPABILITIES.keys() - {"tools", "system"}),
    ],
    ids=named,
)
def test_what_a_target_lacks(target: RouteTarget, missing: set[str]) -> None:
    """What is declared is all that there is; else what AWS published; else nothing is held against it."""
    assert lacks(target) == missing


def test_the_tables_speak_of_capabilities() -> None:
    """A word that is none would never be found."""
    assert {name for names in LACKS.values() for name in names.split()} <= CAPABILITIES.keys()
    assert TUNING.keys() <= CAPABILITIES.keys()


@pytest.mark.parametrize(
    ("target", "invocation", "changes", "names"),
    [
        (place(HAIKU), {"temperature": 0.5, "top_p": 0.5}, {}, ()),
        (place(SONNET), {"temperature": 0.5, "top_p": 0.5}, {"top_p": None}, ("top_p",)),
        (place(SONNET), {"top_p": 0.5}, {}, ()),
        (place(OPUS), {"temperature": 0.5, "top_p": 0.5}, {"temperature": None, "top_p": None}, ("temperature", "top_p")),
        (place(SONNET), {"converse": {"serviceTier": {"type": "flex"}} | TOOLS}, {"converse": TOOLS}, ("converse.serviceTier",)),
        (place(TITAN), {"max_tokens": 9000}, {"max_tokens": 8192}, ("max_tokens",)),
        (place(TITAN), {"max_tokens": 8192}, {}, ()),
        (place(TITAN, adapt=Adaptation(max_tokens=100)), {"max_tokens": 9000}, {"max_tokens": 100}, ("max_tokens",)),
        (place(TITAN, adapt=Adaptation(max_tokens=9999)), {"max_tokens": 9999}, {"max_tokens": 8192}, ("max_tokens",)),
        (place(TITAN, "litellm"), {"max_tokens": 9000}, {}, ()),
        (place(HAIKU, adapt=Adaptation(frozenset({"temperature", "system"}))), {"top_p": 1.0}, {}, ()),
        (
            place(HAIKU, adapt=Adaptation(frozenset({"stop_sequences", "system", "converse.promptVariables"}))),
            {"stop_sequences": ("END",), "system": ({"text": "x"},), "converse": {"promptVariables": {}} | TOOLS},
            {"stop_sequences": (), "system": (), "converse": TOOLS},
            ("converse.promptVariables", "stop_sequences", "system"),
        ),
    ],
    ids=named,
)
def test_the_form_in_which_a_target_is_asked(
    target: RouteTarget, invocation: dict[str, Any], changes: dict[str, Any], names: tuple[str, ...]
) -> None:
    """What the operator drops, and what only tunes and is not taken, is gone, and said so; the rest is as it was."""
    asked = asking(**invocation)
    assert adapted(target, asked) == (asking(**invocation | changes), names)
    assert asked == asking(**invocation)


def test_cache_points_are_dropped_everywhere() -> None:
    """From messages, system prompt and tools, where the target keeps none: the answer is the same, at another price."""
    tools = [*TOOLS["toolConfig"]["tools"], POINT]
    asked = asking(POINT, system=({"text": "x"}, POINT), converse={"toolConfig": {"tools": tools, "toolChoice": {"auto": {}}}})
    kept = asking(system=({"text": "x"},), converse={"toolConfig": {**TOOLS["toolConfig"], "toolChoice": {"auto": {}}}})
    assert adapted(place("m", "litellm"), asked) == (kept, ("cachePoint",))
    assert adapted(place(HAIKU), asked) == (asked, ())


def test_a_native_body_is_never_changed() -> None:
    """Its bound is the caller's, and not sent; it goes as it is, or not at all."""
    asked = Invocation(native={"inputText": "Hi", "temperature": 1}, max_tokens=9000)
    target = place(TITAN, adapt=Adaptation(frozenset({"temperature"}), max_tokens=1))
    assert adapted(target, asked) == (asked, ())


def codes(invocation: Invocation, *targets: RouteTarget) -> list[str]:
    """`able` or why not, for each target."""
    able, barred = candidates(Route("r", targets), Request(invocation))
    found = {id(each.place): "able" for each in able}
    assert all(isinstance(each, Candidate) for each in able)
    errors = iter(barred)
    return [found.get(id(each)) or str(next(errors)).removeprefix(f"{each.target} does not take ") for each in targets]


def test_what_is_lacking_bars_the_target() -> None:
    """It says what; what only tunes bars nobody."""
    asked = asking({"image": {}}, converse=TOOLS, temperature=0.0)
    assert codes(asked, place(HAIKU), place(TITAN), place(OPUS)) == [
        "able", "tools, or a conversation in which some were used, an image", "able",
    ]  # fmt: skip


def test_an_operator_can_drop_what_would_bar() -> None:
    """Dropping comes first: a target without system prompts serves all the same, if it is said so."""
    asked = asking(system=({"text": "x"},))
    assert codes(asked, place(TITAN), place(TITAN, adapt=Adaptation(frozenset({"system"})))) == ["a system prompt", "able"]


FIELDS = "converse.additionalModelRequestFields"


@pytest.mark.parametrize(
    ("targets", "able"),
    [
        ((place(SONNET), place(HAIKU), place(NOVA), place(ARN), place("m", "litellm")), [True, True, False, True, False]),
        ((place(ARN), place(NOVA), place(HAIKU)), [True, True, True]),
        ((place("m", "litellm"), place("n", "litellm"), place(NOVA)), [True, True, False]),
        ((place(SONNET), place(NOVA, adapt=Adaptation(frozenset({FIELDS})))), [True, True]),
        ((place("echo", "echo"), place(NOVA)), [True, True]),
    ],
)
def test_a_models_own_fields_stay_in_its_family(targets: tuple[RouteTarget, ...], able: list[bool]) -> None:
    """They are those of the route's first target; another family is skipped, for what they ask for would be lost there."""
    asked = asking(converse={"additionalModelRequestFields": {"top_k": 5}})
    assert [code == "able" for code in codes(asked, *targets)] == able
    assert set(codes(asking(converse={"additionalModelRequestFields": {}}), *targets)) == {"able"}


@pytest.mark.parametrize(
    ("body", "targets", "able"),
    [
        ({"inputText": "Hi"}, (place(TITAN), place(SONNET), place(ARN), place("echo", "echo")), [True, False, True, False]),
        ({"anthropic_version": "x"}, (place(TITAN), place(SONNET)), [False, True]),
        ({"messages": []}, (place("m", "vllm"), place(SONNET), place("n", "litellm")), [True, False, True]),
    ],
)
def test_a_native_body_stays_in_its_family(body: dict[str, Any], targets: tuple[RouteTarget, ...], able: list[bool]) -> None:
    """That of the route's first target, unless the body says itself whose it is."""
    assert [code == "able" for code in codes(Invocation(native=body), *targets)] == able


def test_an_imported_model_takes_native_bodies_only() -> None:
    """Converse does not know it: a job in Converse's words goes to the next target."""
    assert codes(asking(), place(IMPORTED), place(HAIKU)) == ["anything but a native body", "able"]
    assert codes(Invocation(native={"prompt": "Hi"}), place(IMPORTED)) == ["able"]


def test_candidates_carry_their_own_form() -> None:
    """Each target is asked in its own; the request stays as it was for the next."""
    asked = an_invocation(temperature=0.5, top_p=0.5)
    able, barred = candidates(Route("r", (place(OPUS), place(SONNET), place(HAIKU))), Request(asked))
    assert [(each.invocation.temperature, each.invocation.top_p) for each in able] == [(None, None), (0.5, None), (0.5, 0.5)]
    assert [each.adapted for each in able] == [("temperature", "top_p"), ("top_p",), ()]
    assert barred == ()


def test_a_conversation_is_gone_through_once_for_each_form() -> None:
    """However many targets there are: as it came, and without what those of one model do not take."""
    looks = 0

    class Watched(tuple[Any, ...]):  # noqa: SLOT001 - one object
        def __iter__(self) -> Iterator[Any]:
            nonlocal looks
            looks += 1
            return super().__iter__()

    said = Watched(asking({"text": "hello"}).messages)
    request = Request(Invocation(messages=said, temperature=0.5, top_p=0.5))
    models = ("amazon.nova-lite-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0")
    able, barred = candidates(Route("default", tuple(place(model) for model in models * 10)), request)
    assert (len(able), barred, [each.adapted for each in able[:2]]) == (20, (), [(), ("top_p",)])
    assert looks == 2


def test_what_is_known_of_a_model_is_known_of_its_profiles() -> None:
    """And of its ARN; of what hides its model, nothing."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.titan-text-express-v1"
    assert facts_of(arn) == facts_of(TITAN) != facts_of(ARN)
    assert facts_of(ARN).max_tokens is None

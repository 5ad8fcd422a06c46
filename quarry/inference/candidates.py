"""Who of a route may serve a request, and in which form it would be asked there; why the others may not. Pure.

Four questions, in this order: may the prompt go there (residency), can it be asked in a form that the target takes (adaptation),
has the target all that it needs (capabilities), and is there a guardrail for it where the tenant has to pass one?
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from quarry.errors import GuardrailUnusable, InvocationError, NotCapable, ResidencyForbids
from quarry.inference.adaptation import Needed, adapted
from quarry.inference.capabilities import CAPABILITIES, lacks, needs
from quarry.inference.model_ids import Kind, known_model_id
from quarry.inference.providers.base import Heard
from quarry.inference.residency import narrowed, objection
from quarry.inference.routes import Route, RouteTarget
from quarry.invocation import Guardrail, Invocation, Json, Target

#: Fields of a model's own, which only its family takes.
_OF_A_FAMILY: Final = "additionalModelRequestFields"
#: The words of every other provider.
_CHAT: Final = "chat completions"
#: Member of a native body → the family that it is for. Source: "Request and Response" of Anthropic's Messages in the Amazon
#: Bedrock User Guide, which requires it (read November 2026).
_NATIVE_MARKS: Final[Mapping[str, str]] = {"anthropic_version": "anthropic.claude"}


@dataclass(frozen=True, slots=True)
class Request:
    """What an attempt asks of its route. `labels` are attached to each call, where the vendor keeps such things."""

    invocation: Invocation
    labels: Json = field(default_factory=dict)
    #: How often earlier attempts of the job failed on a target, by its name: another one is preferred now.
    failures: Mapping[str, int] = field(default_factory=dict)
    #: Prompts stay in these, beside what the route says; empty: wherever its targets are.
    allowed_regions: tuple[str, ...] = ()
    #: Who listens to the answer as it comes. Once a text was heard, it is the last call that is made for this request.
    heard: Heard | None = None
    #: Where all targets are full, those of a lower rank are served first: 0, 1 or 2.
    rank: int = 1
    #: The tenant's, by region: every call passes one. Empty: none has to.
    guardrails: Mapping[str, Guardrail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that may serve, and what it would be asked. `adapted` names what of the request was dropped or made smaller."""

    place: RouteTarget
    invocation: Invocation
    adapted: tuple[str, ...] = ()


def candidates(route: Route, request: Request) -> tuple[tuple[Candidate, ...], tuple[InvocationError, ...]]:
    """Those that may serve, as listed; and for each of the others an error that says why it is skipped."""
    allowed = narrowed(route.allowed_regions, request.allowed_regions)
    meant = family_of(route.targets[0].target) if route.targets else None
    able: list[Candidate] = []
    barred: list[InvocationError] = []
    found: dict[tuple[str, ...], frozenset[str]] = {}

    def needed(invocation: Invocation, dropped: tuple[str, ...]) -> frozenset[str]:
        # A conversation may be long, and a route too: it is gone through once for each form in which it is asked.
        if dropped not in found:
            found[dropped] = needs(invocation)
        return found[dropped]

    for place in route.targets:
        judged = _judged(place, request.invocation, allowed, meant, needed)
        if isinstance(judged, Candidate) and request.guardrails:
            judged = _guarded(judged, request.guardrails, allowed)
        if isinstance(judged, Candidate):
            able.append(judged)
        else:
            barred.append(judged)
    return tuple(able), tuple(barred)


def _judged(
    place: RouteTarget, invocation: Invocation, allowed: frozenset[str] | None, meant: str | None, needed: Needed
) -> Candidate | InvocationError:
    name = str(place.target)
    if why := objection(place, allowed):
        return ResidencyForbids(f"{name}: {why}", target=name)
    invocation, changed = adapted(place, invocation, needed)
    if missing := needed(invocation, changed) & lacks(place):
        return NotCapable(f"{name} does not take {', '.join(_words(missing))}", target=name)
    if foreign := _foreign(place.target, invocation, meant):
        return NotCapable(f"{name} does not take {foreign}", target=name)
    return Candidate(place, invocation, changed)


def _guarded(
    candidate: Candidate, guardrails: Mapping[str, Guardrail], allowed: frozenset[str] | None
) -> Candidate | InvocationError:
    """With the guardrail that its call has to pass, in place of any that the caller named. Without one it is not asked.

    Bedrock takes one of the region that it is called in. For another target, one in its own region or the first that may see it.
    """
    target, invocation = candidate.place.target, candidate.invocation
    guardrail = guardrails.get(target.region)
    if guardrail is None and target.provider != "bedrock":
        guardrail = next((each for region, each in guardrails.items() if allowed is None or region in allowed), None)
    if guardrail is None:
        name = str(target)
        return GuardrailUnusable(f"{name}: the tenant has no guardrail for it", target=name)
    converse = {name: value for name, value in invocation.converse.items() if name != "guardrailConfig"}
    return replace(candidate, invocation=replace(invocation, converse=converse, guardrail=guardrail))


def family_of(target: Target) -> str | None:
    """Whose words a target takes, beside Converse's: `anthropic.claude`. None: nobody knows."""
    if target.provider == "echo":
        return None
    if target.provider != "bedrock":
        return _CHAT
    model = known_model_id(target.model)
    return model.family if model else None


def _foreign(target: Target, invocation: Invocation, meant: str | None) -> str | None:
    """What of a request is in the words of another family: those of the route's first target, unless the words themselves tell.

    They are not dropped: what they ask for (to think, say) makes it another answer. An operator who thinks otherwise lists
    `converse.additionalModelRequestFields` in `drop`.
    """
    if invocation.native is not None:
        body = invocation.native
        meant = next((family for mark, family in _NATIVE_MARKS.items() if mark in body), meant)
        words = "a native body"
    elif _takes_bodies_only(target):
        return "anything but a native body"
    elif invocation.converse.get(_OF_A_FAMILY):
        words = f"`{_OF_A_FAMILY}`"
    else:
        return None
    mine = family_of(target)
    return f"{words} that is for {meant}" if meant and mine and meant != mine else None


def _takes_bodies_only(target: Target) -> bool:
    """Source: Converse's service model in botocore 1.43.117 (November 2026): it "doesn't support imported models"."""
    model = known_model_id(target.model) if target.provider == "bedrock" else None
    return model is not None and model.kind is Kind.IMPORTED_MODEL


def _words(missing: frozenset[str]) -> list[str]:
    return [words for name, words in CAPABILITIES.items() if name in missing]

"""What a route means, for `quarry routes check`: as JSON, and as lines for people. Pure.

Who may serve and in which order is asked of the rules that the engine goes by, for a short prompt without tools.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from quarry.inference.candidates import Request, candidates
from quarry.inference.capabilities import lacks
from quarry.inference.fallback import in_order
from quarry.inference.model_ids import VENDORS, Kind, ModelId, read_model_id
from quarry.inference.residency import regions_of
from quarry.inference.routes import ProviderSpec, Route, RouteTarget
from quarry.invocation import Invocation

_PROMPT: Final = Invocation(messages=({"role": "user", "content": [{"text": "Hello"}]},))
_MICROS: Final = 1_000_000
_WIDTH: Final = 13

#: Kind of a model id → what whoever uses it should know. Source of what Converse refuses: its documentation in the service model
#: of botocore 1.43.117 (November 2026).
_UNUSUAL_KINDS: Final[Mapping[Kind, str]] = {
    Kind.NAME: "a bare name: AWS takes it only for what is your own; its ARN would say what it is",
    Kind.IMPORTED_MODEL: "Converse does not take imported models: it serves jobs with a native body only",
    Kind.PROMPT: "a prompt of Prompt management: jobs with a system prompt, parameters or tools are refused by it",
    Kind.APPLICATION_PROFILE: "an application profile: only its owner knows which model answers, and where",
    Kind.PROMPT_ROUTER: "a prompt router: which of its models answers, and where, is known afterwards only",
}


def explained(
    route: Route, specs: Mapping[str, ProviderSpec], is_set: Callable[[str], bool], allowed_regions: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The route, JSON-safe, as it is for a job that narrows its regions to these; none: for one that does not.

    Its targets are in the order in which they would be asked; those that never are come last.
    """
    able, barred = candidates(route, Request(_PROMPT, allowed_regions=allowed_regions))
    never = {error.target: str(error).removeprefix(f"{error.target}: ") for error in barred}
    first = [each.place for each in _by_order(route, in_order(route.policy, able, {}, 0.0))]
    rest = [each for each in route.targets if each not in first]
    return {
        "route": route.name,
        "policy": route.policy,
        "on_unknown_outcome": route.on_unknown_outcome,
        "allowed_regions": _listed(route.allowed_regions),
        "degraded": {"text": route.degraded.text, "within_seconds": route.degraded.within_seconds} if route.degraded else None,
        "targets": [_target(route, each, never.get(str(each.target)), specs, is_set) for each in (*first, *rest)],
        "notes": list(_notes_of_route(route, bool(first))),
    }


def _by_order(route: Route, ordered: Sequence[Any]) -> Sequence[Any]:
    """Under `weighted`, chance decides: the likeliest first."""
    return sorted(ordered, key=lambda each: -each.place.weight) if route.policy == "weighted" else ordered


def _target(
    route: Route, place: RouteTarget, barred: str | None, specs: Mapping[str, ProviderSpec], is_set: Callable[[str], bool]
) -> dict[str, Any]:
    target, spec = place.target, specs.get(place.target.provider)
    model = read_model_id(target.model) if target.provider == "bedrock" else None
    weights = sum(each.weight for each in route.targets)
    return {
        "target": str(target),
        "provider": target.provider,
        "region": target.region or None,
        "model": target.model,
        "kind": str(model.kind) if model else spec.kind if spec else target.provider,
        "foundation_model": model.foundation_model if model else None,
        "regions": _listed(regions_of(place)),
        "share": round(place.weight / weights, 3) if route.policy == "weighted" and weights else None,
        "requests_per_minute": place.requests_per_minute,
        "tokens_per_minute": place.tokens_per_minute,
        "timeout_seconds": place.timeout_seconds,
        "streamed": place.streamed,
        "capabilities": _listed(place.capabilities),
        "lacks": sorted(lacks(place)),
        "drop": sorted(place.adapt.drop),
        "max_tokens": place.adapt.max_tokens,
        "usd_per_million_tokens": {
            "input": place.price.input_usd_micros / _MICROS,
            "output": place.price.output_usd_micros / _MICROS,
        }
        if place.price
        else None,
        "never_asked": barred,
        "notes": list(_notes_of_target(place, model, spec, is_set)),
    }


def _notes_of_route(route: Route, somebody: bool) -> Iterator[str]:
    regions = {each.target.region for each in route.targets}
    if not somebody:
        yield "no target may serve such a job: it is refused"
    elif len(route.targets) == 1:
        yield "there is nothing to fall back to: while its only target fails, jobs wait"
    elif len(regions) == 1 and regions != {""}:
        yield f"every target is called in {regions.pop()}: without that region, jobs wait"


def _notes_of_target(
    place: RouteTarget, model: ModelId | None, spec: ProviderSpec | None, is_set: Callable[[str], bool]
) -> Iterator[str]:
    if model and model.kind in _UNUSUAL_KINDS:
        yield _UNUSUAL_KINDS[model.kind]
    if model and model.kind is Kind.GEOGRAPHIC_PROFILE and regions_of(place) is None:
        yield f"nothing is published of this profile when it is called from {place.target.region}: it may be refused there"
    if model and model.vendor and model.vendor not in VENDORS:
        yield f"the vendor {model.vendor!r} is none that this version knows"
    if place.target.provider == "echo":
        yield "it answers with what it is asked: for tests"
    if spec and spec.kind == "openai" and not spec.region:
        yield "its provider declares no region: it serves no job that narrows them"
    if spec and spec.in_clear:
        yield (
            "its provider is called by http://, and `plaintext` does not say that it may: a worker would not start so, unless "
            "QUARRY_ENVIRONMENT is local"
        )
    if spec and spec.api_key_env and not is_set(spec.api_key_env):
        yield f"{spec.api_key_env}, which holds its key, is not set here: a worker would not start so"


def as_text(route: Mapping[str, Any]) -> str:
    """For people: the route, and below it each of its targets."""
    lines = [f"route {route['route']}", *_line("policy", route["policy"])]
    lines += _line("unknown end", {"retry": "asked again", "fail": "the job fails"}[route["on_unknown_outcome"]])
    lines += _line("regions", ", ".join(route["allowed_regions"] or ()))
    if degraded := route["degraded"]:
        lines += _line("degraded", f"{degraded['text']!r} when less than {degraded['within_seconds']} s are left")
    lines += [line for note in route["notes"] for line in _line("unusual", note)]
    for position, each in enumerate(route["targets"], start=1):
        lines += ["", f"  {f'{position}.' if each['never_asked'] is None else '- '} {each['target']}"]
        lines += [f"   {line}" for line in _lines_of_target(each)]
    return "\n".join(lines)


def _lines_of_target(each: Mapping[str, Any]) -> Iterator[str]:
    of = f" of {each['foundation_model']}" if each["foundation_model"] not in (None, each["model"]) else ""
    ceilings = [
        f"{each[name]:,} {name.split('_')[0]} a minute" for name in ("requests_per_minute", "tokens_per_minute") if each[name]
    ]
    price = each["usd_per_million_tokens"]
    changes = [f"without {name}" for name in each["drop"]]
    changes += [f"at most {each['max_tokens']:,} tokens"] if each["max_tokens"] else []
    yield from _line("never asked", each["never_asked"])
    yield from _line("kind", f"{each['kind']}{of}")
    yield from _line("processed in", _where(each))
    yield from _line("share", f"{each['share']:.1%} of the jobs" if each["share"] is not None else None)
    yield from _line("ceilings", f"{' and '.join(ceilings)}; this version does not hold to them" if ceilings else "none")
    yield from _line("price", f"${price['input']:g} in, ${price['output']:g} out, for a million tokens" if price else None)
    yield from _line("timeout", f"{each['timeout_seconds']:g} s" if each["timeout_seconds"] else None)
    yield from _line("streamed", "always" if each["streamed"] else None)
    yield from _line("cannot", ", ".join(each["lacks"]))
    yield from _line("asked", ", ".join(changes))
    for note in each["notes"]:
        yield from _line("unusual", note)


def _where(each: Mapping[str, Any]) -> str:
    if each["kind"] == Kind.GLOBAL_PROFILE:
        return "any commercial region of AWS"
    if each["regions"] is None:
        return "nothing proves where"
    return ", ".join(each["regions"]) or "this process"


def _line(name: str, text: str | None) -> list[str]:
    return [f"  {name:<{_WIDTH}} {text}"] if text else []


def _listed(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)

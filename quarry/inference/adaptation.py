"""The form in which a request is asked of one target: without what it does not take, and within its bounds. Pure.

Native bodies are never changed: they are the model's own format, and what stands in them is the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from quarry.inference.capabilities import TUNING, lacks, needs
from quarry.inference.model_facts import facts_of
from quarry.inference.routes import RouteTarget
from quarry.invocation import Invocation, Json

CACHE_POINT: Final = "cachePoint"
#: Fields of a submission that can be dropped, and what stands in for them; beside these those of `converse`, by their names after a
#: dot, and `cachePoint`: every such block.
EMPTY: Final[Mapping[str, Any]] = {"temperature": None, "top_p": None, "stop_sequences": (), "system": ()}


#: What a request needs, once what is named was dropped from it.
Needed: TypeAlias = Callable[[Invocation, tuple[str, ...]], frozenset[str]]


def _needed(invocation: Invocation, _dropped: tuple[str, ...]) -> frozenset[str]:
    return needs(invocation)


def adapted(place: RouteTarget, invocation: Invocation, needed: Needed = _needed) -> tuple[Invocation, tuple[str, ...]]:
    """The request as this target is asked it, and the names of what was dropped or made smaller, as in `Adaptation.drop`."""
    if invocation.native is not None:
        return invocation, ()
    changed: list[str] = []

    def drop(names: list[str]) -> None:
        nonlocal invocation
        for name in names:
            without = dropped(invocation, name)
            if without != invocation:
                invocation = without
                changed.append(name)

    drop(sorted(place.adapt.drop))
    drop(sorted({TUNING[each] for each in needed(invocation, tuple(changed)) & lacks(place) & TUNING.keys()}))
    known = facts_of(place.target.model).max_tokens if place.target.provider == "bedrock" else None
    bound = min((each for each in (place.adapt.max_tokens, known) if each is not None), default=invocation.max_tokens)
    if invocation.max_tokens > bound:
        invocation = replace(invocation, max_tokens=bound)
        changed.append("max_tokens")
    return invocation, tuple(changed)


def dropped(invocation: Invocation, name: str) -> Invocation:
    """The request without one field; as it was where it has no such field."""
    if name in EMPTY:
        return replace(invocation, **{name: EMPTY[name]})
    if name == CACHE_POINT:
        return _without_cache_points(invocation)
    rest = {each: value for each, value in invocation.converse.items() if f"converse.{each}" != name}
    return replace(invocation, converse=rest)


def _without_cache_points(invocation: Invocation) -> Invocation:
    messages = tuple({**message, "content": _kept(message["content"])} for message in invocation.messages)
    converse = dict(invocation.converse)
    tools = converse.get("toolConfig")
    if isinstance(tools, Mapping) and "tools" in tools:
        converse["toolConfig"] = {**tools, "tools": _kept(tools["tools"])}
    return replace(invocation, messages=messages, system=tuple(_kept(invocation.system)), converse=converse)


def _kept(blocks: Any) -> list[Json]:
    return [block for block in blocks if CACHE_POINT not in block]

"""Screening: what is asked and answered, by the policy of the moment. A job may have been submitted under another one."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from quarry.errors import ContentForbidden
from quarry.guard.narrowing import narrowing
from quarry.guard.patterns import Finding, Side, findings
from quarry.guard.texts import Steps, texts_in
from quarry.invocation import Completion, Invocation
from quarry.tenants.guard import Guard

#: Instructions of RE2's at worst, which other jobs wait for: a tenth of a second. More is done in a thread. Our own choice.
_SEARCH_MAX: Final = 20_000_000


async def asked(invocation: Invocation, guard: Guard) -> None:
    """See whether it may be asked.

    Raises:
        ContentForbidden: it may not; the patterns are named, and nothing of the text.
    """
    if guard.guardrails and (steps := narrowing(invocation)):
        raise ContentForbidden(f"{steps[0]}: narrows what the tenant's guardrail looks at")
    content = (invocation.messages, invocation.system, invocation.stop_sequences, invocation.converse, invocation.native)
    refused = [each for each in await _found(content, "input", guard) if each.forbidden.action == "refuse"]
    if refused:
        raise ContentForbidden(f"what is asked holds what is forbidden: {', '.join(_names(refused))}")


async def answered(completion: Completion, guard: Guard) -> Completion:
    """An answer as it may be shown: with the names of the patterns in it, and without content where one of them forbids that.

    It was paid for, and would be again: so it is an outcome, and no failure.
    """
    # The text too, as callers get it: of its blocks, however they are wrapped.
    found = await _found((completion.content, completion.text), "output", guard)
    if not found:
        return completion
    flagged = replace(completion, flags=_names(found))
    if all(each.forbidden.action == "flag" for each in found):
        return flagged
    return replace(flagged, content=(), stop_reason="content_filtered", filtered=True)


async def _found(content: Any, side: Side, guard: Guard) -> list[Finding]:
    if not any(side in each.sides for each in guard.forbidden):
        return []
    texts = list(texts_in(content))
    search = partial(findings, guard.forbidden, side, texts)
    return await asyncio.to_thread(lambda: list(search())) if _size(texts) * guard.weight > _SEARCH_MAX else list(search())


def _size(texts: Iterable[tuple[Steps, str]]) -> int:
    return sum(len(text) for _, text in texts)


def _names(found: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.forbidden.name for each in found))

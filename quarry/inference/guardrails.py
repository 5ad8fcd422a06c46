"""Bedrock's guardrails for targets that have none: what is asked, and what is answered, is shown to ApplyGuardrail.

Whatever keeps a guardrail from judging counts against the text: nothing is sent to a model, and nothing of an answer is shown, that
it has not passed. Source of the operation: botocore 1.43.117, `bedrock-runtime/2023-09-30/service-2.json` (November 2026).
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Literal

from aiohttp import ClientError as AioHttpError
from botocore.exceptions import BotoCoreError, ClientError

from quarry.clock import Clock
from quarry.errors import AnswerUnchecked, GuardrailUnavailable, GuardrailUnusable, InvocationRejected
from quarry.guard.texts import texts_in
from quarry.inference.providers.base import Heard, Provider
from quarry.inference.providers.bedrock import UNREADABLE, translated
from quarry.invocation import Completion, Guardrail, Invocation, Json, Target, Usage

#: Our own choices: a guardrail answers within a second or so; and an answer that is paid is worth some tries.
_TIMEOUT_SECONDS: Final = 20.0
_TRIES: Final = 3
_PAUSE_SECONDS: Final = 1.0
#: Names of members that are Converse's, and so no caller's words: they are not sent. Source: `Message` and `ContentBlock` of
#: Bedrock Runtime's service model in botocore 1.43.117 (November 2026), as far as they hold text.
_SHAPE: Final = frozenset(
    {
        "role", "content", "text", "toolUse", "toolUseId", "name", "input", "toolResult", "json", "status", "type", "cachePoint",
        "guardContent", "citationsContent", "citations", "reasoningContent", "reasoningText", "signature",
        "image", "document", "video", "audio", "format", "source", "bytes",
    }
)  # fmt: skip


class GuardedProvider:
    """A provider whose calls pass a guardrail, where one is asked for. Its text is then heard by nobody before it has passed."""

    #: The engine asks no other one for what has a guardrail.
    guards: Final = True

    def __init__(self, provider: Provider, clients: Mapping[str, Any], clock: Clock) -> None:
        """`clients` are Bedrock Runtime's, by region."""
        self.provider = provider
        self._clients = clients
        self._clock = clock

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        guardrail = invocation.guardrail
        if guardrail is None:
            return await self.provider.invoke(target, invocation, timeout=timeout, labels=labels, heard=heard)
        asked = (invocation.system, invocation.messages, invocation.stop_sequences, invocation.converse, invocation.native)
        if (blocked := await self._ruled(guardrail, "INPUT", _said(asked), target)) is not None:
            return Completion(blocked, "guardrail_intervened", filtered=True, usage=Usage(), served_by=target)
        answer = await self.provider.invoke(target, replace(invocation, guardrail=None), timeout=timeout, labels=labels)
        try:
            changed = await self._checked(guardrail, answer, target)
        except (GuardrailUnavailable, GuardrailUnusable) as error:
            raise AnswerUnchecked(str(error), target=str(target), usage=answer.usage) from error
        if changed is None:
            return answer
        return replace(answer, content=changed, stop_reason="guardrail_intervened", filtered=True)

    async def _checked(self, guardrail: Guardrail, answer: Completion, target: Target) -> tuple[Json, ...] | None:
        for _ in range(_TRIES - 1):
            try:
                return await self._ruled(guardrail, "OUTPUT", _answered(answer), target)
            except GuardrailUnavailable:
                await self._clock.sleep(_PAUSE_SECONDS)
        return await self._ruled(guardrail, "OUTPUT", _answered(answer), target)

    async def _ruled(
        self, guardrail: Guardrail, source: Literal["INPUT", "OUTPUT"], texts: Iterable[str], target: Target
    ) -> tuple[Json, ...] | None:
        """What is to be said in place of texts; None where they may stay.

        Raises:
            GuardrailUnavailable: it did not judge, and time helps.
            GuardrailUnusable: it cannot be asked as it is declared.
        """
        text = "\n".join(texts)
        if not text.strip():
            return None
        client = self._clients.get(guardrail.region)
        if client is None:
            raise GuardrailUnusable(f"no client for the guardrail's region {guardrail.region!r}", target=str(target))
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await client.apply_guardrail(
                    guardrailIdentifier=guardrail.id,
                    guardrailVersion=guardrail.version,
                    source=source,
                    content=[{"text": {"text": text}}],
                )
            return _ruling(answer)
        except (ClientError, BotoCoreError, AioHttpError, TimeoutError, *UNREADABLE) as error:
            told = translated(error, str(target))
            # In our own words: nobody knows what AWS's may quote.
            kind = GuardrailUnusable if told.blames == "us" or isinstance(told, InvocationRejected) else GuardrailUnavailable
            raise kind(
                f"the guardrail in {guardrail.region} could not be asked: {told.code}",
                target=str(target),
                provider_request_id=told.provider_request_id,
                retry_after_seconds=told.retry_after_seconds,
            ) from error


def _ruling(answer: Mapping[str, Any]) -> tuple[Json, ...] | None:
    """What an answer of ApplyGuardrail says; an action that is none of those known is no permission."""
    if answer["action"] == "NONE":
        return None
    return tuple({"text": each["text"]} for each in answer["outputs"])


def _said(content: Any) -> Iterator[str]:
    """Each text by itself and blocks of text as one: a model may read them either way. With numbers, and names not Converse's."""
    return (text for steps, text in texts_in(content) if text not in _SHAPE or steps[-1:] != (text,))


def _answered(answer: Completion) -> Iterator[str]:
    """The text as callers get it, and once, for it may come back masked; then all else."""
    if not any("native" in block for block in answer.content):  # whose text is in its body
        yield answer.text
    for block in answer.content:
        yield from _said({name: each for name, each in block.items() if not (name == "text" and isinstance(each, str))})

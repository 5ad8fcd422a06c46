"""Guardrails at the simulator: word filters, for Converse, InvokeModel and ApplyGuardrail.

    {"id": "gr1", "version": "1", "region": "us-east-1", "words": ["basilisk"], "input_message": "No.", "output_message": "None."}

What is looked at follows the page "Include a guardrail with the Converse API" of the Amazon Bedrock User Guide (November 2026):
texts of messages, and of these only `guardContent` where there is any; no results of tools. Words are found whatever their case.
Until one is set, a call's guardrail is taken as it comes, and finds nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from quarry.simulator.parts import Part, parsed
from quarry.simulator.validation import check_members
from quarry.simulator.wire import GUARDRAIL, Call, Generation, Refusal, read_object, region_of, request_headers, text_of

#: Required members of `GuardrailUsage`. Source: the Bedrock Runtime service model in botocore 1.43.117 (November 2026).
_UNITS: Final = (
    "topicPolicyUnits", "contentPolicyUnits", "wordPolicyUnits", "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits", "contextualGroundingPolicyUnits",
)  # fmt: skip
_CHARACTERS_PER_UNIT: Final = 1000


class WordFilter(Part):
    """A guardrail of one region that blocks words."""

    id: str = Field(pattern=r"^[a-z0-9]+$")
    version: str = Field("1", pattern=r"^([1-9][0-9]{0,7}|DRAFT)$")
    region: str = "us-east-1"
    words: list[str] = Field(min_length=1)
    input_message: str = "Sorry, the model cannot answer this question."
    output_message: str = "Sorry, the model cannot answer this question."

    def found(self, text: str) -> list[str]:
        """Those of its words that are in a text."""
        return [word for word in self.words if word.lower() in text.lower()]

    def assessment(self, found: Sequence[str]) -> dict[str, Any]:
        """`GuardrailAssessment`."""
        words = [{"match": word, "action": "BLOCKED", "detected": True} for word in found]
        return {"wordPolicy": {"customWords": words, "managedWordLists": []}} if words else {}


class Guardrails:
    """Those that there are."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str, str], WordFilter] = {}

    def add(self, value: Any) -> str:
        """Take one, in the place of one with the same region, id and version.

        Raises:
            ValueError: one sentence that names the places at fault.
        """
        guardrail = parsed(WordFilter, value, "the guardrail")
        self._all[guardrail.region, guardrail.id, guardrail.version] = guardrail
        return guardrail.id

    def clear(self) -> None:
        """Have none."""
        self._all = {}

    def of(self, call: Call) -> WordFilter | None:
        """The guardrail that a call names; None where it names none, or there are none at all.

        Raises:
            Refusal: there is no such one in the region of the call.
        """
        config = call.body.get("guardrailConfig", {})
        name = config.get("guardrailIdentifier") or call.headers.get(GUARDRAIL)
        if not name or not self._all:
            return None
        version = config.get("guardrailVersion") or call.headers.get("X-Amzn-Bedrock-GuardrailVersion", "")
        return self._named(call.region, name, version, "ValidationException")

    async def applied(self, request: web.Request) -> tuple[Call, dict[str, Any]]:
        """ApplyGuardrail: the call as rules see it, its model being `guardrail/ID`; and the answer's body.

        Raises:
            Refusal: there is no such one, or the body is not the operation's.
        """
        region, body = region_of(request.headers.get("Authorization", "")), await read_object(request)
        return self.apply(region, request.match_info["id"], request.match_info["version"], body)

    def apply(self, region: str, name: str, version: str, body: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
        """The same, of a request that was read."""
        check_members(body, "ApplyGuardrailRequest")
        if not {"source", "content"} <= body.keys():
            raise Refusal("ValidationException", "A guardrail is applied to a source and a content.")
        guardrail = self._named(region, name, version, "ResourceNotFoundException")
        texts = [each["text"]["text"] for each in body["content"] if "text" in each]
        found = guardrail.found("\n".join(texts))
        message = guardrail.input_message if body["source"] == "INPUT" else guardrail.output_message
        units = -(-sum(map(len, texts)) // _CHARACTERS_PER_UNIT)
        content = [{"text": text} for text in texts] or [{"text": ""}]
        return Call(f"guardrail/{name}", region, {"messages": [{"role": "user", "content": content}]}), {
            "usage": dict.fromkeys(_UNITS, 0) | {"wordPolicyUnits": units},
            "action": "GUARDRAIL_INTERVENED" if found else "NONE",
            "outputs": [{"text": message}] if found else [],
            "assessments": [guardrail.assessment(found)] if found else [{}],
        }

    def _named(self, region: str, name: str, version: str, code: str) -> WordFilter:
        guardrail = self._all.get((region, name.rpartition("/")[2], version))
        if guardrail is None:
            raise Refusal(code, "The guardrail identifier or version provided in the request does not exist.")
        return guardrail


def blocked(guardrail: WordFilter, call: Call) -> Generation | None:
    """What is answered in place of asking a model, where the request has a word."""
    found = guardrail.found("\n".join(_looked_at(call.body)))
    if not found:
        return None
    trace = _trace(call, {"inputAssessment": {guardrail.id: guardrail.assessment(found)}})
    return Generation([{"text": guardrail.input_message}], "guardrail_intervened", 0, 0, trace)


def passed(guardrail: WordFilter, call: Call, generation: Generation) -> Generation:
    """An answer, or what is said in its place where it has a word."""
    found = guardrail.found(text_of(generation.content))
    if not found:
        return generation
    trace = _trace(call, {"outputAssessments": {guardrail.id: [guardrail.assessment(found)]}})
    content: list[Any] = [{"text": guardrail.output_message}]
    return replace(generation, content=content, stop_reason="guardrail_intervened", echoed={**generation.echoed, **trace})


def answered(body: dict[str, Any]) -> web.Response:
    """ApplyGuardrail's answer."""
    return web.json_response(body, headers=request_headers())


def _looked_at(body: Mapping[str, Any]) -> Iterator[str]:
    blocks = [*body.get("system", []), *(block for message in body.get("messages", []) for block in message["content"])]
    guarded = [block["guardContent"]["text"]["text"] for block in blocks if "text" in block.get("guardContent", {})]
    yield from guarded or (block["text"] for block in blocks if isinstance(block.get("text"), str))


def _trace(call: Call, told: dict[str, Any]) -> dict[str, Any]:
    asked = call.body.get("guardrailConfig", {}).get("trace", "disabled") != "disabled"
    return {"trace": {"guardrail": told}} if asked else {}

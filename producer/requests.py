"""The wire contract, inwards: what callers send. Unknown fields are refused, and types are not bent to fit."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SkipValidation, StringConstraints, WithJsonSchema

from producer import idempotency
from quarry.job import JobStatus

BULK_MAX_JOBS: Final = 500
LOOKUP_MAX_IDS: Final = 100
LIST_MAX_JOBS: Final = 100
WAIT_MAX_SECONDS: Final = 30

#: What a native body says itself, in its own words.
CONVERSE_FIELDS: Final = ("system", "max_tokens", "temperature", "top_p", "stop_sequences", "converse")

#: What is sent to a model, or tells how it is to answer. All else stays here.
SENT: Final = ("prompt", "messages", "native", "system", "stop_sequences", "converse")

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_BLOCKS: Final = {"type": "array", "items": {"type": "object"}}
_TEXT_OR_BLOCKS: Final = {"anyOf": [{"type": "string", "minLength": 1}, _BLOCKS]}
_MESSAGES: Final = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {"role": {"enum": ["user", "assistant", "system"]}, "content": _TEXT_OR_BLOCKS},
        "required": ["role", "content"],
        "additionalProperties": False,
    },
}

Bounded = Annotated[str, StringConstraints(min_length=1, max_length=256)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]


def _nullable(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [schema, {"type": "null"}]})


def _only(name: str, kind: str, *excluded: str, requires: tuple[str, ...] = ()) -> dict[str, Any]:
    """A submission by that field, in JSON Schema."""
    given = {name: {"type": kind}} | {each: {"type": "string"} for each in requires}
    return {"required": [name, *requires], "properties": given | {each: {"type": "null"} for each in excluded}}


class Strict(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Submission(Strict):
    """One job: exactly one of `prompt`, `messages` and `native`. A field that is null counts as left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _only("prompt", "string", "messages", "native"),
                _only("messages", "array", "prompt", "native"),
                _only("native", "object", "prompt", "messages", *CONVERSE_FIELDS, requires=("model",)),
            ],
            "examples": [
                {"prompt": "Name three rivers in Europe.", "custom_id": "rivers-1"},
                {
                    "model": "default",
                    "system": "Answer in one sentence.",
                    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
                    "max_tokens": 200,
                    "metadata": {"team": "search"},
                },
            ],
        }
    )

    prompt: str | None = Field(None, min_length=1, description="What to ask, as one user message.")
    messages: Annotated[Any, _nullable(_MESSAGES)] = Field(
        None, description="A conversation in Bedrock's Converse shape; `content` may be a plain string, binary is base64 text."
    )
    native: Annotated[Any, _nullable({"type": "object"})] = Field(
        None,
        description="InvokeModel's body, in the model's own format; sent as it is. `model` is required with it, and what the body "
        "says itself is refused: `system`, `max_tokens`, `temperature`, `top_p`, `stop_sequences`, `converse`.",
    )
    model: str | None = Field(
        None, min_length=1, max_length=2048, description="A route's name (default: `default`), or a model id that a target serves."
    )
    system: Annotated[Any, _nullable(_TEXT_OR_BLOCKS)] = Field(
        None, description="A system prompt: a string, or Converse's system blocks."
    )
    max_tokens: int | None = Field(
        None, ge=1, description="Output bound (default 500). Ask for what you need: Bedrock reserves quota by it."
    )
    temperature: float | None = Field(None, ge=0, le=1, allow_inf_nan=False, description="As in Converse.")
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False, description="As in Converse.")
    # 2,500 is Converse's own bound. Source: botocore 1.43.117, service model bedrock-runtime (November 2026).
    stop_sequences: list[Bounded] | None = Field(None, max_length=2500, description="As in Converse.")
    converse: Annotated[Any, _nullable({"type": "object"})] = Field(
        None, description="Other fields of Converse by their AWS names, such as `toolConfig` or `guardrailConfig`; passed through."
    )
    store_content: bool | None = Field(
        None,
        description="`false`: prompt and answer lie in the encrypted bucket alone, until minutes after the answer was read.",
    )
    stream: bool | None = Field(
        None, description="Let the answer's text be followed as it comes (default false): `GET /v1/jobs/{request_id}/events`."
    )
    allowed_regions: list[Bounded] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="AWS regions: the prompt is processed nowhere else, by no fallback either. A route may narrow it further.",
    )
    priority: Literal["high", "normal", "low"] | None = Field(
        None, description="How urgent it is (default `normal`): which lane it waits in. `high` does not wait behind the others."
    )
    deadline_seconds: int | None = Field(
        None, ge=1, le=1_036_800, description="Until when a call may start, from now (default 86,400)."
    )
    max_attempts: int | None = Field(
        None, ge=1, le=10, description="Attempt budget (default 3). What waits for capacity spends none."
    )
    webhook_url: str | None = Field(
        None,
        min_length=1,
        max_length=2048,
        description="Called by POST once the job has ended: an https URL of the public internet. Signed, repeated until it answers "
        "with 2xx, and perhaps more than once.",
    )
    metadata: dict[MetadataKey, MetadataValue] | None = Field(None, max_length=16, description="Yours; shown, never sent on.")
    custom_id: Bounded | None = Field(None, description="Your own name for the job; need not be unique.")
    idempotency_key: str | None = Field(
        None,
        pattern=idempotency.PATTERN,
        description="As the header `Idempotency-Key`, for bulk submissions. Same key and body: the same job, for 24 h.",
    )


class Bulk(Strict):
    """Many submissions. Each is judged by itself."""

    jobs: list[SkipValidation[Submission]] = Field(min_length=1, max_length=BULK_MAX_JOBS)


class LookupIds(Strict):
    """Which jobs to look up."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request_ids": ["019aa5b1c0de7abc8def0123456789ab"]}]})

    request_ids: list[str] = Field(max_length=LOOKUP_MAX_IDS)


def _rfc3339(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 instant with an offset, such as 2026-11-21T06:15:50Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


class GetQuery(BaseModel):
    """How to get a job."""

    model_config = ConfigDict(extra="forbid")

    wait_seconds: float = Field(
        0, ge=0, le=WAIT_MAX_SECONDS, description="Answer when the job is terminal, or when this time (fractions allowed) is up."
    )


class ListQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: JobStatus | None = Field(None, description="Only jobs that stand so.")
    created_after: Annotated[
        datetime | None, BeforeValidator(_rfc3339), WithJsonSchema({"type": "string", "format": "date-time"})
    ] = Field(None, description="Only jobs made later; RFC 3339 with an offset.")
    limit: int = Field(50, ge=1, le=LIST_MAX_JOBS, description="Page size. A page may be shorter and yet not the last.")
    cursor: str | None = Field(None, min_length=1, max_length=64, description="`next_cursor` of the page before.")


class NoQuery(BaseModel):
    """For calls that take no query parameters."""

    model_config = ConfigDict(extra="forbid")

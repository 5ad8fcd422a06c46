"""What spans are called and what they say: OpenTelemetry's semantic conventions, and ours where there are none. Pure.

Sources, read in November 2026: for model calls the GenAI conventions (github.com/open-telemetry/semantic-conventions-genai at
002c8a6, status Development; they refer to version 1.41.1 of the general ones), for the rest the general ones (messaging, AWS SQS
and AWS SDK: status Development; HTTP: stable). What begins with `quarry.` is ours.

No prompt, no answer, no stop sequence (which the caller writes), and no metadata is in any of it.
"""

from collections.abc import Mapping
from typing import Final

from quarry.errors import InvocationError
from quarry.invocation import Completion, Invocation, Target
from quarry.job import Job

#: How the conventions call our providers; one that they do not know keeps our name.
_PROVIDERS: Final = {"bedrock": "aws.bedrock", "sagemaker": "aws.sagemaker"}
_SQS: Final = "aws_sqs"

Attributes = dict[str, str | bool | int | float | list[str] | None]

#: Whose request or job it is.
TENANT: Final = "quarry.tenant"


def of_request(method: str) -> Attributes:
    """A request to the API, as it begins. Of its path nothing is told yet: strangers write what they like there."""
    return {"http.request.method": method, "url.scheme": "http"}


def of_answer(route: str, path: str | None, tenant: str | None, status: int) -> Attributes:
    """Its end. `route` is the template of its path; `path` is None where it holds more than the ids of jobs, `tenant` where nobody
    found out who called.
    """
    return {"http.route": route, "url.path": path, TENANT: tenant, "http.response.status_code": status}


def of_message(operation: str, queue: str) -> Attributes:
    """What is done with a message: `create`, `send` or `process`."""
    return {
        "messaging.system": _SQS,
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": queue,
    }


def of_delivery(message_id: str, receive_count: int) -> Attributes:
    """What was received."""
    return {"messaging.message.id": message_id, "quarry.delivery.receive_count": receive_count}


def of_job(job: Job) -> Attributes:
    """Which job."""
    return {
        "quarry.request_id": job.request_id,
        TENANT: job.tenant,
        "quarry.model": job.model,
        "quarry.priority": job.priority.value,
    }


def of_attempt(job: Job, outcome: str) -> Attributes:
    """How an attempt ended: `job` is what was recorded, `outcome` what was decided."""
    return {
        "quarry.attempt": job.attempts,
        "quarry.outcome": outcome,
        "quarry.status": job.status.value,
        "quarry.status_reason": job.status_reason.value if job.status_reason else None,
    }


def of_call(target: Target, invocation: Invocation, *, streamed: bool) -> Attributes:
    """A model call, as it begins. What a native body asks for is the caller's: it counts as a chat, as nearly all are."""
    native = invocation.native is not None
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS.get(target.provider, target.provider),
        "gen_ai.request.model": target.model,
        "gen_ai.request.max_tokens": None if native else invocation.max_tokens,
        "gen_ai.request.temperature": invocation.temperature,
        "gen_ai.request.top_p": invocation.top_p,
        "gen_ai.request.stream": streamed or None,
        "cloud.region": target.region or None,
        "quarry.target": str(target),
    }


def of_first_text(seconds: float) -> Attributes:
    """When the first text of a streamed answer came, since the call began."""
    return {"gen_ai.response.time_to_first_chunk": round(seconds, 6)}


def of_completion(completion: Completion, stop_reason: str) -> Attributes:
    """What a model answered, without what it said; `stop_reason` is no word of its own either. Input tokens include those of the
    prompt cache, as the conventions ask.
    """
    usage = completion.usage
    cached = usage.cache_read_input_tokens + usage.cache_write_input_tokens
    return {
        "gen_ai.response.finish_reasons": [stop_reason],
        "gen_ai.usage.input_tokens": usage.input_tokens + cached,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_input_tokens or None,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_input_tokens or None,
        "aws.request_id": completion.provider_request_id,
        "quarry.filtered": completion.filtered or None,
    }


def of_refusal(error: InvocationError) -> Attributes:
    """Why a call gave no answer, beside its code."""
    return {"aws.request_id": error.provider_request_id, "quarry.may_be_billed": error.may_be_billed}


def of_fallback(target: Target, error: InvocationError) -> Mapping[str, str]:
    """A target that did not serve, so that the next one is asked."""
    return {"quarry.target": str(target), "error.type": error.code}

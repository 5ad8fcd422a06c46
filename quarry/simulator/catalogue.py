"""What is known of models by their ids: which ids there can be, and what the service refuses for them.

It is no list of models, which changes every week: an id passes when its provider is one of Bedrock's. What the service was seen to
refuse is taken from the reports that are named (all read in November 2026); nothing here was compared with the service itself.
"""

import re
from collections.abc import Mapping
from typing import Final

from quarry.simulator.wire import Refusal

#: The first part of a foundation model's id. Our knowledge (November 2026); a provider that comes later is a word more.
_PROVIDERS: Final = (
    "ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral", "moonshot", "moonshotai",
    "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "zai",
)  # fmt: skip
#: A model, or an inference profile of one, which has its area in front: `us.`, `apac.`, `us-gov.`, `global.`
_ID: Final = re.compile(rf"(?:[a-z]{{2}}(?:-[a-z]+)?\.|apac\.|global\.)?((?:{'|'.join(_PROVIDERS)})\.[a-zA-Z0-9:.-]+)")
_ARN: Final = re.compile(r"arn:aws[a-z-]*:(?:bedrock|sagemaker):[a-z0-9-]+:\d*:([a-z-]+)/(.+)")
#: The ARNs that name a model; of the others (provisioned, custom, an application's profile, a prompt) only their owner knows it.
_NAMING: Final = frozenset({"foundation-model", "inference-profile"})

#: What answers in truth, by names that the service has not: a stack that is open about it calls its model so. They may do anything.
_OURS: Final = frozenset({"echo", "smollm2-135m-instruct"})

#: Models that are served through an inference profile only, and the report that shows the service's words.
_BY_PROFILE: Final[Mapping[str, str]] = {
    "anthropic.claude-3-7-sonnet-20250219-v1:0": "github.com/FlowiseAI/Flowise/issues/4253",
    "anthropic.claude-sonnet-4-20250514-v1:0": "github.com/Laisky/one-api/issues/77",
    "anthropic.claude-sonnet-4-5-20250929-v1:0": "github.com/gepa-ai/gepa/issues/153",
    "meta.llama3-2-3b-instruct-v1:0": "github.com/langchain-ai/langchain-aws/issues/256",
}
#: Beginning of a model's id → the most tokens that may be asked of it. Titan's: "Amazon Titan Text models" in the Bedrock User
#: Guide, which calls them strictly enforced; Llama's: github.com/aws-samples/bedrock-access-gateway/issues/41.
_TOKENS_MAX: Final[Mapping[str, int]] = {
    "amazon.titan-text-lite": 4096,
    "amazon.titan-text-express": 8192,
    "amazon.titan-text-premier": 3072,
    "meta.llama3-1-70b-instruct": 2048,
}
#: What CountTokens serves: Claude from 3.5 on, by the bare id. Source: "Monitor your token usage by counting tokens" in the Bedrock
#: User Guide; that profiles are refused: github.com/Boise-State-Development/agentcore-public-stack/pull/430.
_COUNTED: Final = re.compile(r"anthropic\.claude-(?!v2|instant|3-(?:haiku|sonnet|opus)-)")


def foundation_of(model: str) -> str:
    """The id of the foundation model that an id or an ARN stands for; empty where it does not say, or is one of ours.

    Raises:
        Refusal: it is no identifier of a model.
    """
    arn = _ARN.fullmatch(model)
    if model in _OURS or (arn is not None and arn[1] not in _NAMING):
        return ""
    found = _ID.fullmatch(arn[2] if arn else model)
    if found is None:
        # The words: github.com/aws-samples/amazon-bedrock-workshop/issues/315.
        raise Refusal("ValidationException", "The provided model identifier is invalid.")
    return found[1]


def check_served(model: str) -> None:
    """Refuse an id that is not a model's, or that needs an inference profile.

    Raises:
        Refusal: a ValidationException.
    """
    base = foundation_of(model)
    if base in _BY_PROFILE and (model == base or model.endswith(f":foundation-model/{base}")):
        raise Refusal(
            "ValidationException",
            f"Invocation of model ID {model} with on-demand throughput isn’t supported. "  # noqa: RUF001 - as the service has it
            "Retry your request with the ID or ARN of an inference profile that contains this model.",
        )


def check_counted(model: str) -> None:
    """Refuse a model that CountTokens does not serve.

    Raises:
        Refusal: a ValidationException.
    """
    foundation_of(model)
    if not _COUNTED.match(model) and model not in _OURS:
        # The words: github.com/maximhq/bifrost/pull/2169.
        raise Refusal("ValidationException", "The provided model doesn't support counting tokens.")


def tokens_max(model: str) -> int | None:
    """The most tokens that may be asked of a model, where that is known."""
    base = foundation_of(model)
    return next((limit for start, limit in _TOKENS_MAX.items() if base.startswith(start)), None)

"""What AWS has published of models, as far as a request must be changed or a target skipped for it. Pure.

It is no list of models: what has no row is taken to be able, and the provider refuses what it is not. Where two pages of AWS say
different things of a model (guardrails with Claude 4, images with Pixtral), there is no row.

Sources, read in November 2026 as stored copies of the Amazon Bedrock User Guide:

1. "Supported models and model features" of the Converse API, of the end of 2025: system prompts, document chat, vision, tool use.
2. Model cards of Claude Sonnet 4.5, Haiku 4.5, Sonnet 4.6, Opus 4.6, Opus 4.7 and Opus 5.5, of 2026: input modalities, most output
   tokens, service tiers, structured outputs. That of Opus 4.7 says that sampling parameters are no longer supported "starting with"
   it; that is taken to hold for the Opus models after it.
3. "Request and Response" of Anthropic's Messages: Claude Sonnet 4.5 and Haiku 4.5 take `temperature` or `top_p`, not both.
4. "Amazon Titan Text models": the most output tokens, strictly enforced.
5. Llama 3.1 70B's: github.com/aws-samples/bedrock-access-gateway/issues/41.
6. "How tokens are counted in Amazon Bedrock", as public files of September 2026 and later quote it: burn-down rates. A blog post of
   AWS, older, has 1 for Claude Haiku 4.5; the page is followed. They hold for `bedrock-runtime`, not for `bedrock-mantle`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from quarry.inference.model_ids import Kind, known_model_id


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one model."""

    #: Capabilities that it has not.
    lacks: frozenset[str] = frozenset()
    #: No more tokens than these can be asked of it; None: not known.
    max_tokens: int | None = None


#: Neither heard nor seen. A tier is lacking where `priority` and `flex` both are; `reserved` is not asked for by request.
_CLAUDE: Final = "video audio service_tier"
#: Beginning of a foundation model's id, as a pattern → capabilities that it lacks. All that match count.
LACKS: Final[Mapping[str, str]] = {
    r"ai21\.j2-": "system documents images tools",
    r"ai21\.jamba-instruct": "documents images tools",
    r"ai21\.jamba-1-5": "images",
    r"amazon\.nova-micro": "documents images",
    r"amazon\.titan-text-": "system images tools",
    r"amazon\.titan-text-premier": "documents",
    r"anthropic\.claude-(?:v2|instant)": "images tools",
    r"anthropic\.claude-3-5-haiku": "images",
    r"anthropic\.claude-(?:sonnet|haiku)-4-5": f"{_CLAUDE} temperature_with_top_p",
    r"anthropic\.claude-(?:sonnet|opus)-4-6": _CLAUDE,
    r"anthropic\.claude-opus-(?:4-7|5-5)": f"{_CLAUDE} structured_output",
    r"anthropic\.claude-opus-(?:4-[78]|5)": "temperature top_p",
    r"cohere\.command-(?:text|light)": "system images tools",
    r"cohere\.command-light": "documents",
    r"cohere\.command-r": "images",
    r"deepseek\.r1": "images tools",
    r"meta\.llama(?:2|3-8b|3-70b)": "images tools",
    r"meta\.llama3-1": "images",
    r"meta\.llama3-2-[13]b": "images tools",
    r"mistral\.(?:mistral-7b|mixtral-8x7b)-instruct": "system images tools",
    r"mistral\.mistral-large-240[27]": "images",
    r"mistral\.mistral-small-2402": "documents images",
    r"writer\.palmyra-x[45]": "images",
}
#: Beginning of a foundation model's id, as a pattern → the most output tokens. AWS writes "64K": here that is the smaller reading.
MAX_TOKENS: Final[Mapping[str, int]] = {
    r"amazon\.titan-text-lite": 4_096,
    r"amazon\.titan-text-express": 8_192,
    r"amazon\.titan-text-premier": 3_072,
    r"anthropic\.claude-(?:sonnet|haiku)-4-5": 64_000,
    r"anthropic\.claude-sonnet-4-6": 64_000,
    r"anthropic\.claude-opus-(?:4-[67]|5-5)": 128_000,
    r"meta\.llama3-1-70b-instruct": 2_048,
}
#: Beginning of a foundation model's id, as a pattern → how many tokens of the quota one output token takes; the first that fits,
#: else 1. The page names Sonnet 5, Opus 5, Opus 5.5 and Fable 5.1: that others of that generation are like them is our assumption.
BURNDOWN: Final[Mapping[str, int]] = {
    r"anthropic\.claude-[a-z]+-4-8": 15,
    r"anthropic\.claude-[a-z]+-5": 10,
    r"openai\.gpt-5\.6-(?:sol|terra|luna)": 10,
    r"anthropic\.claude-": 5,
}
#: What a call is taken to ask for that names no bound, of a model whose bound is not in `MAX_TOKENS`. Our own choice.
_OUTPUT_UNKNOWN: Final = 4_096


#: A prompt of Prompt management says these itself. Source: Converse's service model in botocore 1.43.117 (November 2026).
_PROMPT: Final = frozenset({"system", "tools", "stop_sequences", "temperature", "top_p"})


@lru_cache(maxsize=1024)
def facts_of(model: str) -> Facts:
    """What is known of a Bedrock model id: of the model that it names or is a profile of."""
    found = known_model_id(model)
    if found and found.kind is Kind.PROMPT:
        return Facts(_PROMPT)
    foundation = (found and found.foundation_model) or ""
    lacks = [name for pattern, names in LACKS.items() if re.match(pattern, foundation) for name in names.split()]
    bounds = [bound for pattern, bound in MAX_TOKENS.items() if re.match(pattern, foundation)]
    return Facts(frozenset(lacks), min(bounds, default=None))


@lru_cache(maxsize=1024)
def burndown(model: str) -> int:
    """How many tokens of the quota per minute one output token of a Bedrock model id takes; also of a profile's."""
    found = known_model_id(model)
    foundation = (found and found.foundation_model) or ""
    return next((rate for pattern, rate in BURNDOWN.items() if re.match(pattern, foundation)), 1)


def output_bound(model: str, asked: int | None) -> int:
    """The output tokens that the quota holds back for a call: the bound it names, else the most that the model gives."""
    return asked if asked is not None else facts_of(model).max_tokens or _OUTPUT_UNKNOWN

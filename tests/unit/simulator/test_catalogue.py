"""What the simulator knows of models by their ids."""

import pytest

from quarry.local.stack import MODELS
from quarry.simulator.catalogue import check_counted, check_served, foundation_of, tokens_max
from quarry.simulator.dialects import dialect_of
from quarry.simulator.wire import Refusal

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012"


@pytest.mark.parametrize(
    ("model", "base"),
    [
        (NOVA, NOVA),
        (f"us.{NOVA}", NOVA),
        (f"apac.{NOVA}", NOVA),
        (f"us-gov.{NOVA}", NOVA),
        (f"global.{SONNET}", SONNET),
        ("anthropic.claude-opus-4-7", "anthropic.claude-opus-4-7"),
        ("openai.gpt-oss-120b-1:0", "openai.gpt-oss-120b-1:0"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}", NOVA),
        (f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{NOVA}", NOVA),
        (f"{ACCOUNT}:inference-profile/eu.{SONNET}", SONNET),
        (f"{ACCOUNT}:application-inference-profile/abc", ""),
        (f"{ACCOUNT}:provisioned-model/abcdefghijkl", ""),
        (f"{ACCOUNT}:prompt/ABCDEFGHIJ:1", ""),
        ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/e", ""),
    ],
)
def test_an_id_stands_for_a_model(model: str, base: str) -> None:
    """Behind profiles and ARNs, where they name it."""
    assert foundation_of(model) == base


@pytest.mark.parametrize("model", MODELS.values())
def test_what_answers_in_truth_may_be_named(model: str) -> None:
    """As the local stack does; it needs no profile, is counted, and native bodies are known by their members."""
    assert foundation_of(model) == ""
    check_served(model)
    check_counted(model)
    assert dialect_of(model, {"prompt": "Hi"}) is dialect_of("meta.llama3-8b-instruct-v1:0", {})


@pytest.mark.parametrize(
    "model",
    [
        "ai21.jamba-1-5-large-v1:0", "cohere.embed-english-v3", "deepseek.r1-v1:0", "google.gemma-3-27b-it", "luma.ray-v2:0",
        "minimax.minimax-m2", "mistral.mistral-7b-instruct-v0:2", "moonshot.kimi-k2-thinking", "moonshotai.kimi-k2.5",
        "nvidia.nemotron-nano-12b-v2", "qwen.qwen3-32b-v1:0", "stability.stable-image-ultra-v1:1", "twelvelabs.pegasus-1-2-v1:0",
        "writer.palmyra-x4-v1:0", "zai.glm-4.7",
    ],
)  # fmt: skip
def test_every_provider_s_models_are_known(model: str) -> None:
    """By themselves, and behind a profile."""
    assert foundation_of(model) == foundation_of(f"global.{model}") == model


@pytest.mark.parametrize(
    "model",
    [
        "m", "", "sonnet", "claude-3", "gpt-5", "anthropic.", "anthropicX.claude", "mars.amazon.nova-lite-v1:0", f"{NOVA} ",
        f"us.us.{NOVA}", "arn:aws:bedrock:us-east-1::foundation-model/sonnet", f"{ACCOUNT}:inference-profile/x", "arn:aws:s3:::b",
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused(model: str) -> None:
    """By every operation alike."""
    for refuse in (foundation_of, check_served, check_counted):
        with pytest.raises(Refusal) as caught:
            refuse(model)
        assert (caught.value.code, caught.value.message) == ("ValidationException", "The provided model identifier is invalid.")


@pytest.mark.parametrize(
    "model", [SONNET, f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}", "meta.llama3-2-3b-instruct-v1:0"]
)
def test_some_models_need_a_profile(model: str) -> None:
    """In the words by which a worker knows it."""
    with pytest.raises(Refusal, match="ValidationException") as caught:
        check_served(model)
    assert caught.value.message.startswith(f"Invocation of model ID {model} with on-demand throughput isn")


@pytest.mark.parametrize(
    "model", [f"us.{SONNET}", f"{ACCOUNT}:inference-profile/us.{SONNET}", NOVA, f"{ACCOUNT}:provisioned-model/abc"]
)
def test_with_it_they_are_served(model: str) -> None:
    """By its id or its ARN; others need none."""
    check_served(model)


@pytest.mark.parametrize(
    "model",
    ["anthropic.claude-3-5-sonnet-20240620-v1:0", "anthropic.claude-3-5-haiku-20241022-v1:0",
     "anthropic.claude-3-7-sonnet-20250219-v1:0", SONNET, "anthropic.claude-opus-4-20250514-v1:0"],
)  # fmt: skip
def test_claude_s_tokens_are_counted(model: str) -> None:
    """From 3.5 on, those included that are served by profile only."""
    check_counted(model)


@pytest.mark.parametrize(
    "model",
    [NOVA, f"us.{SONNET}", f"{ACCOUNT}:inference-profile/us.{SONNET}", "anthropic.claude-3-haiku-20240307-v1:0",
     "anthropic.claude-3-sonnet-20240229-v1:0", "anthropic.claude-3-opus-20240229-v1:0", "anthropic.claude-v2:1",
     "anthropic.claude-instant-v1", "meta.llama3-8b-instruct-v1:0"],
)  # fmt: skip
def test_others_are_not(model: str) -> None:
    """Nor is a profile."""
    with pytest.raises(Refusal) as caught:
        check_counted(model)
    said = (caught.value.code, caught.value.message)
    assert said == ("ValidationException", "The provided model doesn't support counting tokens.")


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("amazon.titan-text-lite-v1", 4096), ("amazon.titan-text-express-v1", 8192), ("amazon.titan-text-premier-v1:0", 3072),
        ("us.meta.llama3-1-70b-instruct-v1:0", 2048), (NOVA, None), (f"{ACCOUNT}:provisioned-model/abc", None),
    ],
)  # fmt: skip
def test_the_longest_answer_is_known_of_some(model: str, limit: int | None) -> None:
    """Of the others nothing is said."""
    assert tokens_max(model) == limit

"""What a token quota counts of a model: its burn-down rate, and what a call without a bound may say."""

import pytest

from quarry.inference.model_facts import burndown, output_bound


@pytest.mark.parametrize(
    ("model", "rate"),
    [
        ("anthropic.claude-opus-4-8", 15),
        ("us.anthropic.claude-sonnet-5", 10),
        ("global.anthropic.claude-opus-5-5", 10),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-fable-5-1", 10),
        ("us.openai.gpt-5.6-sol", 10),
        ("anthropic.claude-opus-4-7", 5),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", 5),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", 5),
        # A date is no version.
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", 5),
        ("openai.gpt-oss-120b-1:0", 1),
        ("amazon.nova-lite-v1:0", 1),
        ("no model's id", 1),
    ],
)
def test_an_output_token_takes_more_than_one_of_the_quota(model: str, rate: int) -> None:
    """By model, also where a profile or an ARN names it; what is in no row burns one for one."""
    assert burndown(model) == rate


@pytest.mark.parametrize(
    ("model", "asked", "bound"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 100, 100),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, 64_000),
        ("amazon.nova-lite-v1:0", None, 4_096),
    ],
)
def test_a_call_without_a_bound_may_say_all_that_the_model_can(model: str, asked: int | None, bound: int) -> None:
    """Its own bound, the model's, or a guess where that is not known."""
    assert output_bound(model, asked) == bound

"""Model ids: every kind that Bedrock takes is told from the id alone, and what is none is refused with a way on."""

import re

import pytest
from botocore.loaders import Loader

from quarry.inference.model_ids import IN_ITS_REGION, Kind, ModelId, misplaced, read_model_id
from quarry.inference.routes import BUILT_IN_MODEL

ACCOUNT = "123456789012"
OWN = "abcdef123456"
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def arn(rest: str, service: str = "bedrock", region: str = "us-east-1", account: str = ACCOUNT, partition: str = "aws") -> str:
    return f"arn:{partition}:{service}:{region}:{account}:{rest}"


#: Id → kind, geography, foundation model, region.
SAMPLES = {
    CLAUDE: (Kind.FOUNDATION_MODEL, None, CLAUDE, None),
    "amazon.nova-lite-v1:0:24k": (Kind.FOUNDATION_MODEL, None, "amazon.nova-lite-v1:0:24k", None),
    "deepseek.v3.2": (Kind.FOUNDATION_MODEL, None, "deepseek.v3.2", None),
    "newcomer.model-1.5": (Kind.FOUNDATION_MODEL, None, "newcomer.model-1.5", None),
    arn(f"foundation-model/{CLAUDE}", account=""): (Kind.FOUNDATION_MODEL, None, CLAUDE, "us-east-1"),
    f"us.{CLAUDE}": (Kind.GEOGRAPHIC_PROFILE, "us", CLAUDE, None),
    f"us-gov.{CLAUDE}": (Kind.GEOGRAPHIC_PROFILE, "us-gov", CLAUDE, None),
    "jp.newcomer.model-1": (Kind.GEOGRAPHIC_PROFILE, "jp", "newcomer.model-1", None),
    f"mx.{CLAUDE}": (Kind.GEOGRAPHIC_PROFILE, "mx", CLAUDE, None),
    "us.deepseek.v3.2": (Kind.GEOGRAPHIC_PROFILE, "us", "deepseek.v3.2", None),
    arn(f"inference-profile/eu.{CLAUDE}", region="eu-west-1"): (Kind.GEOGRAPHIC_PROFILE, "eu", CLAUDE, "eu-west-1"),
    arn(f"inference-profile/us-gov.{CLAUDE}", region="us-gov-west-1", partition="aws-us-gov"): (
        Kind.GEOGRAPHIC_PROFILE, "us-gov", CLAUDE, "us-gov-west-1",
    ),
    f"global.{CLAUDE}": (Kind.GLOBAL_PROFILE, "global", CLAUDE, None),
    arn(f"inference-profile/global.{CLAUDE}"): (Kind.GLOBAL_PROFILE, "global", CLAUDE, "us-east-1"),
    arn(f"application-inference-profile/{OWN}"): (Kind.APPLICATION_PROFILE, None, None, "us-east-1"),
    arn("prompt-router/abc123"): (Kind.PROMPT_ROUTER, None, None, "us-east-1"),
    arn("default-prompt-router/anthropic.claude:1"): (Kind.PROMPT_ROUTER, None, None, "us-east-1"),
    arn(f"provisioned-model/{OWN}"): (Kind.PROVISIONED, None, None, "us-east-1"),
    arn(f"custom-model/amazon.nova-lite-v1:0/{OWN}"): (Kind.CUSTOM_MODEL, None, "amazon.nova-lite-v1:0", "us-east-1"),
    arn(f"custom-model/imported/{OWN}"): (Kind.CUSTOM_MODEL, None, None, "us-east-1"),
    arn(f"custom-model-deployment/{OWN}"): (Kind.CUSTOM_DEPLOYMENT, None, None, "us-east-1"),
    arn(f"imported-model/{OWN}"): (Kind.IMPORTED_MODEL, None, None, "us-east-1"),
    arn("endpoint/my-Endpoint-1", service="sagemaker"): (Kind.MARKETPLACE, None, None, "us-east-1"),
    arn("prompt/PROMPT0001:3"): (Kind.PROMPT, None, None, "us-east-1"),
    "my_provisioned-name": (Kind.NAME, None, None, None),
}  # fmt: skip


@pytest.mark.parametrize("text", SAMPLES)
def test_a_model_id_says_what_it_names(text: str) -> None:
    """Kind, geography, foundation model and region, as far as the id has them."""
    found = read_model_id(text)
    assert (found.text, found.kind, found.geography, found.foundation_model, found.region) == (text, *SAMPLES[text])


def test_every_kind_has_a_sample() -> None:
    """No kind is without a test."""
    assert {kind for kind, *_ in SAMPLES.values()} == set(Kind)


def pattern(service: str, shape: str) -> re.Pattern[str]:
    text = Loader().load_service_model(service, "service-2")["shapes"][shape]["pattern"]
    return re.compile(re.sub(r"(?<!\[)\^", "", text))


@pytest.mark.parametrize("text", SAMPLES)
def test_the_installed_service_models_take_every_sample(text: str) -> None:
    """What passes here passes there: as `modelId` of Converse and InvokeModel, or, for a custom model, as its ARN."""
    patterns = [pattern("bedrock-runtime", "ConversationalModelId"), pattern("bedrock-runtime", "InvokeModelIdentifier")]
    if SAMPLES[text][0] is Kind.CUSTOM_MODEL:
        patterns = [pattern("bedrock", "CustomModelArn")]
    assert all(each.fullmatch(text) for each in patterns)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no model id"),
        ("claude sonnet", "no model id"),
        ("Anthropic.claude", "no model id"),
        ("anthropic/claude", "no model id"),
        ("anthropc.claude-sonnet-4-5-20250929-v1:0", "did you mean 'anthropic'"),
        ("us.anthropc.claude-sonnet-4-5-20250929-v1:0", "did you mean 'anthropic'"),
        ("arn:aws:bedrock:us-east-1", "no ARN of what can be asked"),
        (arn(f"guardrail/{OWN}"), "no ARN of what can be asked"),
        (arn(f"endpoint/{OWN}"), "no ARN of what can be asked"),
        (arn("provisioned-model/short"), "'short' is not how its id is written"),
        (arn(f"inference-profile/{CLAUDE}"), "names a foundation model"),
        (arn(f"foundation-model/us.{CLAUDE}", account=""), "names a geographic inference profile"),
    ],
)
def test_what_is_none_is_refused_with_a_reason(text: str, says: str) -> None:
    """The reason says what an id looks like, or which one was perhaps meant."""
    with pytest.raises(ValueError, match=re.escape(says)):
        read_model_id(text)


def test_a_new_vendor_that_is_nearly_an_old_one_passes() -> None:
    """`mistralai` beside `mistral` is a name, not a slip."""
    assert read_model_id("mistralai.large-5").vendor == "mistralai"


def test_an_arn_belongs_to_its_region() -> None:
    """Called elsewhere it does not exist; an id without a region can be called anywhere."""
    text = arn(f"provisioned-model/{OWN}", region="eu-west-1")
    assert misplaced(read_model_id(text), "eu-west-1") is None
    assert misplaced(read_model_id(BUILT_IN_MODEL), "eu-west-1") is None
    said = misplaced(read_model_id(text), "us-east-1")
    assert said is not None
    assert "eu-west-1" in said
    assert "us-east-1" in said


@pytest.mark.parametrize(
    ("foundation", "vendor", "family"),
    [
        (CLAUDE, "anthropic", "anthropic.claude"),
        ("meta.llama3-1-70b-instruct-v1:0", "meta", "meta.llama"),
        ("amazon.nova-lite-v1:0", "amazon", "amazon.nova"),
        ("deepseek.r1-v1:0", "deepseek", "deepseek"),
        (None, None, None),
    ],
)
def test_vendor_and_family_follow_from_the_foundation_model(foundation: str | None, vendor: str | None, family: str | None) -> None:
    """The family is the vendor and the first word of the model's name."""
    found = ModelId("any", Kind.FOUNDATION_MODEL, foundation_model=foundation)
    assert (found.vendor, found.family) == (vendor, family)


def test_profiles_routers_and_names_are_not_bound_to_a_region() -> None:
    """Of these, the id does not say where a prompt is processed: nothing may be promised from it."""
    assert set(Kind) - IN_ITS_REGION == {
        Kind.GEOGRAPHIC_PROFILE, Kind.GLOBAL_PROFILE, Kind.APPLICATION_PROFILE, Kind.PROMPT_ROUTER, Kind.PROMPT, Kind.NAME,
    }  # fmt: skip

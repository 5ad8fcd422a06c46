"""Where a target may process a prompt, and whether it may serve where prompts have to stay somewhere."""

import pytest

from quarry.aws import regions_of as known_regions
from quarry.inference import profiles
from quarry.inference.candidates import Request, candidates
from quarry.inference.residency import narrowed, objection, regions_of
from quarry.inference.routes import Route, RouteTarget
from quarry.invocation import Invocation, Target

US = frozenset({"us-east-1", "us-east-2", "us-west-2"})
ARN = "arn:aws:bedrock:eu-west-1:123456789012:"


def place(model: str, region: str = "us-east-1", provider: str = "bedrock", *declared: str) -> RouteTarget:
    return RouteTarget(Target(provider, region, model), regions=frozenset(declared))


def named(value: object) -> str | None:
    """A case is called by its target. Sets are printed in another order by each process."""
    return str(value.target) if isinstance(value, RouteTarget) else None


@pytest.mark.parametrize(
    ("target", "regions"),
    [
        (place("amazon.nova-lite-v1:0"), {"us-east-1"}),
        (place("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0", "eu-west-1"), {"eu-west-1"}),
        (place(f"{ARN}provisioned-model/abcdefghijkl", "eu-west-1"), {"eu-west-1"}),
        (place(f"{ARN}imported-model/abcdefghijkl", "eu-west-1"), {"eu-west-1"}),
        (place("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), US),
        (place("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-west-1"), US | {"us-west-1"}),
        (place("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "ca-central-1"), US | {"ca-central-1"}),
        (place("arn:aws:bedrock:us-east-2:123456789012:inference-profile/us.deepseek.r1-v1:0", "us-east-2"), US),
        (place("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu-west-1"), None),
        (place("us.anthropic.claude-of-next-year"), None),
        (place("global.anthropic.claude-sonnet-4-5-20250929-v1:0"), None),
        (place(f"{ARN}application-inference-profile/abcdefghijkl", "eu-west-1"), None),
        (place(f"{ARN}prompt-router/abcdefghijkl", "eu-west-1"), None),
        (place("abcdefghijkl"), None),
        (place("newcomer.model-1"), {"us-east-1"}),
        (place("sa.newcomer.model-1"), None),
        (place("arn:aws:bedrock:us-east-1::foundation-model/newcomer.model-1.5"), {"us-east-1"}),
        (place("deepseek.v3.2"), {"us-east-1"}),
        (place("no model id"), None),
        (place("echo", "", "echo"), set()),
        (place("llama", "", "vllm"), None),
        (place("llama", "eu-west-3", "vllm"), {"eu-west-3"}),
    ],
    ids=named,
)
def test_where_a_target_may_process_a_prompt(target: RouteTarget, regions: set[str] | None) -> None:
    """What stands in a region: there. A geographic profile: as published, by the region it is called from. Else nobody knows."""
    assert regions_of(target) == regions


@pytest.mark.parametrize(
    ("target", "regions"),
    [
        (place(f"{ARN}application-inference-profile/abcdefghijkl", "eu-west-1", "bedrock", "eu-west-1"), {"eu-west-1"}),
        (place("us.anthropic.claude-of-next-year", "us-east-1", "bedrock", "us-east-1"), {"us-east-1"}),
        (place("no model id", "us-east-1", "bedrock", "us-east-1"), {"us-east-1"}),
        (place("llama", "", "vllm", "eu-west-3"), {"eu-west-3"}),
        (place("llama", "us-east-1", "endpoints", "eu-west-3"), {"us-east-1", "eu-west-3"}),
        (place("us.deepseek.r1-v1:0", "us-east-1", "bedrock", "us-east-1"), US),
        (place("amazon.nova-lite-v1:0", "us-east-1", "bedrock", "eu-west-1"), {"us-east-1", "eu-west-1"}),
        (place("global.amazon.nova-2-lite-v1:0", "us-east-1", "bedrock", "us-east-1"), None),
    ],
    ids=named,
)
def test_what_an_operator_declares(target: RouteTarget, regions: set[str] | None) -> None:
    """It counts where nobody else knows; from what AWS has published it takes nothing away."""
    assert regions_of(target) == regions


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (place("us.anthropic.claude-3-haiku-20240307-v1:0"), None),
        (place("us.deepseek.r1-v1:0"), "it may process prompts in us-east-2, which is not allowed"),
        (place("us.deepseek.r1-v1:0", "us-west-2"), "it may process prompts in us-east-2, which is not allowed"),
        (place("eu.deepseek.r1-v1:0", "eu-west-1"), "nothing proves where it processes prompts"),
        (place("amazon.nova-lite-v1:0", "eu-west-1"), "it may process prompts in eu-west-1, which is not allowed"),
        (
            place("eu.anthropic.claude-3-haiku-20240307-v1:0", "eu-west-1"),
            "it may process prompts in eu-central-1, eu-west-1 and eu-west-3, which are not allowed",
        ),
        (place("global.amazon.nova-2-lite-v1:0"), "it may process prompts in any commercial region of AWS"),
        (place("llama", "", "vllm"), "nothing proves where it processes prompts"),
        (place("echo", "", "echo"), None),
    ],
    ids=str,
)
def test_every_region_has_to_be_allowed(target: RouteTarget, why: str | None) -> None:
    """One that is not, or one that nobody knows, bars the target, and the reason says which."""
    assert objection(target, frozenset({"us-east-1", "us-west-2"})) == why
    assert objection(target, None) is None


def test_bounds_narrow_each_other() -> None:
    """What the route allows and what the job allows: what both do. Without a bound there is none."""
    assert narrowed(None, ()) is None
    assert narrowed(None, ("us-east-1",)) == frozenset({"us-east-1"})
    assert narrowed({"us-east-1", "us-west-2"}, ["us-west-2", "eu-west-1"]) == frozenset({"us-west-2"})
    assert narrowed({"us-east-1"}, ["eu-west-1"]) == frozenset()


def test_route_and_job_bar_targets_together() -> None:
    """Each barred target is an error with its name, in the order of the route."""
    here, there, away = (Target("bedrock", region, "amazon.nova-lite-v1:0") for region in ("eu-west-1", "eu-west-3", "us-east-1"))
    route = Route(
        "r", (RouteTarget(here), RouteTarget(there), RouteTarget(away)), allowed_regions=frozenset({"eu-west-1", "eu-west-3"})
    )
    able, barred = candidates(route, Request(Invocation(), allowed_regions=("eu-west-3", "us-east-1")))
    assert [each.place.target for each in able] == [there]
    assert [(error.target, error.code) for error in barred] == [(str(target), "region_not_allowed") for target in (here, away)]


@pytest.mark.parametrize(
    ("source", "destinations"),
    [("us-east-2", {"us-east-1", "us-east-2", "us-west-2"}), ("us-west-2", {"us-east-1", "us-west-2"}), ("eu-west-1", None)],
)
def test_the_example_of_the_published_page(source: str, destinations: set[str] | None) -> None:
    """The page gives Claude 3 Haiku as one whose destinations depend on the source."""
    assert profiles.destinations("us.anthropic.claude-3-haiku-20240307-v1:0", source) == destinations


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_a_row_of_the_table_is_possible(profile: str) -> None:
    """Regions that there are, and of the geography; a profile of GovCloud never leaves it."""
    inside = {"us": ("us-", "ca-"), "us-gov": ("us-gov-",), "ca": ("ca-",), "eu": ("eu-", "il-"), "apac": ("ap-", "me-")}
    inside |= {"au": ("ap-southeast-",), "jp": ("ap-northeast-",)}
    for source, destinations in profiles.PROFILES[profile].items():
        assert {source} | destinations <= known_regions("ec2")
        assert all(each.startswith(inside[profile.partition(".")[0]]) for each in {source} | destinations)
        assert ("us-gov-" in source) == profile.startswith("us-gov.")

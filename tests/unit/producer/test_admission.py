"""From a body to a job."""

from typing import Any

import pytest

from producer import admission
from producer.faults import path_of
from quarry.errors import ContentRefused, InvalidSubmission, ModelNotAllowed, PayloadTooLarge
from quarry.guard.patterns import Forbidden
from quarry.inference.routes import Route, Routes
from quarry.invocation import Invocation, Target
from quarry.job import Job
from quarry.settings import JobSettings
from quarry.tenants.guard import Guard
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Policy
from quarry.testing.builders import NOW

#: One target here, two there; the first in words of Claude.
NEAR = Target("bedrock", "eu-central-1", "anthropic.claude-3-haiku-20240307-v1:0")
FAR = Target("bedrock", "us-east-1", "amazon.titan-text-express-v1")
ROUTES = Routes([Route.of("default", Target("echo", "", "echo")), Route.of("claude", NEAR), Route.of("both", NEAR, FAR)])

LIMITS = JobSettings(max_attempts=4, max_tokens=50, max_tokens_limit=100, deadline_seconds=60, payload_max_bytes=1024)


def admit(**body: Any) -> Job:
    return admission.job_of(admission.read(body, LIMITS, ROUTES), tenant="acme", request_id="0" * 32, limits=LIMITS, now=NOW)


def test_what_is_left_out_follows_the_settings() -> None:
    """Null counts as left out."""
    job = admit(prompt="Hi", max_tokens=None, model=None, metadata=None)
    assert (job.tenant, job.model, job.max_attempts, (job.deadline_at - NOW).total_seconds()) == ("acme", "default", 4, 60)
    assert job.invocation == Invocation(messages=({"role": "user", "content": [{"text": "Hi"}]},), max_tokens=50)


def test_a_job_is_streamed_where_that_is_asked_for() -> None:
    """And only there; by true and false, not by what looks like it."""
    assert [admit(prompt="Hi", **given).stream for given in ({}, {"stream": None}, {"stream": False}, {"stream": True})] == [
        False, False, False, True,
    ]  # fmt: skip
    assert refused(prompt="Hi", stream=1) == refused(prompt="Hi", stream="true") == ["stream"]


def test_the_settings_bound_what_may_be_asked_for() -> None:
    """The bound itself is allowed."""
    assert admit(prompt="Hi", max_tokens=100).invocation.max_tokens == 100
    assert refused(prompt="Hi", max_tokens=101) == ["max_tokens"]


def test_a_tenant_may_be_bounded_further() -> None:
    """By the lesser of the two bounds."""

    def refused_under(bound: int, asked: int) -> list[str]:
        with pytest.raises(InvalidSubmission) as raised:
            admission.read({"prompt": "Hi", "max_tokens": asked}, LIMITS, ROUTES, Policy(Limits(max_tokens=bound)))
        return [fault.message for fault in raised.value.faults]

    assert (
        admission.read({"prompt": "Hi", "max_tokens": 20}, LIMITS, ROUTES, Policy(Limits(max_tokens=20))).invocation.max_tokens
        == 20
    )
    assert refused_under(20, 21) == ["should be less than or equal to 20"]
    assert refused_under(1000, 101) == ["should be less than or equal to 100"]


def test_plain_content_becomes_a_block_and_blocks_stay() -> None:
    """In messages as in the system prompt."""
    blocks = [{"text": "a"}, {"cachePoint": {"type": "default"}}]
    job = admit(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": blocks}], system=blocks)
    assert [message["content"] for message in job.invocation.messages] == [[{"text": "x"}], blocks]
    assert list(job.invocation.system) == blocks


def test_a_model_is_a_route_or_what_a_target_serves() -> None:
    """The job keeps what was asked for."""
    assert admit(prompt="Hi", model="echo").model == "echo"
    with pytest.raises(ModelNotAllowed):
        admit(prompt="Hi", model="Default")


@pytest.mark.parametrize("body", [
    {"prompt": "x" * 1024},
    {"prompt": "é" * 510},
    {"prompt": "x", "system": "x" * 1024},
    {"prompt": "x", "stop_sequences": ["x" * 250] * 5},
    {"prompt": "x", "converse": {"additionalModelRequestFields": {"x": "x" * 1024}}},
], ids=lambda each: str(list(each)))  # fmt: skip
def test_everything_that_goes_to_the_model_counts_as_payload(body: dict[str, Any]) -> None:
    """In bytes."""
    with pytest.raises(PayloadTooLarge):
        admit(**body)


def test_what_does_not_go_to_the_model_is_no_payload() -> None:
    """It has bounds of its own."""
    assert admit(prompt="Hi", metadata={f"k{i}": "x" * 512 for i in range(16)}, custom_id="c" * 256)


@pytest.mark.parametrize(("location", "path"), [
    ((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), (("a", "b", "[key]"), "a.b"), (("x" * 100, "y"), "x" * 64 + ".y"),
])  # fmt: skip
def test_paths_read_as_callers_write_them(location: tuple[str | int, ...], path: str) -> None:
    """Names are the caller's, and cut."""
    assert path_of(location) == path


def test_a_backslash_is_no_nul() -> None:
    r"""The text `\u0000`, spelt out, is harmless."""
    assert admit(prompt="\\u0000 and Infinity").invocation.messages[0]["content"] == [{"text": "\\u0000 and Infinity"}]


def refused(**body: Any) -> list[str]:
    with pytest.raises(InvalidSubmission) as caught:
        admit(**body)
    return [fault.path for fault in caught.value.faults]


def test_a_native_body_is_taken_as_it_is() -> None:
    """With its own bound, which is not sent: it says how long an answer may take. Without one the settings say it."""
    body = {"anthropic_version": "x", "max_tokens": 7, "anything": [None, {"deep": 1.5}]}
    assert admit(native=body, model="claude").invocation == Invocation(native=body, max_tokens=7)
    assert admit(native={}, model="claude").invocation == Invocation(native={}, max_tokens=50)
    assert admit(native={"max_gen_len": 0}, model="claude").invocation.max_tokens == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"max_tokens": 101}, "native.max_tokens"),
        ({"max_gen_len": 101}, "native.max_gen_len"),
        ({"textGenerationConfig": {"maxTokenCount": 101}}, "native.textGenerationConfig.maxTokenCount"),
        ({"inferenceConfig": {"maxTokens": 101}}, "native.inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"max_new_tokens": 101}}, "native.inferenceConfig.max_new_tokens"),
    ],
)
def test_the_settings_bound_a_native_body_too(body: dict[str, Any], path: str) -> None:
    """Wherever its family has the bound; the bound itself is allowed."""
    assert refused(native=body, model="echo") == [path]
    assert admit(native={"max_tokens": 100}, model="claude").invocation.max_tokens == 100


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"native": {}}, ["model"]),
        ({"native": []}, ["native", "model"]),
        ({"native": "Hi", "model": "echo"}, ["native"]),
        ({"native": {}, "model": "echo", "prompt": "Hi"}, ["native"]),
        ({"native": {}, "model": "echo", "messages": [{"role": "user", "content": "Hi"}]}, ["native"]),
        ({"native": {}, "prompt": "Hi", "messages": [{"role": "user", "content": "Hi"}]}, ["messages", "native"]),
        *(
            ({"native": {}, "model": "echo", name: value}, [name])
            for name, value in {
                "system": "s", "max_tokens": 5, "temperature": 0.5, "top_p": 0.5, "stop_sequences": ["x"],
                "converse": {"serviceTier": {"type": "flex"}},
            }.items()
        ),
    ],
)  # fmt: skip
def test_a_native_body_stands_alone(body: dict[str, Any], paths: list[str]) -> None:
    """It needs a model, and says in its own words what Converse's fields would."""
    assert refused(**body) == paths


def test_a_native_body_counts_as_payload() -> None:
    """In bytes."""
    with pytest.raises(PayloadTooLarge):
        admit(native={"inputText": "x" * 1024}, model="claude")


def faults(**body: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSubmission) as caught:
        admit(**{"prompt": "Hi"} | body)
    return [(fault.path, fault.message) for fault in caught.value.faults]


def test_regions_that_there_are_not_are_named() -> None:
    """Each by its place in the list, with what it could have been meant to be; an empty list allows nothing, and is refused."""
    assert faults(allowed_regions=["eu-central-1", "eu-wset-1"]) == [
        ("allowed_regions[1]", "is no AWS region that is known here; did you mean eu-west-1?")
    ]
    assert refused(prompt="Hi", allowed_regions=[]) == ["allowed_regions"]


def test_allowed_regions_are_kept_with_the_job() -> None:
    """Each once, as they came."""
    job = admit(prompt="Hi", model="both", allowed_regions=["eu-west-1", "eu-central-1", "eu-west-1"])
    assert job.allowed_regions == ("eu-west-1", "eu-central-1")


def test_what_no_target_may_serve_is_refused() -> None:
    """It says why, of each target; what runs here only may always be served."""
    why = "it may process prompts in {}, which is not allowed"
    told = f"no target may serve it: {NEAR}: {why.format('eu-central-1')}; {FAR}: {why.format('us-east-1')}"
    assert faults(model="both", allowed_regions=["ap-south-1"]) == [("allowed_regions", told)]
    assert admit(prompt="Hi", allowed_regions=["ap-south-1"]).allowed_regions == ("ap-south-1",)


def test_what_no_target_can_serve_is_refused() -> None:
    """A target that may not, and one that cannot: both are told."""
    tools = {"toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]}}
    assert admit(prompt="Hi", model="both", converse=tools).model == "both"
    assert [path for path, _ in faults(model="both", converse=tools, allowed_regions=["us-east-1"])] == ["allowed_regions", "model"]
    [(path, message)] = faults(model=FAR.model, converse=tools)
    assert (path, message) == (
        "model",
        f"no target can serve it: {FAR} does not take tools, or a conversation in which some were used",
    )


def test_a_refusal_names_no_account() -> None:
    """An ARN holds the number of ours."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
    routes = Routes([Route.of("default", Target("bedrock", "us-east-1", arn))])
    with pytest.raises(InvalidSubmission, match="nothing proves") as caught:
        admission.read({"prompt": "Hi", "allowed_regions": ["us-east-1"]}, LIMITS, routes)
    assert "123456789012" not in str(caught.value)


# --- what a tenant may ------------------------------------------------------------------------------------------------


def admitted_under(limits: Limits, **body: Any) -> Job:
    admitted = admission.read(body, LIMITS, ROUTES, Policy(limits))
    return admission.job_of(admitted, tenant="acme", request_id="0" * 32, limits=LIMITS, now=NOW)


def test_what_is_not_said_is_bounded_by_the_tenant_too() -> None:
    """Whoever leaves `max_tokens` out does not get more than those who ask."""
    assert admitted_under(Limits(max_tokens=20), prompt="Hi").invocation.max_tokens == 20
    assert admitted_under(Limits(max_tokens=90), prompt="Hi").invocation.max_tokens == 50


@pytest.mark.parametrize("model", ["claude", "nothing", NEAR.model, FAR.model, None])
def test_what_a_tenant_may_not_use_is_not_there(model: str | None) -> None:
    """It is answered word for word as what does not exist, and nothing is named that the tenant may not use."""
    limits = Limits(routes=("both", "gone", FAR.model + "x"))
    with pytest.raises(ModelNotAllowed) as caught:
        admitted_under(limits, prompt="Hi", model=model)
    assert str(caught.value) == "no route and no target serves this model; the routes are: both"
    assert admitted_under(limits, prompt="Hi", model="both").model == "both"


def test_a_model_id_may_be_allowed_by_itself() -> None:
    """And then its routes are not."""
    limits = Limits(routes=(FAR.model,))
    assert admitted_under(limits, prompt="Hi", model=FAR.model).model == FAR.model
    with pytest.raises(ModelNotAllowed):
        admitted_under(limits, prompt="Hi", model="both")


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (None, ("eu-central-1", "eu-west-1")),
        (["eu-central-1"], ("eu-central-1",)),
        (["us-east-1", "eu-central-1"], ("eu-central-1",)),
    ],
)
def test_a_job_is_kept_within_the_regions_of_its_tenant(asked: list[str] | None, kept: tuple[str, ...]) -> None:
    """What both allow is stored with the job, so that it holds for whoever answers it."""
    job = admitted_under(Limits(regions=("eu-central-1", "eu-west-1")), prompt="Hi", model="claude", allowed_regions=asked)
    assert job.allowed_regions == kept


def test_regions_outside_those_of_the_tenant_are_refused() -> None:
    """Nothing allowed must never become everything; nor does the tenant's bound name what serves elsewhere as allowed."""
    limits = Limits(regions=("eu-central-1",))
    with pytest.raises(InvalidSubmission) as caught:
        admitted_under(limits, prompt="Hi", model="both", allowed_regions=["us-east-1"])
    assert [(each.path, each.message) for each in caught.value.faults] == [
        ("allowed_regions", "none of these is allowed; there are eu-central-1")
    ]
    with pytest.raises(InvalidSubmission, match="us-east-1, which is not allowed"):
        admitted_under(limits, prompt="Hi", model=FAR.model)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"prompt": "x" * 40}, "prompt"),
        ({"prompt": "x" * 16, "system": "x" * 24}, "prompt"),
        ({"messages": [{"role": "user", "content": "x" * 40}]}, "messages"),
        ({"native": {"inputText": "x" * 44}, "model": "both"}, "native"),
    ],
)
def test_a_long_input_is_refused_by_an_estimate(body: dict[str, Any], path: str) -> None:
    """By all that is sent; the bound itself is allowed."""
    assert admitted_under(Limits(max_input_tokens=11), **body)
    with pytest.raises(InvalidSubmission) as caught:
        admitted_under(Limits(max_input_tokens=10), **body)
    assert [(each.path, each.message) for each in caught.value.faults] == [
        (path, "has about 11 tokens with all that goes with it, by an estimate; 10 are allowed")
    ]


def guarded(*forbidden: Forbidden, **body: Any) -> admission.Admitted:
    return admission.read(body, LIMITS, ROUTES, Policy(guard=Guard(forbidden)))


CODENAME = Forbidden("codename", "basilisk")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"prompt": "The Basi\u200blisk!"}, "prompt"),
        ({"messages": [{"role": "user", "content": "basilisk"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}, {"text": "basilisk"}]}]}, "messages[0].content[1].text"),
        ({"prompt": "a", "system": "\uff22\uff21\uff33\uff29\uff2c\uff29\uff33\uff2b"}, "system"),
        ({"prompt": "a", "stop_sequences": ["basilisk"]}, "stop_sequences[0]"),
        ({"prompt": "a", "converse": {"requestMetadata": {}, "additionalModelRequestFields": {"x": ["basilisk"]}}}, None),
        (
            {"prompt": "a", "converse": {"additionalModelRequestFields": {"x": ["basilisk"]}}},
            "converse.additionalModelRequestFields.x[0]",
        ),
        (
            {"model": "claude", "native": {"anthropic_version": "x", "max_tokens": 5, "messages": [{"content": "basilisk"}]}},
            "native.messages[0].content",
        ),
    ],
)
def test_what_a_tenant_may_not_say_is_refused(body: dict[str, Any], path: str | None) -> None:
    """The fault names the pattern and the place, and nothing of the text. A wrong shape is told first."""
    with pytest.raises(InvalidSubmission) as raised:
        guarded(CODENAME, **body)

    assert isinstance(raised.value, ContentRefused) is (path is not None)
    if path is not None:
        assert path in [fault.path for fault in raised.value.faults]
        assert "codename" in str(raised.value)
        assert "basilisk" not in str(raised.value).lower()


def test_what_is_flagged_is_taken_and_named_on_the_job() -> None:
    """What is not sent to a model is not looked at."""
    flag = Forbidden("watched", "basilisk", action="flag")

    assert guarded(flag, prompt="basilisk", custom_id="x").flags == ("watched",)
    assert guarded(flag, prompt="x", metadata={"a": "basilisk"}, custom_id="basilisk").flags == ()

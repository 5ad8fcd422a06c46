"""routes.toml: everything a route can say is read, and everything that is wrong is told at once, each with its line."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.errors import ConfigurationError
from quarry.inference.routes import (
    Adaptation,
    DegradedAnswer,
    Price,
    ProviderSpec,
    Route,
    Routes,
    RouteTarget,
)
from quarry.inference.routes_fields import ADAPT, DEGRADED, PRICE, PROVIDER, ROUTE, TARGET
from quarry.inference.routes_file import ROUTES_FILE, load_routes
from quarry.invocation import Target
from quarry.toml_fields import Fault, Field, Wrong
from quarry.toml_file import place

WHOLE = """
[routes.default]
policy = "weighted"
on_unknown_outcome = "fail"
allowed_regions = ["us-east-1", "us-east-2", "us-west-2", "eu-west-1"]
degraded = { text = "Later.", within_seconds = 60 }

[[routes.default.targets]]
provider = "bedrock"
region = "us-east-1"
model = "us.amazon.nova-lite-v1:0"
weight = 3
requests_per_minute = 600
tokens_per_minute = 400000
timeout_seconds = 90.5
streamed = true
capabilities = ["tools"]
adapt = { drop = ["cachePoint", "converse.serviceTier"], max_tokens = 4096 }
regions = ["us-east-1"]
price = { input_usd_per_million_tokens = 0.06, output_usd_per_million_tokens = 0.24 }

[[routes.default.targets]]
provider = "own"
model = "any/model:8b"

[routes.other]
[[routes.other.targets]]
provider = "endpoints"
model = "my-endpoint"

[providers.own]
kind = "openai"
base_url = "http://127.0.0.1:8000/v1/"
region = "eu-west-1"
api_key_env = "OWN_KEY"

[providers.endpoints]
kind = "sagemaker"
region = "us-west-2"
"""
ONE = '[[routes.default.targets]]\nprovider = "bedrock"\nregion = "us-east-1"\nmodel = "amazon.nova-lite-v1:0"\n'
OTHER = ONE.replace("us-east-1", "us-west-2")
MODEL = "amazon.nova-lite-v1:0"
DEFAULT = "[routes.default]\n"
OWN = '[providers.a]\nkind = "openai"\nbase_url = "http://h"\n'
MAKER = '[providers.a]\nkind = "sagemaker"\nregion = "us-east-1"\n'
PROVISIONED = "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/abcdef123456"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Routes]:
    def load(text: str, is_set: Callable[[str], bool] | None = None) -> Routes:
        path = tmp_path / "routes.toml"
        path.write_text(text)
        return load_routes(str(path), "us-east-1", is_set)

    return load


def test_everything_that_can_be_said_is_read(load: Callable[..., Routes]) -> None:
    """Prices become micro-dollars; a target of a declared provider is where that is."""
    routes = load(WHOLE, {"OWN_KEY"}.__contains__)
    assert list(routes) == [
        Route(
            "default",
            (
                RouteTarget(
                    Target("bedrock", "us-east-1", "us.amazon.nova-lite-v1:0"),
                    weight=3,
                    requests_per_minute=600,
                    tokens_per_minute=400_000,
                    timeout_seconds=90.5,
                    streamed=True,
                    capabilities=frozenset({"tools"}),
                    adapt=Adaptation(frozenset({"cachePoint", "converse.serviceTier"}), 4096),
                    regions=frozenset({"us-east-1"}),
                    price=Price(60_000, 240_000),
                ),
                RouteTarget(Target("own", "eu-west-1", "any/model:8b")),
            ),
            policy="weighted",
            on_unknown_outcome="fail",
            allowed_regions=frozenset({"us-east-1", "us-east-2", "us-west-2", "eu-west-1"}),
            degraded=DegradedAnswer("Later.", 60),
        ),
        Route.of("other", Target("endpoints", "us-west-2", "my-endpoint")),
    ]
    assert routes.providers == {
        "own": ProviderSpec("own", "openai", "http://127.0.0.1:8000/v1", api_key_env="OWN_KEY", region="eu-west-1"),
        "endpoints": ProviderSpec("endpoints", "sagemaker", region="us-west-2"),
    }
    for name, spec in routes.providers.items():
        line = WHOLE.splitlines().index(f"[providers.{name}]") + 1
        assert spec.place.endswith(f"/routes.toml:{line}: [providers.{name}]")


@pytest.mark.parametrize(
    ("rows", "kind", "not_written", "not_kept"),
    [
        (ROUTE, Route, {"name"}, set()),
        (TARGET, RouteTarget, {"target"}, {field.name for field in dataclasses.fields(Target)}),
        (ADAPT, Adaptation, set(), set()),
        (PRICE, Price, {"input_usd_micros", "output_usd_micros"}, set(PRICE)),
        (DEGRADED, DegradedAnswer, set(), set()),
        (PROVIDER, ProviderSpec, {"name", "declared_at"}, set()),
    ],
)
def test_every_member_can_be_written(rows: dict[str, Field], kind: type, not_written: set[str], not_kept: set[str]) -> None:
    """What the dataclasses can say the file can say; what it says otherwise is named here."""
    members = {each.name for each in dataclasses.fields(kind)}
    assert (members - set(rows), set(rows) - members) == (not_written, not_kept)


def test_defaults_are_those_of_the_dataclasses(load: Callable[..., Routes]) -> None:
    """A file that says no more than who is asked gets what `Route.of` gives."""
    assert list(load(ONE)) == [Route.of("default", Target("bedrock", "us-east-1", "amazon.nova-lite-v1:0"))]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[routes.default]\n", "1: routes.default needs targets"),
        ("[routes.default]\ntargets = []\n", "2: routes.default.targets is empty"),
        ("[routes]\ndefault = 3\n", "2: routes.default is 3, and must be a table"),
        (ONE + '[routes.b]\npolicy = "ladder"\n[routes.b]\n', "7: is not TOML: [routes.b]: the file declares it twice"),
        (ONE + 'region = "us-east-1"\n', "5: is not TOML"),
        (ONE.replace('"bedrock"', '"bedrok"'), "2: targets (1) provider is 'bedrok'"),
        (ONE.replace('"bedrock"', '"bedrok"'), "did you mean 'bedrock'?"),
        (ONE.replace("us-east-1", "us-east1"), "3: targets (1) region is 'us-east1'"),
        (ONE.replace("us-east-1", "us-east1"), "did you mean 'us-east-1'?"),
        (ONE.replace('region = "us-east-1"\n', ""), "1: targets (1) needs region"),
        (ONE.replace(MODEL, "amazn.nova-lite-v1:0"), "4: targets (1) model cannot be asked"),
        (ONE.replace(MODEL, PROVISIONED), "the ARN is of eu-west-1, and the target's region is us-east-1"),
        (ONE.replace(MODEL, "a b"), "'a b' is no model id: neither VENDOR.MODEL"),
        (ONE + ONE, "5: targets (2) is bedrock/us-east-1/amazon.nova-lite-v1:0 again"),
        (ONE + "weight = -1\n", "5: targets (1) weight is -1"),
        (ONE + "requests_per_minute = -5\n", "requests_per_minute is -5, and must be a whole number, 1 to"),
        (ONE + "tokens_per_minute = 0\n", "tokens_per_minute is 0"),
        (ONE + "tokens_per_minute = 1.5\n", "tokens_per_minute is 1.5"),
        (ONE + "requests_per_minute = true\n", "requests_per_minute is true, and"),
        (ONE + "requests_per_minute = 2026-11-21\n", "requests_per_minute is 2026-11-21, and"),
        (ONE + "timeout_seconds = nan\n", "timeout_seconds is nan"),
        (ONE + "timeout_seconds = 0\n", "timeout_seconds is 0"),
        (ONE + 'streamed = "yes"\n', "streamed is 'yes', and must be true or false"),
        (ONE + 'capabilities = "tools"\n', "capabilities is 'tools', and must be a list of capabilities"),
        (ONE + 'capabilities = ["tool"]\n', "capabilities (1) is 'tool', which is no capability; did you mean 'tools'?"),
        (ONE + 'regions = ["us-est-1"]\n', "regions (1) is 'us-est-1', which is no region"),
        (ONE + 'adapt = { drop = ["max_tokens"] }\n', "drop (1) is 'max_tokens', which no request can be sent without"),
        (
            DEFAULT + 'allowed_regions = ["us-west-2"]\n' + ONE,
            "could never serve, by allowed_regions of its route: it may process prompts in us-east-1, which is not allowed",
        ),
        (
            DEFAULT + 'allowed_regions = ["us-east-1"]\n' + ONE.replace("amazon", "global.amazon"),
            "could never serve, by allowed_regions of its route: it may process prompts in any commercial region of AWS",
        ),
        (ONE + "request_per_minute = 5\n", "did you mean 'requests_per_minute'?"),
        (ONE + "colour = 5\n", "5: targets (1) colour is not known here; there are provider, region"),
        (ONE + 'adapt = { drop = ["temprature"] }\n', "5: targets (1) adapt.drop (1) is 'temprature'"),
        (ONE + 'adapt = { drop = ["converse.modelId"] }\n', "which no request can be sent without"),
        (ONE + "adapt = { max_tokens = 0 }\n", "adapt.max_tokens is 0"),
        (ONE + "price = { input_usd_per_million_tokens = 1 }\n", "price needs output_usd_per_million_tokens"),
        (DEFAULT + 'policy = "weighted"\n' + ONE + "weight = 0\n", "3: routes.default.targets needs a weight above 0"),
        (ONE + "weight = 2\n", 'weight means nothing to the policy "ordered"'),
        (ONE + "[routes.default.price]\nx = 1\n", "is not known here"),
        (DEFAULT + 'policy = "cheapest"\n' + ONE, '3: targets (1) needs a price: the policy "cheapest"'),
        ("[routes.default]\nallowed_regions = []\n" + ONE, "2: routes.default.allowed_regions is empty"),
        (DEFAULT + 'allowed_regions = ["us-east-1", "mars-1"]\n' + ONE, "allowed_regions (2) is 'mars-1', which is no region"),
        (DEFAULT + 'degraded = { text = "" , within_seconds = 5 }\n' + ONE, "degraded.text is ''"),
        (DEFAULT + 'degraded = { text = "x" }\n' + ONE, "degraded needs within_seconds"),
        (DEFAULT + f'degraded = {{ text = "{"x" * 16_385}", within_seconds = 5 }}\n' + ONE, "degraded.text has more than"),
        (DEFAULT + 'on_unknown_outcome = "again"\n' + ONE, "on_unknown_outcome is 'again'; there are retry, fail"),
        (ONE.replace("default", "other"), "1: routes needs a route named 'default'"),
        (ONE + "[route.x]\n", "5: route is not known here; did you mean 'routes'?"),
        (ONE + '[providers.bedrock]\nkind = "openai"\nbase_url = "http://h"\n', "5: providers.bedrock is the name of a built-in"),
        (ONE + '[providers.a]\nkind = "opanai"\nbase_url = "http://h"\n', "6: providers.a.kind is 'opanai'"),
        (ONE + '[providers.a]\nkind = "openai"\n', "5: providers.a needs base_url"),
        (ONE + '[providers.a]\nkind = "openai"\nbase_url = "https://u:p@h/v1"\n', "7: providers.a.base_url holds a user"),
        (ONE + '[providers.a]\nkind = "openai"\nbase_url = "https://a..b/v1"\n', "base_url is 'https://a..b/v1': no host is"),
        (ONE + '[providers.a]\nkind = "openai"\nbase_url = "https://h h/v1"\n', "base_url is 'https://h h/v1': it holds"),
        (ONE + '[providers.a]\nkind = "openai"\nbase_url = "https://h/v1?key=1"\n', "7: providers.a.base_url must end with a path"),
        (ONE + '[providers.a]\nkind = "openai"\nbase_url = "localhost:1"\n', "7: providers.a.base_url is 'localhost:1'"),
        (ONE + OWN + 'api_key_env = "sk-1"\n', "not the key itself"),
        (
            ONE + OWN + 'api_key_env = "K"\napi_key_secret = "s"\n',
            "9: providers.a.api_key_secret is a second place for the key",
        ),
        (ONE + '[providers.a]\nkind = "sagemaker"\n', "5: providers.a needs region"),
        (ONE + MAKER + 'base_url = "http://h"\n', "8: providers.a.base_url means"),
        (ONE + '[providers.a]\nkind = "sagemaker"\nregion = "us-eats-1"\n', "did you mean 'us-east-1'?"),
        (
            ONE.replace('"bedrock"', '"a"') + OWN,
            "3: targets (1) region is that of the provider",
        ),
        (
            ONE.replace('"bedrock"\nregion = "us-east-1"', '"a"') + MAKER,
            "must be the name of an endpoint",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(load: Callable[..., Routes], text: str, says: str) -> None:
    """One sentence: the variable, the file, the line, the place and the reason, which says what to do."""
    with pytest.raises(ConfigurationError, match=re.escape(says.replace("targets (", "routes.default.targets ("))) as refused:
        load(text)
    assert re.match(r"QUARRY_ROUTES_FILE: .*/routes.toml:\d+: ", str(refused.value))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        'base_url = "ftp://me:hunter2@h/v1"',
        'base_url = "https://me:hunter2@h:99999/v1"',
        'base_url = "https://hunter2@[::1/v1"',
        'base_url = "https://h/v1"\napi_key_env = "gsk_hunter2"',
    ],
)
def test_a_secret_that_was_written_into_the_file_is_not_quoted(load: Callable[..., Routes], line: str) -> None:
    """Whatever else is wrong with it: what is told of the file goes to logs."""
    with pytest.raises(ConfigurationError, match=r"base_url holds a user|not the key itself") as refused:
        load(f'{ONE}[providers.a]\nkind = "openai"\n{line}\n')
    assert "hunter2" not in str(refused.value)


def test_a_mark_of_the_byte_order_is_no_fault(load: Callable[..., Routes]) -> None:
    """Some editors put one in front."""
    assert [route.name for route in load("\ufeff" + ONE)] == ["default"]


def test_all_faults_are_told_at_once(load: Callable[..., Routes]) -> None:
    """Whoever mends a file need not start the service once for each: in the order of their lines, and each once."""
    text = (
        f"{ONE}weight = -1\ncolour = 1\n".replace("us-east-1", "us-east1").replace("amazon", "amazn")
        + f"{OTHER}requests_per_minute = 0\n".replace('"bedrock"', '"bedrok"')
        + '[routes.Bad]\n[providers.a]\nkind = "openai"\n'
    )
    with pytest.raises(ConfigurationError) as refused:
        load(text)
    first, *faults = str(refused.value).splitlines()
    assert first.endswith("has 8 faults:")
    assert [int(fault.split(":")[1]) for fault in faults] == [3, 4, 5, 6, 8, 11, 12, 13]


def test_a_key_that_the_environment_lacks_is_told_where_keys_are_needed(load: Callable[..., Routes]) -> None:
    """The workers need it; the API, which calls nobody, does not, and must not have to hold it."""
    assert load(WHOLE)
    with pytest.raises(ConfigurationError, match=r"OWN_KEY, which is not set in the environment"):
        load(WHOLE, lambda _: False)


@pytest.mark.parametrize("written", ["cheapest", "weighted"])
def test_what_a_policy_needs_is_enough(load: Callable[..., Routes], written: str) -> None:
    """A price for each target; weights."""
    price = "price = { input_usd_per_million_tokens = 1, output_usd_per_million_tokens = 2.5 }\nweight = 1\n"
    weight = "weight = 2\n" if written == "weighted" else ""
    [route] = load(f'[routes.default]\npolicy = "{written}"\n{ONE}{price.replace("weight = 1" + chr(10), weight)}')
    assert route.targets[0].price == Price(1_000_000, 2_500_000)


@pytest.mark.parametrize(("second", "together"), [("retry", "retry"), ("fail", "fail")])
def test_a_model_id_is_as_careful_as_the_routes_that_it_is_of(load: Callable[..., Routes], second: str, together: str) -> None:
    """Where one of them lets a job fail rather than pay twice, so does a job that names the model."""
    routes = load(f'{ONE}[routes.b]\non_unknown_outcome = "{second}"\n{OTHER.replace("default", "b")}')
    assert routes.resolve(MODEL).on_unknown_outcome == together


def test_a_model_id_that_a_target_serves_names_a_route(load: Callable[..., Routes]) -> None:
    """Its targets are the route, each once, however many routes have it."""
    routes = load(ONE + OTHER + ONE.replace("default", "b"))
    targets = routes.resolve("amazon.nova-lite-v1:0").targets
    assert [each.target.region for each in targets] == ["us-east-1", "us-west-2"]


WORDS = st.sampled_from([*ROUTE, *TARGET, *ADAPT, *PRICE, *DEGRADED, *PROVIDER, "default", "routes", "providers", "a", ""])
TEXTS = st.sampled_from(
    ["bedrock", "echo", "a", "us-east-1", MODEL, PROVISIONED, "weighted", "openai", "http://[h", "", "é", "top_p"]
)
SCALARS = TEXTS | st.integers(-1, 5) | st.booleans() | st.floats() | st.dates()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)


def table_of(rows: dict[str, Field]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(list(rows)) | WORDS, ANYTHING, max_size=5)


def routes() -> st.SearchStrategy[object]:
    targets = st.lists(table_of(dict(TARGET)) | ANYTHING, max_size=3)
    return st.fixed_dictionaries({"targets": targets | ANYTHING}, optional={name: ANYTHING for name in ROUTE if name != "targets"})


@given(
    st.fixed_dictionaries(
        {"routes": st.dictionaries(WORDS, routes() | ANYTHING, max_size=3) | ANYTHING},
        optional={"providers": st.dictionaries(WORDS, table_of(dict(PROVIDER)) | ANYTHING, max_size=2) | ANYTHING, "a": ANYTHING},
    )
)
def test_whatever_is_written_is_read_or_refused(document: dict[str, object]) -> None:
    """Nobody who writes a file sees a stack trace; each fault is at a place."""
    faults: tuple[Fault, ...] = ()
    targets: tuple[RouteTarget, ...] = ()
    try:
        targets = ROUTES_FILE.read(document).resolve("default").targets
    except Wrong as wrong:
        faults = wrong.faults
    assert bool(faults) is not bool(targets)
    assert all(place(fault.path) and fault.reason for fault in faults)

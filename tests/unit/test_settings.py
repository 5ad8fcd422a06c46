"""Settings: what the environment may say, and one sentence for whatever it may not."""

import pytest

from quarry.errors import ConfigurationError
from quarry.job import Priority
from quarry.settings import (
    EcsEndpoints,
    Environment,
    QueueSettings,
    WorkerSettings,
    ecs_endpoints,
    load_client_settings,
    load_settings,
    variable_name,
)

PRODUCTION = {"AWS_REGION": "eu-west-1"}
LOCAL = {"QUARRY_ENVIRONMENT": "local"}
JWT = {"QUARRY_API__AUTH": "jwt", "QUARRY_JWT__ISSUER": "https://issuer.example", "QUARRY_JWT__AUDIENCE": "quarry"}


def given(monkeypatch: pytest.MonkeyPatch, **environ: str) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def test_without_anything_it_is_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting a variable must not open a door."""
    given(monkeypatch, **PRODUCTION)
    settings = load_settings()
    assert settings.environment is Environment.PRODUCTION
    assert (settings.region, settings.api.auth) == ("eu-west-1", None)
    assert (settings.queue.name, settings.store.table, settings.store.bucket) == ("quarry-jobs", "quarry-jobs", "quarry-payloads")
    assert (settings.worker.slots, settings.worker.lease_seconds, settings.worker.drain_seconds) == (100, 60, 110)
    assert (settings.worker.metrics_port, settings.api.metrics_port, settings.job.max_attempts) == (9090, 9091, 3)


def test_a_group_is_set_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others keep their defaults."""
    given(monkeypatch, **PRODUCTION, QUARRY_WORKER__SLOTS="7", QUARRY_QUEUE__NAME="mine", QUARRY_JOB__MAX_ATTEMPTS="10")
    settings = load_settings()
    assert (settings.worker.slots, settings.worker.receivers) == (7, 4)
    assert (settings.queue.name, settings.job.max_attempts) == ("mine", 10)


def test_a_laptop_needs_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """`local` has a default for it."""
    given(monkeypatch, **LOCAL)
    assert load_settings().region == "us-east-1"


def test_the_regions_second_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`AWS_REGION`, then `AWS_DEFAULT_REGION`, as the SDK's tools have it."""
    given(monkeypatch, AWS_DEFAULT_REGION="eu-north-1")
    assert load_settings().region == "eu-north-1"
    given(monkeypatch, AWS_REGION="eu-west-1")
    assert load_settings().region == "eu-west-1"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates leave such things behind."""
    given(monkeypatch, **PRODUCTION, QUARRY_WORKER__SLOTS="", QUARRY_ROUTES_FILE="", QUARRY_QUEUE__URL="")
    settings = load_settings()
    assert (settings.worker.slots, settings.routes_file, settings.queue.url) == (100, None, None)


def test_names_that_merely_share_the_prefix_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes and Docker inject such for a service that is called `quarry-api`."""
    injected = {
        "QUARRY_API_PORT": "tcp://10.0.0.1:8000",
        "QUARRY_API_SERVICE_HOST": "10.0.0.1",
        "QUARRY_API_PORT_8000_TCP_ADDR": "10.0.0.1",
        "QUARRY_WORKER_METRICS_PORT": "tcp://10.0.0.2:9090",
        "QUARRY_PORT": "tcp://10.0.0.1:80",
    }
    given(monkeypatch, **PRODUCTION, **injected)
    assert load_settings().api.metrics_port == 9091


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"QUARRY_WORKER__SLOTS": "abc"}, "QUARRY_WORKER__SLOTS is 'abc'"),
        ({"QUARRY_WORKER__SLOTS": "0"}, "QUARRY_WORKER__SLOTS is '0'"),
        ({"QUARRY_WORKER__SLOTS": "2001"}, "QUARRY_WORKER__SLOTS is '2001'"),
        ({"QUARRY_WORKER__SLOTS": "1.5"}, "QUARRY_WORKER__SLOTS is '1.5'"),
        ({"QUARRY_WORKER__LEASE_SECONDS": "9"}, "QUARRY_WORKER__LEASE_SECONDS is '9'"),
        ({"QUARRY_WORKER__METRICS_PORT": "65536"}, "QUARRY_WORKER__METRICS_PORT is '65536'"),
        ({"QUARRY_QUEUE__NAME": "no spaces"}, "QUARRY_QUEUE__NAME is 'no spaces'"),
        ({"QUARRY_STORE__TABLE": "x"}, "QUARRY_STORE__TABLE is 'x'"),
        ({"QUARRY_JOB__MAX_ATTEMPTS": "11"}, "QUARRY_JOB__MAX_ATTEMPTS is '11'"),
        ({"QUARRY_JOB__DEADLINE_SECONDS": "-1"}, "QUARRY_JOB__DEADLINE_SECONDS is '-1'"),
        ({"QUARRY_ENVIRONMENT": "staging2"}, "QUARRY_ENVIRONMENT is 'staging2'"),
        ({"QUARRY_LOG_LEVEL": "loud"}, "QUARRY_LOG_LEVEL is 'loud'"),
        ({"QUARRY_WORKER__SLOT": "1"}, "QUARRY_WORKER__SLOT is not a setting; did you mean QUARRY_WORKER__SLOTS?"),
        ({"QUARRY_AUDIT__X": "1"}, "QUARRY_AUDIT__X is not a setting; there are QUARRY_AUDIT__FILE"),
        ({"QUARRY_WROKER__SLOTS": "1"}, "QUARRY_WROKER__SLOTS is not a setting; did you mean QUARRY_WORKER__SLOTS?"),
        ({"QUARRY_ENVIRONMENT__X": "1"}, "QUARRY_ENVIRONMENT__X is not a setting; the groups are"),
        ({"QUARRY_WORKER_SLOTS": "1"}, "QUARRY_WORKER_SLOTS is not a setting; did you mean QUARRY_WORKER__SLOTS?"),
        ({"QUARRY_CLIENT_API_KEY": "k"}, "QUARRY_CLIENT_API_KEY is not a setting; did you mean QUARRY_CLIENT__API_KEY?"),
        ({"QUARRY_TENANT_FILE": "t.toml"}, "QUARRY_TENANT_FILE is not a setting; did you mean QUARRY_TENANTS_FILE?"),
        ({"QUARRY_ENVIROMENT": "local"}, "QUARRY_ENVIROMENT is not a setting; did you mean QUARRY_ENVIRONMENT?"),
        ({"QUARRY_LOGLEVEL": "debug"}, "QUARRY_LOGLEVEL is not a setting; did you mean QUARRY_LOG_LEVEL?"),
        ({"QUARRY_WORKER": "many"}, "QUARRY_WORKER__SLOTS"),
        ({"QUARRY_JOB__MAX_TOKENS": "70000"}, "QUARRY_JOB__MAX_TOKENS is above QUARRY_JOB__MAX_TOKENS_LIMIT"),
        ({"QUARRY_API__AUTH": "anonymous"}, "QUARRY_API__AUTH is `anonymous`"),
        ({"QUARRY_API__AUTH": "password"}, "QUARRY_API__AUTH is 'password'"),
        ({"QUARRY_API__AUTH": "api_key,"}, "QUARRY_API__AUTH is 'api_key,': a part of the list is empty"),
        ({"QUARRY_API__AUTH": "api_key,password"}, "`password` is none of api_key, jwt, anonymous"),
        ({"QUARRY_API__AUTH": "api_key, api_key"}, "something is in the list twice"),
        ({"QUARRY_API__AUTH": "api_key,anonymous"}, "QUARRY_API__AUTH names `anonymous` beside others"),
        ({"QUARRY_API__AUTH": "anonymous,jwt", "QUARRY_ENVIRONMENT": "local"}, "QUARRY_API__AUTH names `anonymous` beside others"),
        ({"QUARRY_API__AUTH": "jwt"}, "QUARRY_JWT__ISSUER is not set, and QUARRY_API__AUTH names `jwt`"),
        ({**JWT, "QUARRY_JWT__AUDIENCE": ""}, "QUARRY_JWT__AUDIENCE is not set, and QUARRY_API__AUTH names `jwt`"),
        ({**JWT, "QUARRY_JWT__ISSUER": "http://issuer.example"}, "QUARRY_JWT__ISSUER is 'http://issuer.example'"),
        ({**JWT, "QUARRY_JWT__ISSUER": "issuer.example"}, "QUARRY_JWT__ISSUER is 'issuer.example'"),
        ({**JWT, "QUARRY_JWT__JWKS_URL": "http://issuer.example/k"}, "QUARRY_JWT__JWKS_URL is 'http://issuer.example/k'"),
        ({**JWT, "QUARRY_JWT__JWKS_URL": "file:///keys", "QUARRY_ENVIRONMENT": "local"}, "QUARRY_JWT__JWKS_URL is 'file:///keys'"),
        ({"QUARRY_JWT__ALGORITHMS": "RS256,HS256"}, "`HS256` is none of RS256"),
        ({"QUARRY_JWT__ALGORITHMS": "none"}, "`none` is none of RS256"),
        ({"QUARRY_JWT__ALGORITHMS": "RS256,,ES256"}, "a part of the list is empty"),
        ({"QUARRY_JWT__LEEWAY_SECONDS": "301"}, "QUARRY_JWT__LEEWAY_SECONDS is '301'"),
        ({"QUARRY_JWT__KEYS_SECONDS": "29"}, "QUARRY_JWT__KEYS_SECONDS is '29'"),
        ({"QUARRY_WORKER__LANE_WEIGHTS": "6,3"}, "QUARRY_WORKER__LANE_WEIGHTS is '6,3'"),
        ({"QUARRY_WORKER__LANE_WEIGHTS": "6,3,0"}, "QUARRY_WORKER__LANE_WEIGHTS is '6,3,0'"),
        ({"QUARRY_WORKER__SLOTS": "5", "QUARRY_WORKER__RESERVED_SLOTS": "5"}, "QUARRY_WORKER__RESERVED_SLOTS leaves nothing"),
        (
            {"QUARRY_WORKER__GRACE_SECONDS": "110"},
            "QUARRY_WORKER__DRAIN_SECONDS (110) is not below QUARRY_WORKER__GRACE_SECONDS (110)",
        ),
        ({"AWS_REGION": ""}, "AWS_REGION is not set"),
        ({"QUARRY_WORKER__SLOTS": "abc", "QUARRY_WORKER__RECEIVERS": "abc"}, "(and 1 more)"),
    ],
    ids=lambda value: ",".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], words: str) -> None:
    """It names the variable and says what is wrong; no library shines through."""
    given(monkeypatch, **(PRODUCTION | environ))
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    sentence = str(refused.value)
    assert words in sentence
    assert "\n" not in sentence
    assert "pydantic" not in sentence.lower()


def test_a_grace_above_the_drain_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Fargate: 110 s of 120."""
    given(monkeypatch, **PRODUCTION, QUARRY_WORKER__GRACE_SECONDS="120")
    assert load_settings().worker.grace_seconds == 120


def test_a_laptop_may_be_anonymous(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else."""
    given(monkeypatch, **LOCAL, QUARRY_API__AUTH="anonymous")
    assert load_settings().api.auth == "anonymous"
    assert load_settings().api.schemes == ()


@pytest.mark.parametrize(
    ("auth", "schemes"),
    [(None, ()), ("api_key", ("api_key",)), ("jwt, api_key", ("jwt", "api_key"))],
)
def test_callers_prove_who_they_are_in_one_way_or_several(
    monkeypatch: pytest.MonkeyPatch, auth: str | None, schemes: tuple[str, ...]
) -> None:
    """In the order of the list."""
    given(monkeypatch, **PRODUCTION, **JWT | {"QUARRY_API__AUTH": auth or ""})
    assert load_settings().api.schemes == schemes


def test_a_laptops_issuer_may_do_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else; what nobody uses is not asked for."""
    given(
        monkeypatch, **LOCAL, **JWT | {"QUARRY_JWT__ISSUER": "http://127.0.0.1:1", "QUARRY_JWT__JWKS_URL": "http://127.0.0.1:1/k"}
    )
    assert load_settings().jwt.issuer == "http://127.0.0.1:1"
    given(monkeypatch, QUARRY_API__AUTH="api_key", QUARRY_JWT__ISSUER="")
    assert load_settings().jwt.issuer is None


def test_a_client_needs_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """It talks to an API; what is wrong with that is one sentence, too."""
    given(monkeypatch, QUARRY_CLIENT__API_URL="https://quarry.example.com")
    assert load_client_settings().api_url == "https://quarry.example.com"
    for wrong in ("quarry.example.com", "http://[::1", "http://127.0.0.1:port", "ftp://quarry"):
        given(monkeypatch, QUARRY_CLIENT__API_URL=wrong)
        with pytest.raises(ConfigurationError, match="QUARRY_CLIENT__API_URL: "):
            load_client_settings()


def test_a_variables_name() -> None:
    """As it stands in the environment."""
    assert variable_name(("worker", "slots")) == "QUARRY_WORKER__SLOTS"
    assert variable_name(("region",)) == variable_name(("AWS_REGION",)) == "AWS_REGION"


@pytest.mark.parametrize("key", ["quarry_0_s\n", " quarry_0_s", "quarry_0_s\r\n"])
def test_a_key_from_a_file_is_taken_without_its_line_break(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """As mounted secrets end in one."""
    monkeypatch.setenv("QUARRY_CLIENT__API_KEY", key)
    loaded = load_client_settings().api_key
    assert loaded
    assert loaded.get_secret_value() == "quarry_0_s"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUARRY_CLIENT__API_KEY", "quarry_s3cret with more"),
        ("QUARRY_CLIENT__API_KEY", "quarry_s3cret\x01"),
        ("QUARRY_CLIENT__API_KEY", "quarry_s3cret\u00fc"),
        ("QUARRY_CLIENT", '"quarry_s3cret"'),
        ("QUARRY_CLIENT", '["quarry_s3cret"]'),
        ("QUARRY_CLIENT", '{"api_key": ["quarry_s3cret"]}'),
        ("QUARRY_CLIENT__API_URL", "ftp://u:s3cret@host"),
    ],
)
def test_what_is_wrong_with_a_clients_settings_is_told_without_them(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """They hold a key, or a password: a terminal, and a log of CI, are no place for these."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="QUARRY_CLIENT") as refused:
        load_client_settings()
    assert "s3cret" not in str(refused.value)


def test_where_the_lanes_are() -> None:
    """By name, or by URL: that of the normal lane says those of the others, unless they have their own."""
    lanes = list(Priority)
    assert [QueueSettings(name="jobs").name_of(lane) for lane in lanes] == ["jobs-high", "jobs", "jobs-low"]
    assert [QueueSettings().url_of(lane)[0] for lane in lanes] == [None, None, None]
    url, low = "https://sqs/1/a", "https://sqs/1/b"
    assert [QueueSettings(url=url, low_url=low).url_of(lane) for lane in lanes] == [
        (f"{url}-high", "QUARRY_QUEUE__URL"), (url, "QUARRY_QUEUE__URL"), (low, "QUARRY_QUEUE__LOW_URL"),
    ]  # fmt: skip
    assert QueueSettings(high_url=url).url_of(Priority.HIGH) == (url, "QUARRY_QUEUE__HIGH_URL")


def test_slots_for_high_alone_follow_from_the_slots() -> None:
    """A twentieth; a few slots are for everybody, and whoever wants another number says so."""
    given = [(1, None), (19, None), (20, None), (100, None), (100, 0), (2, 1)]
    assert [WorkerSettings(slots=slots, reserved_slots=own).reserved for slots, own in given] == [0, 0, 1, 5, 0, 1]


def test_the_agent_of_an_ecs_task_is_where_ecs_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere there is none, whatever else is set."""
    monkeypatch.delenv("ECS_AGENT_URI", raising=False)
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x")
    assert ecs_endpoints() is None
    monkeypatch.setenv("ECS_AGENT_URI", "http://169.254.170.2/api/x")
    assert ecs_endpoints() == EcsEndpoints("http://169.254.170.2/api/x", "http://169.254.170.2/v4/x")

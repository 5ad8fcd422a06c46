"""Settings, in groups. This file is the only reader of the environment.

Each field: type, unit in its name, bounds, default, and one sentence on what goes wrong when it is wrong.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from quarry.errors import ConfigurationError
from quarry.job import Priority

PREFIX: Final = "QUARRY_"
DELIMITER: Final = "__"

Port = Annotated[int, Field(ge=0, le=65535)]
_URL: Final = r"^https?://[^/?#]+"

ANONYMOUS: Final = "anonymous"
#: Ways in which callers can prove who they are.
SCHEMES: Final = ("api_key", "jwt")
#: What an issuer may sign with: its public keys verify. `Ed25519` is the newer name of `EdDSA` (RFC 9864).
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519",
)  # fmt: skip


class Environment(StrEnum):
    """Where this process runs. Only `local` may do without authentication."""

    LOCAL = "local"
    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"


def listed(text: str) -> tuple[str, ...]:
    """`api_key, jwt` → `("api_key", "jwt")`."""
    return tuple(part.strip() for part in text.split(","))


def _list_of(known: tuple[str, ...]) -> AfterValidator:
    """A comma-separated list of some of `known`, each once."""

    def check(text: str) -> str:
        parts = listed(text)
        if "" in parts:
            raise ValueError("a part of the list is empty")
        if unknown := [part for part in parts if part not in known]:
            raise ValueError(f"`{unknown[0]}` is none of {', '.join(known)}")
        if len(set(parts)) < len(parts):
            raise ValueError("something is in the list twice")
        return text

    return AfterValidator(check)


class Group(BaseModel):
    """A group of settings. A misspelt name is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _suffix(lane: Priority) -> str:
    """What a lane's queue is called after the normal lane's."""
    return "" if lane is Priority.NORMAL else f"-{lane}"


class QueueSettings(Group):
    """SQS."""

    name: str = Field(
        "quarry-jobs",
        pattern=r"^[A-Za-z0-9_-]{1,70}$",
        description="Name of the normal lane's queue; the others are NAME-high and NAME-low, the dead-letter queue NAME-dlq. "
        "A wrong name stops the process at its start.",
    )
    url: str | None = Field(
        None,
        description="URL of the normal lane's queue; wins over the name. The others are then URL-high and URL-low. A wrong one "
        "stops the process at its start.",
    )
    high_url: str | None = Field(None, description="URL of the high lane's queue; wins over the name and over URL-high.")
    low_url: str | None = Field(None, description="URL of the low lane's queue; wins over the name and over URL-low.")
    dlq_url: str | None = Field(None, description="URL of the dead-letter queue; wins over the name.")

    @property
    def webhooks(self) -> tuple[str | None, str, str]:
        """The queue of reminders: its URL, None where it has to be looked up; its name; and that of its dead-letter queue's."""
        return self.url and f"{self.url}-webhooks", f"{self.name}-webhooks", f"{self.name}-webhooks-dlq"

    def name_of(self, lane: Priority) -> str:
        """The name of a lane's queue, where nothing says its URL."""
        return f"{self.name}{_suffix(lane)}"

    def url_of(self, lane: Priority) -> tuple[str | None, str]:
        """The URL of a lane's queue, None where it has to be looked up by name; and the variable that says it."""
        own = {Priority.HIGH: self.high_url, Priority.LOW: self.low_url}.get(lane)
        if own:
            return own, variable_name(("queue", f"{lane}_url"))
        return self.url and f"{self.url}{_suffix(lane)}", variable_name(("queue", "url"))


class StoreSettings(Group):
    """DynamoDB and S3."""

    table: str = Field(
        "quarry-jobs",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="DynamoDB table of the jobs. A wrong name stops the process at its start.",
    )
    bucket: str = Field(
        "quarry-payloads",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="S3 bucket for payloads and results too large for the table. A wrong name stops the process at its start.",
    )
    kms_key_id: str | None = Field(
        None, description="KMS key that S3 encrypts them under; without it, S3's own. A wrong one refuses every large payload."
    )
    url_seconds: int = Field(
        3600,
        ge=1,
        le=604_800,
        description="How long the URL of a large result can be opened; at most as long as the API's own credentials last. "
        "Too long: whoever comes by a URL can read the result.",
    )


class WorkerSettings(Group):
    """The worker process."""

    slots: int = Field(
        100, ge=1, le=2000, description="Jobs in flight per process. Too many: memory and throttling; too few: idle quota."
    )
    receivers: int = Field(
        4,
        ge=1,
        le=32,
        description="Concurrent long polls of each lane. Too few cap the rate at which jobs are taken (each brings up to 10).",
    )
    lane_weights: str = Field(
        "6,3,1",
        pattern=r"^[1-9][0-9]{0,2},[1-9][0-9]{0,2},[1-9][0-9]{0,2}$",
        description="Shares of what is received while every lane has work: of `high`, `normal` and `low`. An empty lane's share "
        "goes to the others. Too far apart: `low` crawls; too near: `high` waits.",
    )
    lane_ageing_seconds: int = Field(
        60,
        ge=1,
        le=86_400,
        description="A lane whose jobs have waited so long weighs twice as much, after twice as long three times, up to five "
        "times. Too short: a backlog of `low` counts like `normal`; too long: it counts as little as ever.",
    )
    reserved_slots: int | None = Field(
        None,
        ge=0,
        description="Slots that only `high` may take (by default a twentieth of all: none of fewer than 20). Too many: idle "
        "slots; too few: `high` waits until a call ends.",
    )
    spare_slots: int = Field(
        0,
        ge=0,
        le=1000,
        description="Slots on top of the others, for tenants that hold less than their fair share; an eighth as many is a good "
        "number. With 0 a tenant waits behind another's backlog, where the queue does not help; with others, several workers work "
        "a backlog more slowly while more than one tenant is there.",
    )
    lease_seconds: int = Field(
        60,
        ge=10,
        le=600,
        description="How long a claim lasts unless renewed, which happens every third of it. Too short: a pause loses the job to "
        "another worker; too long: the jobs of a dead worker wait.",
    )
    drain_seconds: int = Field(
        110,
        ge=1,
        le=3600,
        description="Time on SIGTERM to finish what runs; the rest is handed back. Must be below the platform's kill time "
        "(ECS stopTimeout is at most 120 s on Fargate), or calls are paid twice.",
    )
    grace_seconds: int | None = Field(
        None,
        ge=1,
        le=86_400,
        description="How long the platform waits between SIGTERM and SIGKILL: say here what is set there (`stop_grace_period` of "
        "Compose, `stopTimeout` of ECS), and a worker whose drain is not shorter stops at its start. Without it nobody checks.",
    )
    inflight_bytes: int = Field(
        268_435_456,
        ge=1_048_576,
        description="Content of the jobs in flight, together; a job waits until there is room. Memory is about four times that. "
        "Too much: the process is killed; too little: slots stay empty while large jobs run.",
    )
    sweep_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="Between looks for jobs that lost their message (one worker at a time looks). Too long: such jobs wait.",
    )
    scale_in_protection: bool = Field(
        True,
        description="Ask the ECS agent not to choose this task where tasks are stopped, while it makes paid calls. Nothing happens "
        "where there is no such agent. Without it, a scale-in or a deployment cuts calls that outlast the drain.",
    )
    metrics_port: Port = Field(9090, description="Port of /livez, /readyz and /metrics; 0 takes any free one.")
    metrics_host: str = Field("127.0.0.1", description="Address that port listens on; 0.0.0.0 in a container.")

    @property
    def reserved(self) -> int:
        """Slots that only `high` may take. A twentieth is our own choice."""
        return self.slots // 20 if self.reserved_slots is None else self.reserved_slots

    @property
    def weights(self) -> dict[Priority, int]:
        """The weights of the lanes."""
        return dict(zip(Priority, map(int, self.lane_weights.split(",")), strict=True))


class WebhookSettings(Group):
    """Telling callers of their jobs' ends, by HTTP."""

    enabled: bool | None = Field(
        None,
        description="Whether submissions may name a `webhook_url`, and workers call it. By default in `local` only: workers then "
        "open connections to hosts that callers choose. Where it is on, the queue NAME-webhooks has to be there.",
    )
    allow_loopback: bool = Field(
        False,
        description="Let webhooks lead to this machine, by http too and on every port. Possible in `local` only: it is for "
        "receivers that you run beside it.",
    )
    concurrency: int = Field(
        20,
        ge=2,
        le=500,
        description="Webhooks that a worker calls at a time, beside its slots; half are for one tenant, a quarter for one host. "
        "Too few: they come late; too many: memory and sockets.",
    )
    timeout_seconds: int = Field(
        10, ge=1, le=60, description="How long a receiver may take to answer. Too long: slow receivers hold up the others."
    )


class EventSettings(Group):
    """Telling the operator's own systems of every job's end."""

    sns_topic_arn: str | None = Field(
        None,
        pattern=r"^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$",
        description="SNS topic that every job's end is published to, without content; give the same to API and workers. A wrong "
        "one: nothing is published, and the log says so.",
    )
    event_bus_name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_./-]{1,256}$",
        description="EventBridge event bus that every job's end is put on, without content; give the same to API and workers. A "
        "wrong one: nothing is put there, and the log says so.",
    )


class BreakerSettings(Group):
    """When a target that fails is left alone."""

    failures: int = Field(
        5,
        ge=0,
        le=1000,
        description="After so many failures a target is not asked for a while; 0: every target is always asked. Too few: a blip "
        "closes a region; too many: calls are wasted on a dead one.",
    )
    window_seconds: int = Field(
        60, ge=1, le=3600, description="Failures older than that are forgotten. Too long: rare ones add up on a quiet target."
    )
    open_seconds: int = Field(
        30,
        ge=1,
        le=600,
        description="How long it is left alone before one call is tried. Too long: its return is noticed late; too short: calls "
        "are wasted.",
    )


class LimiterSettings(Group):
    """What is done where all targets of a route are full: their quotas, or ceilings, are used up for the moment."""

    wait_seconds: int = Field(
        10,
        ge=0,
        le=300,
        description="How long a job waits in its slot for room before it goes back to the queue. Too short: jobs come and go, "
        "which costs writes; too long: slots are held by jobs that only wait.",
    )


class ApiSettings(Group):
    """The producer process."""

    auth: Annotated[str, _list_of((*SCHEMES, ANONYMOUS))] | None = Field(
        None,
        description="How callers prove who they are: `api_key`, `jwt`, or both (`api_key,jwt`). `anonymous` is possible in `local` "
        "only, by itself, and is the default there.",
    )
    key_cache_seconds: int = Field(
        5,
        ge=1,
        le=60,
        description="How long what was read of an API key is relied on. Too long: a revoked key still opens; too short: a read for "
        "almost every request.",
    )
    roles_file: str | None = Field(
        None, description="Path of roles.toml: roles beside the built-in ones, or in their place. A wrong one stops the process."
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="How many proxies of yours are in front, whose entries of X-Forwarded-For are believed, from the right. Too "
        "many: callers choose the address that the audit log has of them; too few: it has a proxy's.",
    )
    metrics_port: Port = Field(9091, description="Port of /livez, /readyz and /metrics; 0 takes any free one.")
    metrics_host: str = Field("127.0.0.1", description="Address that port listens on; 0.0.0.0 in a container.")
    body_max_bytes: int = Field(
        23_068_672,
        ge=1024,
        le=104_857_600,
        description="Largest request body, except bulk: the largest payload and its wrapping. Too small: payloads are refused "
        "that a job could carry; too large: memory per request.",
    )
    bulk_body_max_bytes: int = Field(
        20_971_520, ge=1024, le=104_857_600, description="Largest body of a bulk submission. Too large: memory per request."
    )
    inflight_body_bytes: int = Field(
        134_217_728,
        ge=1_048_576,
        description="Request bodies being served, together, small ones aside; beyond it a request is answered with 503. Memory is "
        "about four times that. Too much: the process is killed; too little: large submissions are turned away.",
    )
    connections: int = Field(
        4096,
        ge=10,
        le=200_000,
        description="Connections at a time; one more is answered with 503 and closed. Too many: memory (tens of KiB each) and the "
        "process's open files; too few: callers are turned away, long-polls with them.",
    )
    wait_max_seconds: int = Field(
        30,
        ge=0,
        le=30,
        description="Longest `wait_seconds` of a GET. Longer than a proxy in front waits for an answer: it gives up first; "
        "shorter: callers ask more often.",
    )
    lookup_max_bytes: int = Field(
        5_242_880,
        ge=0,
        le=5_242_880,
        description="Results that one lookup shows, together; jobs beyond it come without theirs. More than a proxy in front lets "
        "pass: the whole answer is lost.",
    )
    waiters: int = Field(
        1000, ge=0, le=100_000, description="Concurrent long-polls; beyond it a GET answers at once. Too many: read cost."
    )
    followers: int = Field(
        500,
        ge=0,
        le=100_000,
        description="Event streams at a time, half of them for one tenant; one more is answered with 503. With 0 there are none. "
        "Too many: read cost, up to four queries a second for each, and connections that others want.",
    )

    @property
    def schemes(self) -> tuple[str, ...]:
        """Those of SCHEMES that are to be used, in this order; none where nobody is asked who they are."""
        return () if self.auth is None or self.auth == ANONYMOUS else listed(self.auth)


class JwtSettings(Group):
    """Tokens of an OpenID Connect issuer."""

    issuer: str | None = Field(
        None,
        pattern=_URL,
        description="Who signs the tokens: exactly their `iss`, an https URL (http in `local` only). Needed by `jwt`. A wrong one "
        "refuses every token.",
    )
    audience: str | None = Field(
        None, description="Whom the tokens are for: their `aud`, or one of it. Needed by `jwt`. A wrong one refuses every token."
    )
    jwks_url: str | None = Field(
        None,
        pattern=_URL,
        description="Where the issuer publishes its keys; without it, where ISSUER/.well-known/openid-configuration says. While "
        "nothing is there, tokens are answered with 503.",
    )
    algorithms: Annotated[str, _list_of(ALGORITHMS)] = Field(
        "RS256,ES256",
        description=f"What the issuer signs with, comma-separated: {', '.join(ALGORITHMS)}. Tokens signed otherwise are refused.",
    )
    leeway_seconds: int = Field(
        30,
        ge=0,
        le=300,
        description="How far the issuer's clock may be off. Too short: fresh tokens are refused; too long: tokens live on.",
    )
    tenant_claim: str = Field(
        "tenant",
        min_length=1,
        description="The claim that names the tenant: its name, or a dotted path. A token without it is refused.",
    )
    roles_claim: str = Field(
        "roles",
        min_length=1,
        description="The claim with roles and permissions, as a list or separated by spaces (`scope`): its name, or a dotted path. "
        "A token without it may do nothing.",
    )
    keys_seconds: int = Field(
        600,
        ge=30,
        le=43_200,
        description="After how long the issuer's keys are fetched anew. Too long: a key that the issuer withdraws still opens.",
    )


class AuditSettings(Group):
    """The audit log, of the API and of operators' commands."""

    file: str | None = Field(
        None,
        description="File that audit records are appended to; made where it is not there. Without it they go to stderr, among the "
        "log's lines, and in `local` nowhere. One that cannot be written stops the process at its start.",
    )


class EmfSettings(Group):
    """Metrics for CloudWatch, as lines in the log (embedded metric format)."""

    namespace: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.#/-]{1,255}$",
        description="CloudWatch namespace of what API and workers measure; without it, no such lines are written. Where the log "
        "does not go to CloudWatch Logs they are of no use; another one than dashboard and alarms read leaves these empty.",
    )
    seconds: int = Field(
        60,
        ge=1,
        le=3600,
        description="Between such lines. Too short: more of the log is paid for; longer than a minute: graphs and alarms get "
        "holes, and the workers' number follows late.",
    )


class TracingSettings(Group):
    """Traces, by OpenTelemetry. Where they go is said by OpenTelemetry's own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT."""

    enabled: bool = Field(
        False,
        description="Whether traces are sent. Without the packages of the extra `otel` the process then stops at its start; "
        "without a collector nothing is hurt, and traces are lost.",
    )
    sample_ratio: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the traces that begin here and are kept; of its own, a caller who was let in decides. Without, "
        "what OTEL_TRACES_SAMPLER says: all. Too much: the collector's bill; too little: the trace that you want is not there.",
    )


class JobSettings(Group):
    """Limits and defaults of a job."""

    max_attempts: int = Field(3, ge=1, le=10, description="Attempt budget where a submission names none.")
    max_tokens: int = Field(500, ge=1, description="Output bound where a submission names none.")
    max_tokens_limit: int = Field(
        64_000, ge=1, le=1_000_000, description="Largest output bound a submission may ask for; quota is reserved by it."
    )
    deadline_seconds: int = Field(86_400, ge=1, le=1_036_800, description="Deadline where a submission names none.")
    payload_max_bytes: int = Field(
        20_971_520,
        ge=1024,
        le=25_000_000,
        description="Largest payload of one job, as JSON. Too large: models refuse it (Bedrock takes 25 MB at most), and memory.",
    )
    retention_days: int = Field(14, ge=1, le=365, description="How long a finished job can be read.")


def base_url(text: str) -> str:
    """A base URL of an API, as it is.

    Raises:
        ValueError: it is none; the message says why.
    """
    parts = urlsplit(text)
    # Whoever asks for a port that is none gets a ValueError.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("it must begin with http:// or https:// and name a host")
    return text


def _credential(given: SecretStr) -> SecretStr:
    """As it can be sent: mounted secrets end in a line break."""
    text = given.get_secret_value().strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it holds what no key and no token has: a space, a line break, or what is not ASCII")
    return SecretStr(text)


class ClientSettings(Group):
    """The command line, where it talks to an API."""

    api_url: Annotated[str, AfterValidator(base_url)] = Field(
        "http://127.0.0.1:8000",
        description="Base URL of the API that `quarry submit`, `status`, `jobs` and `cancel` talk to. A wrong one ends them.",
    )
    api_key: Annotated[SecretStr, AfterValidator(_credential)] | None = Field(
        None, description="The key, or token, that they send. Without it, an API that asks who is calling refuses them."
    )


class Settings(BaseSettings):
    """All settings. Names in the environment: prefix `QUARRY_`, `__` between group and field."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    environment: Environment = Field(
        Environment.PRODUCTION,
        description="`local` relaxes what a laptop cannot have; anything else insists on authentication.",
    )
    region: str = Field(
        "",
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="AWS region of queue, table and bucket, and of the built-in route.",
    )
    routes_file: str | None = Field(
        None,
        description="Path of routes.toml, which is followed: changes hold within seconds. Without it there is one built-in route. "
        "A wrong one stops the process at its start, and later changes nothing.",
    )
    tenants_file: str | None = Field(
        None,
        description="Path of tenants.toml, which says what holds for the jobs of each tenant, and is followed: changes hold within "
        "seconds. Without it they are all alike. A wrong one stops the process at its start, and later changes nothing.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level that is logged.")
    log_content: Literal["off", "masked", "plain"] = Field(
        "off",
        description="Whether workers log what was asked and answered: `masked`, without what tells of a person by its shape; "
        "`plain`, in `local` only. What is in a log is not reached by erasure.",
    )
    queue: QueueSettings = QueueSettings()
    store: StoreSettings = StoreSettings()
    worker: WorkerSettings = WorkerSettings()
    webhooks: WebhookSettings = WebhookSettings()
    events: EventSettings = EventSettings()
    breaker: BreakerSettings = BreakerSettings()
    limiter: LimiterSettings = LimiterSettings()
    api: ApiSettings = ApiSettings()
    audit: AuditSettings = AuditSettings()
    emf: EmfSettings = EmfSettings()
    jwt: JwtSettings = JwtSettings()
    tracing: TracingSettings = TracingSettings()
    job: JobSettings = JobSettings()
    client: ClientSettings = ClientSettings()

    @model_validator(mode="after")
    def _cross_check(self) -> Self:
        if not self.region:
            if self.environment is not Environment.LOCAL:
                raise ValueError("AWS_REGION is not set; name the region of the queue and the table")
            object.__setattr__(self, "region", "us-east-1")
        if self.job.max_tokens > self.job.max_tokens_limit:
            raise ValueError("QUARRY_JOB__MAX_TOKENS is above QUARRY_JOB__MAX_TOKENS_LIMIT; lower the one or raise the other")
        if self.worker.reserved >= self.worker.slots:
            raise ValueError("QUARRY_WORKER__RESERVED_SLOTS leaves nothing to `normal`; it must be below QUARRY_WORKER__SLOTS")
        if self.worker.grace_seconds is not None and self.worker.drain_seconds >= self.worker.grace_seconds:
            raise ValueError(
                f"QUARRY_WORKER__DRAIN_SECONDS ({self.worker.drain_seconds}) is not below QUARRY_WORKER__GRACE_SECONDS "
                f"({self.worker.grace_seconds}): the worker would be killed while it drains; lower the one or raise the other"
            )
        if self.webhooks.allow_loopback and self.environment is not Environment.LOCAL:
            raise ValueError(
                f"QUARRY_WEBHOOKS__ALLOW_LOOPBACK is set, which QUARRY_ENVIRONMENT={self.environment} does not allow; callers "
                "could reach what runs beside the worker"
            )
        if self.log_content == "plain" and self.environment is not Environment.LOCAL:
            raise ValueError("QUARRY_LOG_CONTENT=plain is possible in `local` only; use `masked`, or `off`")
        self._check_auth()
        return self

    @property
    def takes_webhooks(self) -> bool:
        """Whether a submission may name a URL to be told at."""
        return self.environment is Environment.LOCAL if self.webhooks.enabled is None else self.webhooks.enabled

    @property
    def publishes(self) -> bool:
        """Whether there is somewhere to publish every job's end."""
        return bool(self.events.sns_topic_arn or self.events.event_bus_name)

    def _check_auth(self) -> None:
        named = listed(self.api.auth or "")
        if ANONYMOUS in named and len(named) > 1:
            raise ValueError("QUARRY_API__AUTH names `anonymous` beside others; it is possible by itself only")
        if ANONYMOUS in named and self.environment is not Environment.LOCAL:
            raise ValueError(
                f"QUARRY_API__AUTH is `anonymous`, which QUARRY_ENVIRONMENT={self.environment} does not allow; "
                "without authentication Quarry runs in `local` only"
            )
        if "jwt" not in named:
            return
        allowed = ("https://", "http://") if self.environment is Environment.LOCAL else ("https://",)
        for name in ("issuer", "audience", "jwks_url"):
            variable, value = variable_name(("jwt", name)), getattr(self.jwt, name)
            if value is None and name != "jwks_url":
                raise ValueError(f"{variable} is not set, and QUARRY_API__AUTH names `jwt`; say whose tokens hold, and for whom")
            if value is not None and name != "audience" and not value.startswith(allowed):
                raise ValueError(f"{variable} is {value!r}: it must be an https URL; http is possible in `local` only")


class _ClientEnvironment(BaseSettings):
    """What a client needs, and no more: it has no region, no queue and no table."""

    model_config = Settings.model_config

    client: ClientSettings = ClientSettings()


_Read = TypeVar("_Read", Settings, _ClientEnvironment)


def load_settings() -> Settings:
    """Read the settings from the process's environment.

    Raises:
        ConfigurationError: one sentence that names the variable.
    """
    return _load(Settings)


def load_client_settings() -> ClientSettings:
    """Read the settings of a client of the API.

    Raises:
        ConfigurationError: one sentence that names the variable.
    """
    return _load(_ClientEnvironment).client


def environment_secret(name: str) -> SecretStr | None:
    """A secret that a configuration file names by its variable; None where that is not set, or empty."""
    return SecretStr(os.environ[name]) if os.environ.get(name) else None


def _load(kind: type[_Read]) -> _Read:
    _refuse_unknown_groups()
    try:
        return kind()
    except SettingsError as error:
        # A group given as one variable (QUARRY_WORKER=…) that is not a JSON object.
        raise ConfigurationError(f"{error}; set the group's fields one by one, such as QUARRY_WORKER__SLOTS") from error
    except ValidationError as error:
        raise ConfigurationError(_sentence(error)) from error


def is_set(variable: str) -> bool:
    """Whether a variable that a configuration file names has a value."""
    return bool(os.environ.get(variable))


@dataclass(frozen=True, slots=True)
class EcsEndpoints:
    """Where ECS lets a container ask the agent of its task, and read the task's metadata."""

    agent: str
    metadata: str | None


def ecs_endpoints() -> EcsEndpoints | None:
    """As ECS tells each container of a task; None elsewhere."""
    agent = os.environ.get("ECS_AGENT_URI")
    return EcsEndpoints(agent, os.environ.get("ECS_CONTAINER_METADATA_URI_V4") or None) if agent else None


def variable_name(path: tuple[str | int, ...]) -> str:
    """`("worker", "slots")` → `QUARRY_WORKER__SLOTS`."""
    if path and path[0] in ("AWS_REGION", "region"):
        return "AWS_REGION"
    return PREFIX + DELIMITER.join(str(part) for part in path).upper()


def _refuse_unknown_groups() -> None:
    # Only names with the delimiter: platforms inject others that merely share the prefix (QUARRY_API_SERVICE_HOST).
    groups = {name for name, field in Settings.model_fields.items() if isinstance(field.default, Group)}
    for name in sorted(os.environ):
        group, delimiter, _ = name.removeprefix(PREFIX).partition(DELIMITER)
        if name.startswith(PREFIX) and delimiter and group.lower() not in groups:
            known = ", ".join(f"{PREFIX}{known.upper()}{DELIMITER}…" for known in sorted(groups))
            raise ConfigurationError(f"{name} is not a setting; the groups are {known}")


def _sentence(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    name, message = variable_name(first["loc"]), str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        text = f"{name} is not a setting"
    elif not first["loc"]:
        text = message  # a cross-check names its variables itself
    else:
        # A client's settings hold a key, and perhaps a password in a URL.
        shown = "" if first["loc"][0] == "client" else f" is {first['input']!r}"
        text = f"{name}{shown}: {message[0].lower()}{message[1:]}"
    return text if len(faults) == 1 else f"{text} (and {len(faults) - 1} more)"

"""All settings: the groups, the fields of none, and what must hold between them."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from quarry.settings.api import ANONYMOUS, ApiSettings
from quarry.settings.client import ClientSettings
from quarry.settings.group import DELIMITER, PREFIX, listed, variable_name
from quarry.settings.job import JobSettings
from quarry.settings.jwt import JwtSettings
from quarry.settings.notifications import EventSettings, WebhookSettings
from quarry.settings.queue import QueueSettings
from quarry.settings.store import StoreSettings
from quarry.settings.targets import BreakerSettings, LimiterSettings
from quarry.settings.telemetry import AuditSettings, EmfSettings, TracingSettings
from quarry.settings.worker import WorkerSettings


class Environment(StrEnum):
    """Where this process runs. Only `local` may do without authentication."""

    LOCAL = "local"
    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"


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

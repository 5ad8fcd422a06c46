"""Settings of who is told of jobs' ends, `QUARRY_WEBHOOKS__…` and `QUARRY_EVENTS__…`."""

from pydantic import Field

from quarry.settings.group import Group


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

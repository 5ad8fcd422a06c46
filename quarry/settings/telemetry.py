"""Settings of what is written down of the work: `QUARRY_AUDIT__…`, `QUARRY_EMF__…` and `QUARRY_TRACING__…`."""

from pydantic import Field

from quarry.settings.group import Group


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

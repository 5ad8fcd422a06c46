"""The catalogue of metrics: names, meanings, labels. Prometheus rules: base units, `_total`, bounded labels only.

No label ever holds a request id, a tenant or an error's text: each value of each label is one of a small known set.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from quarry.telemetry.histogram import Histogram

#: From a quick answer to the longest that a model takes.
LATENCY_BUCKETS: Final = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 900)
#: From the next receive to a day's backlog.
WAIT_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)


class ProducerMetrics:
    """What the API counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.submissions = Counter(
            "quarry_submissions_total", "Jobs handed in, by what became of that.", ["outcome"], registry=registry
        )
        self.requests = Counter("quarry_http_requests_total", "HTTP requests.", ["method", "route", "code"], registry=registry)
        self.request_seconds = Histogram(
            "quarry_http_request_duration_seconds", "Time to answer a request.", ["method", "route"], registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )  # fmt: skip
        self.audit_records = Counter(
            "quarry_audit_records_total", "Audit records, by what became of them.", ["outcome"], registry=registry
        )
        self.waiters = Gauge("quarry_http_waiters", "Long-polls under way.", registry=registry)
        self.followers = Gauge("quarry_http_followers", "Event streams under way.", registry=registry)


class WorkerMetrics:
    """What a worker counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.received = Counter(
            "quarry_deliveries_received_total", "Deliveries taken from the queue, by lane.", ["lane"], registry=registry
        )
        self.returned = Counter(
            "quarry_deliveries_returned_total", "Deliveries for which there was no slot, and which went back at once.", ["lane"],
            registry=registry,
        )  # fmt: skip
        self.front = Gauge(
            "quarry_lane_wait_seconds", "How long a lane's jobs now wait for their first receipt, as this worker sees it.",
            ["lane"], registry=registry,
        )  # fmt: skip
        self.settled = Counter("quarry_deliveries_settled_total", "Deliveries settled.", ["outcome", "reason"], registry=registry)
        self.delivery_wait = Histogram(
            "quarry_delivery_wait_seconds", "Time between the sending of an envelope and its first receipt.", ["lane"],
            registry=registry, buckets=WAIT_BUCKETS,
        )  # fmt: skip
        self.claims_refused = Counter("quarry_claims_refused_total", "Claims refused.", ["reason"], registry=registry)
        self.finished = Counter("quarry_jobs_finished_total", "Jobs that became terminal here.", ["outcome"], registry=registry)
        self.job_seconds = Histogram(
            "quarry_job_duration_seconds", "Time from submission to the terminal state.", ["outcome", "lane"], registry=registry,
            buckets=WAIT_BUCKETS,
        )  # fmt: skip
        self.attempts = Counter("quarry_attempts_total", "Attempts ended.", ["outcome"], registry=registry)
        self.calls_repeated = Counter(
            "quarry_calls_repeated_total", "Model calls that may be paid again, by reason.", ["reason"], registry=registry
        )
        self.calls_withheld = Counter(
            "quarry_calls_withheld_total", "Model calls that may have been paid and were not repeated, for their route says so.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.guarded = Counter(
            "quarry_guarded_total", "Attempts in whose text a tenant's guard found something, by what became of them.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.lease_renewals = Counter("quarry_lease_renewals_total", "Lease renewals.", ["outcome"], registry=registry)
        self.swept = Counter(
            "quarry_swept_total", "Jobs that the sweep found without a message, or that were over, by what it did.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.notifications = Counter(
            "quarry_notifications_total", "Tries to tell of a job's end, by what became of them.", ["channel", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.clock_offset = Gauge(
            "quarry_clock_offset_seconds", "How far AWS's clock is ahead of this machine's; small offsets count as none.",
            registry=registry,
        )  # fmt: skip
        self.text_writes = Counter(
            "quarry_text_writes_total", "Writes of text of jobs that are streamed.", ["outcome"], registry=registry
        )
        self.protected = Gauge(
            "quarry_task_protected", "1 while ECS is asked not to choose this task where it stops tasks.", registry=registry
        )
        self.protection_requests = Counter(
            "quarry_task_protection_requests_total", "What the ECS agent was asked for, by what became of that.",
            ["outcome"], registry=registry,
        )  # fmt: skip
        self.aside = Gauge(
            "quarry_standing_aside", "1 while this worker receives nothing, so that ECS can stop it without loss.",
            registry=registry,
        )  # fmt: skip
        self.slots = Gauge("quarry_slots", "Slots of this worker.", registry=registry)
        self.slots_in_use = Gauge("quarry_slots_in_use", "Slots working a job.", registry=registry)
        self.blocked = Gauge("quarry_targets_blocked", "Targets that refuse us (credentials, access, model id).", registry=registry)


class InferenceMetrics:
    """What the engine counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        target = ["provider", "region", "model"]
        self.invocations = Counter("quarry_invocations_total", "Model calls.", [*target, "outcome"], registry=registry)
        self.invocation_seconds = Histogram(
            "quarry_invocation_duration_seconds", "Time of a model call.", target, registry=registry, buckets=LATENCY_BUCKETS
        )
        self.time_to_first_token = Histogram(
            "quarry_time_to_first_token_seconds", "Time of a streamed model call until its first text.", target, registry=registry,
            buckets=LATENCY_BUCKETS,
        )  # fmt: skip
        self.tokens = Counter("quarry_tokens_total", "Tokens of answered calls.", [*target, "direction"], registry=registry)
        self.fallbacks = Counter(
            "quarry_fallbacks_total", "Targets that were passed over for the next one of their route.", [*target, "reason"],
            registry=registry,
        )  # fmt: skip
        self.breaker_state = Gauge(
            "quarry_breaker_state", "Whether a target is asked: 0 as usual, 1 by one probe at a time, 2 not at all.", target,
            registry=registry,
        )  # fmt: skip
        self.breaker_openings = Counter(
            "quarry_breaker_openings_total", "How often a target began to be left alone, and went on so after a probe, by reason.",
            [*target, "reason"], registry=registry,
        )  # fmt: skip
        self.throttles = Counter(
            "quarry_throttles_total", "Model calls that were throttled, by the limit that they met.", [*target, "limit"],
            registry=registry,
        )  # fmt: skip
        self.limiter_rate = Gauge(
            "quarry_limiter_rate", "Requests, and tokens, that this worker lets begin a second.", [*target, "limit"],
            registry=registry,
        )  # fmt: skip
        self.limiter_wait_seconds = Histogram(
            "quarry_limiter_wait_seconds", "How long attempts waited in their slot for room at a target, by how that ended.",
            ["outcome"], buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20), registry=registry,
        )  # fmt: skip


class FilesMetrics:
    """What whoever follows the configuration files counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.routes_reloads = Counter(
            "quarry_routes_reloads_total", "Times that the routes file was read anew, by what became of that.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.routes_refused = Gauge(
            "quarry_routes_refused", "1 while the routes file is wrong and the earlier routes go on serving.", registry=registry
        )
        self.tenants_reloads = Counter(
            "quarry_tenants_reloads_total", "Times that the tenants file was read anew, by what became of that.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.tenants_refused = Gauge(
            "quarry_tenants_refused",
            "1 while the tenants file is wrong and what it said before goes on holding.",
            registry=registry,
        )

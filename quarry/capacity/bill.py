"""A month's bill of the stack that `terraform/examples/complete` makes, and of the models' tokens. Pure.

What a job takes of AWS is counted from what Quarry does (a write when it is submitted, one when it is claimed, and so on). What is
batched is taken as if it were not, so requests come out too high rather than too low. Sizes are our own estimates.
"""

import math
from dataclasses import dataclass
from typing import Final

from quarry.capacity.plan import Load, Plan
from quarry.capacity.prices import PRICES, Price

_HOURS: Final = 730.0
_DAYS: Final = _HOURS / 24
_MILLION: Final = 1e6
#: As Terraform has them by default: a worker, a task of the API, the zones and endpoints of a network of its own, the firewall.
_WORKER_VCPU, _WORKER_GB = 1.0, 2.0
_API_TASKS, _API_VCPU, _API_GB = 2, 0.5, 1.0
_ZONES, _ENDPOINTS, _FIREWALL_RULES = 2, 8, 3
#: A job is sent, received and acknowledged.
_SQS_REQUESTS: Final = 3
#: It is written when it is submitted, claimed and recorded. The index of the tenant's jobs takes each write, that of due jobs takes
#: one, then two (its key changes), then one.
_WRITES, _INDEX_WRITES = 3, 3 + 4
#: It is read when it is asked for: once, consistently; and so many requests of HTTP are a submission and a question.
_READS, _HTTP_REQUESTS = 1, 2
#: English; of a token. Our own choice, as in `quarry/inference/reservation.py`.
_CHARACTERS: Final = 4
#: A record without content, and what a job writes to the log, some lines of JSON: our own estimates.
_RECORD_KB, _LOG_KB = 1.0, 3.0
#: Content that a record holds; more lies in S3.
_INLINE_KB: Final = 16.0
#: A capacity unit of the load balancer: so many new connections a second.
_UNIT_CONNECTIONS: Final = 25.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of one call, on average, and what a million cost; `factor` on both."""

    input_tokens: float
    output_tokens: float
    input_price: Price | None = None
    output_price: Price | None = None
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the bill. `prices`: which of the table it is reckoned with."""

    what: str
    usd: float
    counted: str
    prices: tuple[Price, ...]


def bill(load: Load, of: Plan, tokens: Tokens | None) -> tuple[Line, ...]:
    """Each thing that has a price, and the models' tokens where they and their price are told."""
    jobs = load.jobs_per_day * _DAYS
    in_kb, out_kb = _content_kb(tokens)
    return (
        _compute("workers", of.tasks_mean, _WORKER_VCPU, _WORKER_GB),
        _compute("API", _API_TASKS, _API_VCPU, _API_GB),
        _line("queues", ("sqs_requests", jobs * _SQS_REQUESTS / _MILLION), f"{_SQS_REQUESTS} requests a job"),
        _table(jobs, in_kb, out_kb),
        _line("logs", ("logs", jobs * _LOG_KB / _MILLION), f"{_LOG_KB:g} KB a job"),
        _line(
            "load balancer",
            ("balancer_hours", _HOURS),
            f"one, {_HTTP_REQUESTS} requests a job, each on a connection of its own",
            ("balancer_units", _HOURS * of.jobs_per_second_mean * _HTTP_REQUESTS / _UNIT_CONNECTIONS),
        ),
        _line(
            "firewall",
            ("firewall", 1),
            f"{_FIREWALL_RULES} rules, {_HTTP_REQUESTS} requests a job",
            ("firewall_rules", _FIREWALL_RULES),
            ("firewall_requests", jobs * _HTTP_REQUESTS / _MILLION),
        ),
        _line(
            "endpoints",
            ("endpoint_hours", _HOURS * _ENDPOINTS * _ZONES),
            f"{_ENDPOINTS} in {_ZONES} zones, {in_kb + out_kb + _LOG_KB:,.0f} KB a job",
            ("endpoint_gb", jobs * (in_kb + out_kb + _LOG_KB) / _MILLION),
        ),
        *_of_tokens(jobs, tokens),
    )


def _line(what: str, first: tuple[str, float], counted: str, *others: tuple[str, float]) -> Line:
    used = (first, *others)
    return Line(what, sum(PRICES[name].usd * amount for name, amount in used), counted, tuple(PRICES[name] for name, _ in used))


def _compute(what: str, tasks: float, vcpu: float, gb: float) -> Line:
    hours = _HOURS * tasks
    return _line(
        what, ("fargate_vcpu", hours * vcpu), f"{tasks:,.1f} tasks of {vcpu:g} vCPU, {gb:g} GB", ("fargate_gb", hours * gb)
    )


def _table(jobs: float, in_kb: float, out_kb: float) -> Line:
    """A write unit is a KB of the whole item, whatever changed; a read unit, 4 KB."""
    before, after = _RECORD_KB + min(in_kb, _INLINE_KB), _RECORD_KB + min(in_kb, _INLINE_KB) + min(out_kb, _INLINE_KB)
    writes = (_WRITES - 1) * math.ceil(before) + math.ceil(after) + _INDEX_WRITES
    reads = _READS * math.ceil(after / 4)
    return _line(
        "table",
        ("table_writes", jobs * writes / _MILLION),
        f"{writes} write units and {reads} read units a job",
        ("table_reads", jobs * reads / _MILLION),
    )


def _content_kb(tokens: Tokens | None) -> tuple[float, float]:
    """Of prompt and answer; where nobody said, a KB each."""
    if tokens is None:
        return 1.0, 1.0
    return tokens.input_tokens * _CHARACTERS / 1000, tokens.output_tokens * _CHARACTERS / 1000


def _of_tokens(jobs: float, tokens: Tokens | None) -> tuple[Line, ...]:
    if tokens is None or tokens.input_price is None or tokens.output_price is None:
        return ()
    spent = tokens.input_tokens * tokens.input_price.usd + tokens.output_tokens * tokens.output_price.usd
    counted = f"{tokens.input_tokens:,.0f} tokens in, {tokens.output_tokens:,.0f} out a job"
    if tokens.factor != 1:
        counted += f", times {tokens.factor:g} for a profile that is not global"
    return (Line("models", jobs * spent * tokens.factor / _MILLION, counted, (tokens.input_price, tokens.output_price)),)

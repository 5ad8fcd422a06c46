"""Prices, each with where and when it stood. Pure data.

All are of us-east-1, on demand, without free tiers and discounts, as public pages had them, read in November 2026 as stored copies.
None of these pages is AWS's own, whose stored copies have no figures. They are good for an estimate, not for a contract: check what
weighs most on AWS's page. What no page was found to say is in UNVERIFIED, without a figure, and in no sum.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Price(NamedTuple):
    """`unit`: what the price is for. `as_of`: the month, or year, that the source names."""

    usd: float
    unit: str
    as_of: str
    source: str


_FARGATE: Final = ("2026-03", "https://www.wring.co/blog/aws-fargate-pricing-guide")
_SQS: Final = ("2026-03", "https://cloudburn.io/blog/amazon-sqs-pricing")
_TABLE: Final = ("2025-07", "https://airbyte.com/data-engineering-resources/dynamodb-pricing")
_LOGS: Final = ("2026-06", "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/")
_BALANCER: Final = ("2026-05", "https://cloud-horizons.com/blog/alb-the-line-item-nobody-watches/")
_ENDPOINTS: Final = ("2026-05", "https://awsnegotiations.com/privatelink-cost-analysis.html")
_FIREWALL: Final = ("2026", "https://awsnegotiations.com/waf-pricing-strategy.html")
_CLAUDE: Final = ("2026", "https://clauder-navi.com/en/bedrock-claude-cost/")

#: By what is paid for.
PRICES: Final[Mapping[str, Price]] = {
    "fargate_vcpu": Price(0.04048, "vCPU hour, Linux on x86", *_FARGATE),
    "fargate_gb": Price(0.004445, "GB hour, Linux on x86", *_FARGATE),
    # Messages are grouped by tenant (fair queues), which costs 0.10 more than the 0.40 of a standard queue.
    "sqs_requests": Price(0.50, "million requests, fair queue", *_SQS),
    "table_writes": Price(0.625, "million write units, on demand", *_TABLE),
    "table_reads": Price(0.125, "million read units, on demand", *_TABLE),
    "logs": Price(0.50, "GB taken in", *_LOGS),
    "balancer_hours": Price(0.0225, "hour of an Application Load Balancer", *_BALANCER),
    "balancer_units": Price(0.008, "hour of a capacity unit", *_BALANCER),
    "endpoint_hours": Price(0.01, "hour of an interface endpoint in a zone", *_ENDPOINTS),
    "endpoint_gb": Price(0.01, "GB through an interface endpoint", *_ENDPOINTS),
    "firewall": Price(5.0, "month of a web ACL", *_FIREWALL),
    "firewall_rules": Price(1.0, "month of a rule", *_FIREWALL),
    "firewall_requests": Price(0.60, "million requests", *_FIREWALL),
}

#: By the beginning of a foundation model's id: a million tokens in, and out, through a global profile.
TOKENS: Final[Mapping[str, tuple[Price, Price]]] = {
    "anthropic.claude-sonnet-4-6": (Price(3.0, "million tokens in", *_CLAUDE), Price(15.0, "million tokens out", *_CLAUDE)),
    "anthropic.claude-haiku-4-5": (Price(1.0, "million tokens in", *_CLAUDE), Price(5.0, "million tokens out", *_CLAUDE)),
    "anthropic.claude-opus-4-7": (Price(5.0, "million tokens in", *_CLAUDE), Price(25.0, "million tokens out", *_CLAUDE)),
}
#: What a regional or geographic profile of these models costs more than a global one; the same source.
NOT_GLOBAL: Final = 1.1

#: Paid for too, and no price was found that names its month.
UNVERIFIED: Final = (
    "CloudWatch's alarms, dashboards and Container Insights",
    "S3: payloads and results above 16 KiB",
    "storage, backups and point-in-time recovery of the table",
    "KMS, Secrets Manager, ECR",
    "data to the internet and to other regions",
)

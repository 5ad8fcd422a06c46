"""`quarry doctor`: what it calls well, and what it does not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quarry.cli.judgements import Finding, Level, judge_clock, judge_dlq, judge_expiry, judge_queue, judge_table

NOW = datetime(2026, 11, 21, 6, 15, 50, 400_000, tzinfo=UTC)
DLQ = "arn:aws:sqs:us-east-1:000000000000:quarry-jobs-dlq"
QUEUE = {
    "VisibilityTimeout": "65",
    "MessageRetentionPeriod": "1209600",
    "RedrivePolicy": json.dumps({"deadLetterTargetArn": DLQ, "maxReceiveCount": "1000"}),
}
TABLE: dict[str, Any] = {
    "TableName": "quarry-jobs",
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [{"IndexName": name, "IndexStatus": "ACTIVE"} for name in ("by_tenant", "by_check")],
}
#: Of what `quarry provision` and Terraform make, for 14 days of retention.
RULE: dict[str, Any] = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 28}}
TTL = {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def bad(findings: list[Finding]) -> dict[str, Level]:
    return {each.check: each.level for each in findings if each.level is not Level.OK}


def redrive(**policy: Any) -> dict[str, str]:
    return QUEUE | {"RedrivePolicy": json.dumps(policy)}


def test_what_provision_makes_is_well() -> None:
    """A queue with 65 s for a lease of 60 s, 14 days, 1000 receives; a table with both indexes and TTL."""
    assert bad(judge_queue(QUEUE, 60, DLQ) + judge_dlq(QUEUE) + judge_table(TABLE, TTL) + [judge_expiry([RULE], 14)]) == {}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (QUEUE | {"VisibilityTimeout": "30"}, {"visibility": Level.FAIL}),
        (QUEUE | {"VisibilityTimeout": "600"}, {"visibility": Level.WARN}),
        (QUEUE | {"MessageRetentionPeriod": "345600"}, {"retention": Level.FAIL}),
        ({name: value for name, value in QUEUE.items() if name != "RedrivePolicy"}, {"redrive": Level.FAIL}),
        (redrive(deadLetterTargetArn=DLQ, maxReceiveCount=3), {"redrive": Level.FAIL}),
        (redrive(deadLetterTargetArn=DLQ + "2", maxReceiveCount=1000), {"redrive": Level.FAIL}),
    ],
)
def test_a_queue_that_breaks_a_promise_fails(attributes: dict[str, str], expected: dict[str, Level]) -> None:
    """Too short a visibility pays twice, a short retention loses, a low receive count buries jobs that only wait."""
    assert bad(judge_queue(attributes, 60, DLQ)) == expected


@pytest.mark.parametrize(
    ("table", "ttl", "expected"),
    [
        (TABLE | {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}, TTL, {"table": Level.FAIL}),
        (TABLE | {"GlobalSecondaryIndexes": TABLE["GlobalSecondaryIndexes"][:1]}, TTL, {"indexes": Level.FAIL}),
        (
            TABLE
            | {"GlobalSecondaryIndexes": [{"IndexName": name, "IndexStatus": "CREATING"} for name in ("by_tenant", "by_check")]},
            TTL,
            {"indexes": Level.FAIL},
        ),
        ({name: value for name, value in TABLE.items() if name != "GlobalSecondaryIndexes"}, TTL, {"indexes": Level.FAIL}),
        (TABLE, {"TimeToLiveStatus": "DISABLED"}, {"ttl": Level.FAIL}),
        (TABLE, TTL | {"AttributeName": "ttl"}, {"ttl": Level.FAIL}),
    ],
)
def test_a_table_that_is_not_ours_or_not_whole_fails(
    table: dict[str, Any], ttl: dict[str, str], expected: dict[str, Level]
) -> None:
    """Another table, a missing index, no expiry."""
    assert bad(judge_table(table, ttl)) == expected


@pytest.mark.parametrize(
    ("rules", "level"),
    [
        ([RULE | {"Expiration": {"Days": 400}}], Level.OK),
        ([{"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 28}}], Level.OK),
        ([RULE, {"Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}}], Level.OK),
        ([RULE, RULE | {"Status": "Disabled", "Expiration": {"Days": 1}}], Level.OK),
        ([], Level.FAIL),
        ([RULE | {"Status": "Disabled"}], Level.FAIL),
        ([RULE | {"Filter": {"Prefix": "acme/"}}], Level.FAIL),
        ([RULE | {"Filter": {"Tag": {"Key": "old", "Value": "yes"}}}], Level.FAIL),
        ([{"Status": "Enabled", "Prefix": "acme/", "Expiration": {"Days": 28}}], Level.FAIL),
        ([RULE | {"Expiration": {"Days": 27}}], Level.FAIL),
        ([RULE, RULE | {"Filter": {"Prefix": "acme/"}, "Expiration": {"Days": 1}}], Level.FAIL),
        ([RULE | {"Expiration": {"Date": "2026-12-01T00:00:00Z"}}], Level.FAIL),
    ],
)
def test_objects_go_when_their_jobs_are_forgotten(rules: list[dict[str, Any]], level: Level) -> None:
    """Not sooner, for no tenant; and not never. 12 days of deadline, 2 of lateness, 14 of retention."""
    assert judge_expiry(rules, 14).level is level


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, Level.OK), (4, Level.OK), (-4, Level.OK), (7, Level.FAIL), (-7, Level.FAIL), (3600, Level.FAIL)]
)
def test_a_clock_far_off_fails(seconds: int, level: Level) -> None:
    """Leases allow for 5 s of disagreement, in either direction."""
    assert judge_clock("Sat, 21 Nov 2026 06:15:50 GMT", NOW + timedelta(seconds=seconds)).level is level


def test_a_clock_that_could_not_be_compared_is_said_so() -> None:
    """Not knowing is neither well nor a failure."""
    assert judge_clock(None, NOW).level is Level.WARN


def test_a_finding_that_is_not_well_says_what_to_do() -> None:
    """One line: how bad, what, and the value to set."""
    [finding] = [each for each in judge_queue(QUEUE | {"VisibilityTimeout": "30"}, 60, DLQ) if each.level is Level.FAIL]
    assert str(finding).startswith("FAIL  visibility   30 s, but a lease of 60 s (QUARRY_WORKER__LEASE_SECONDS) wants 65 s; set")

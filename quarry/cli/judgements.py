"""What `quarry doctor` judges: pure functions from what AWS and the API answered to findings. `checks.py` does the asking."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from quarry.job import CLOCK_MARGIN
from quarry.provision import MAX_RECEIVE_COUNT, RETENTION_SECONDS
from quarry.queue.base import visibility_for
from quarry.store.payloads import expiration_days

INDEXES: Final = ("by_check", "by_tenant")
TTL_ATTRIBUTE: Final = "expires_at"
_NAME_WIDTH: Final = 12


class Level(StrEnum):
    """How bad it is. Only a FAIL makes the exit code 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; where it is not well, the text ends with what to do."""

    check: str
    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level:<5} {self.check:<{_NAME_WIDTH}} {self.text}"

    def as_json(self) -> dict[str, str]:
        """`check`, `level` and `text`."""
        return asdict(self)


def judge_queue(attributes: Mapping[str, str], lease_seconds: int, dlq_arn: str | None) -> list[Finding]:
    """A lane, by its attributes; `dlq_arn` is None where there is no dead-letter queue."""
    return [
        _visibility(int(attributes["VisibilityTimeout"]), lease_seconds),
        _retention("retention", int(attributes["MessageRetentionPeriod"])),
        _redrive(attributes.get("RedrivePolicy"), dlq_arn),
    ]


def judge_dlq(attributes: Mapping[str, str]) -> list[Finding]:
    """The dead-letter queue, by its attributes."""
    return [_retention("dlq", int(attributes["MessageRetentionPeriod"]))]


def judge_table(table: Mapping[str, Any], time_to_live: Mapping[str, Any]) -> list[Finding]:
    """The table, by its descriptions."""
    keys = [each["AttributeName"] for each in table["KeySchema"]]
    if keys != ["pk", "sk"]:
        return [Finding("table", Level.FAIL, f"its key is {keys}, not pk and sk: it is not Quarry's table; name another one")]
    active = {each["IndexName"] for each in table.get("GlobalSecondaryIndexes", []) if each.get("IndexStatus") == "ACTIVE"}
    missing = [name for name in INDEXES if name not in active]
    findings = [Finding("table", Level.OK, f"{table['TableName']} is {table['TableStatus']}")]
    if missing:
        text = f"missing or not yet active: {', '.join(missing)}; wait, or make the table anew"
        findings.append(Finding("indexes", Level.FAIL, text))
    else:
        findings.append(Finding("indexes", Level.OK, ", ".join(INDEXES)))
    ends = time_to_live.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"} and time_to_live.get("AttributeName") == TTL_ATTRIBUTE
    if ends:
        findings.append(Finding("ttl", Level.OK, f"on {TTL_ATTRIBUTE}"))
    else:
        findings.append(Finding("ttl", Level.FAIL, f"off: finished jobs are kept for ever; switch it on for {TTL_ATTRIBUTE}"))
    return findings


def judge_expiry(rules: Sequence[Mapping[str, Any]], retention_days: int) -> Finding:
    """The bucket's lifecycle rules, as S3 gives them: an object may go when its job is forgotten, and has to go at some time."""
    wanted = expiration_days(retention_days)
    expiring = [each for each in rules if each["Status"] == "Enabled" and {"Days", "Date"} & set(each.get("Expiration", {}))]
    # A rule for some objects only takes these, and a date takes all that there are on that day.
    soonest = min((int(each["Expiration"].get("Days", 0)) for each in expiring), default=wanted)
    if soonest < wanted:
        text = (
            f"objects go after {soonest} days, but a job may need them for {wanted} (its deadline, and "
            f"QUARRY_JOB__RETENTION_DAYS={retention_days}); set the lifecycle rule's expiration to that"
        )
        return Finding("expiry", Level.FAIL, text)
    if not any(_whole(each) for each in expiring):
        text = (
            f"prompts and answers are kept for ever; give the bucket a lifecycle rule that expires all objects after {wanted} days"
        )
        return Finding("expiry", Level.FAIL, text)
    return Finding("expiry", Level.OK, f"after {soonest} days")


def _whole(rule: Mapping[str, Any]) -> bool:
    """Whether a lifecycle rule is for all objects: its filter, or in its older form its prefix, is empty."""
    return not any(rule.get("Filter", {}).values()) and not rule.get("Prefix")


def judge_clock(date_header: str | None, now: datetime) -> Finding:
    """This machine's clock against the `Date` of an AWS answer, which has whole seconds; leases rest on it."""
    if not date_header:
        return Finding("clock", Level.WARN, "the answer had no Date header: not checked")
    skew = abs((now - parsedate_to_datetime(date_header)).total_seconds())
    if skew > CLOCK_MARGIN.total_seconds():
        text = f"{skew:.0f} s off AWS's: others take leases for lost, or too late; synchronise it (NTP)"
        return Finding("clock", Level.FAIL, text)
    return Finding("clock", Level.OK, f"within {CLOCK_MARGIN.total_seconds():.0f} s of AWS's")


def _visibility(found: int, lease_seconds: int) -> Finding:
    wanted = int(visibility_for(lease_seconds).total_seconds())
    if found == wanted:
        return Finding("visibility", Level.OK, f"{found} s, for a lease of {lease_seconds} s")
    text = (
        f"{found} s, but a lease of {lease_seconds} s (QUARRY_WORKER__LEASE_SECONDS) wants {wanted} s; "
        "set the queue's VisibilityTimeout to that"
    )
    # Too short: messages come back while their job is worked. Too long: the jobs of a dead worker wait.
    return Finding("visibility", Level.FAIL if found < wanted else Level.WARN, text)


def _retention(check: str, found: int) -> Finding:
    if found >= RETENTION_SECONDS:
        return Finding(check, Level.OK, f"messages are kept {found // 86_400} days")
    text = f"messages are kept {found} s and then lost; set MessageRetentionPeriod to {RETENTION_SECONDS} (14 days)"
    return Finding(check, Level.FAIL, text)


def _redrive(policy: str | None, dlq_arn: str | None) -> Finding:
    found = json.loads(policy) if policy else {}
    receives = int(found.get("maxReceiveCount", 0))
    if not found:
        text = f"the queue has no redrive policy; set one to the dead-letter queue, with maxReceiveCount {MAX_RECEIVE_COUNT}"
        return Finding("redrive", Level.FAIL, text)
    if dlq_arn and found.get("deadLetterTargetArn") != dlq_arn:
        text = f"leads to {found.get('deadLetterTargetArn')}, not to {dlq_arn}; correct the one or the other"
        return Finding("redrive", Level.FAIL, text)
    if receives < MAX_RECEIVE_COUNT:
        text = (
            f"maxReceiveCount is {receives}: jobs that only wait would be moved to the dead-letter queue; "
            f"set it to {MAX_RECEIVE_COUNT} (attempts are counted in the job)"
        )
        return Finding("redrive", Level.FAIL, text)
    return Finding("redrive", Level.OK, f"after {receives} receives")

"""What became of all jobs: the table, the simulator's ledger and the workers' logs, held against each other.

A call may be paid again only where its first payment is shown: the job's history has an attempt of unknown outcome for each
payment beyond the last, and some worker has counted it under its reason.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from quarry.attempts import AttemptOutcome
from quarry.job import Job, JobStatus, StatusReason
from quarry.store.item import from_item
from tests.support.fleet import Fleet
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@dataclass(frozen=True)
class Account:
    """The state of things. `billed` is by request id, `counted` and `logged` by reason: by the metrics, and by the log lines."""

    jobs: dict[str, Job]
    billed: dict[str, int]
    by_outcome: dict[str, int]
    counted: Counter[str]
    logged: Counter[str]

    @classmethod
    def of(cls, stack: Stack, simulator: Simulator, fleet: Fleet) -> Self:
        """Look at everything."""
        calls = simulator.calls()
        assert calls["request_ids_forgotten"] == 0
        return cls(
            jobs=all_jobs(stack),
            billed={request_id: entry["billed"] for request_id, entry in calls["by_request_id"].items()},
            by_outcome=calls["by_outcome"],
            counted=fleet.counted(),
            logged=repeats_in_logs(each.process.output for each in fleet.all),
        )

    @property
    def statuses(self) -> dict[JobStatus, int]:
        """How many jobs are in which status."""
        return dict(Counter(job.status for job in self.jobs.values()))

    @property
    def paid_again(self) -> int:
        """Payments beyond the first of each job."""
        return sum(max(0, times - 1) for times in self.billed.values())

    @property
    def unseen(self) -> int:
        """Attempts whose end nobody saw: those under way when their worker was killed, paused or cut."""
        return sum(_unseen(job) for job in self.jobs.values())

    @property
    def given_up(self) -> set[str]:
        """The failed jobs on which five workers died, one after the other: by then nobody can tell them from a cause of death."""
        reason = StatusReason.TAKEN_OVER_TOO_OFTEN
        return {job.request_id for job in self.jobs.values() if job.status is JobStatus.FAILED and job.status_reason is reason}

    def assert_completed(self, requests: Iterable[str]) -> None:
        """Nothing is lost: each of these jobs was answered."""
        others = {request_id: self.jobs.get(request_id) for request_id in requests}
        others = {request_id: job for request_id, job in others.items() if job is None or job.status is not JobStatus.COMPLETED}
        assert others == {}

    def assert_all_terminal(self) -> None:
        """Nothing in the table waits or runs for ever."""
        assert [job for job in self.jobs.values() if not job.status.is_terminal] == []

    def assert_paid_for(self) -> None:
        """Nothing is paid twice without an attempt of unknown outcome in the job's history and a count under a reason."""
        unexplained = {
            request_id: (times, self.jobs[request_id])
            for request_id, times in self.billed.items()
            if times > 1 + _unseen(self.jobs[request_id])
        }
        assert unexplained == {}
        assert self.paid_again <= self.logged.total(), (self.paid_again, self.logged)


def all_jobs(stack: Stack) -> dict[str, Job]:
    """Every job of a stack's table."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.name, ConsistentRead=True)
    jobs = [from_item(item) for page in pages for item in page["Items"] if item["sk"]["S"] == "job"]
    return {job.request_id: job for job in jobs}


def repeats_in_logs(logs: Iterable[str]) -> Counter[str]:
    """Calls that may be paid again, by reason, as the workers' logs tell them: a metric dies with its process."""
    return Counter(reason for log in logs for line in log.splitlines() if (reason := _reason(line)))


def _reason(line: str) -> str | None:
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        return None  # a traceback, or a line that a kill cut off
    if said.get("event") == "job.taken_over":
        return "worker_vanished"
    again = said.get("event") == "attempt.finished" and said.get("outcome") in {"HandedBack", "RetryScheduled"}
    if again and (said.get("call_started") or said.get("error") == "invocation_timed_out"):
        return str(said["error"])
    return None


def _unseen(job: Job) -> int:
    return sum(attempt.outcome is AttemptOutcome.OUTCOME_UNKNOWN for attempt in job.attempt_history)

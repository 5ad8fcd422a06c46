"""A store for one test, and what the tests of the store port have in common.

Every instant is a parameter of the port, so nothing here waits.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from quarry.attempts import Failure
from quarry.invocation import Fallback
from quarry.job import (
    CHECK_AFTER,
    CLOCK_MARGIN,
    Cancelled,
    Degraded,
    Event,
    Expired,
    Failed,
    HandedBack,
    Job,
    RetryScheduled,
    Snoozed,
    StatusReason,
    StoredObject,
    Succeeded,
    advance,
)
from quarry.store.base import IdempotencyKey, JobStore
from quarry.store.item import job_key, to_item
from quarry.testing import NOW, MemoryStore, a_completion, a_job, a_lease, an_envelope

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

MS = timedelta(milliseconds=1)
LATER = NOW + timedelta(seconds=10)
#: When a lease that was made at `NOW` can be taken over.
LAPSED = NOW + timedelta(seconds=60) + CLOCK_MARGIN
RETENTION = timedelta(days=14)
TEXT = "Grüße, 世界 🚀\u2028 \\ \" ' \t\n \x7f \u0000"
FAILURE = Failure("model_failed", f"It broke: {TEXT}")

PASSED = Fallback("bedrock/us-west-2/other", "throttled", 0.25)

#: All that can become of a held job.
EVENTS: dict[str, Event] = {
    "succeeded": Succeeded(
        a_completion(
            TEXT, content=({"text": TEXT}, {"reasoningContent": {"score": 0.1}}), fallbacks=(PASSED, PASSED), adapted=("top_p",)
        )
    ),
    "succeeded apart": Succeeded(a_completion(content=()), stored=StoredObject("t/1/result-2.json", 20_000_000, "2")),
    "degraded": Degraded(TEXT, FAILURE, "bedrock/us-east-1/model", a_completion().usage, (PASSED,)),
    "retry": RetryScheduled(LATER, FAILURE, "bedrock/us-east-1/model", a_completion().usage),
    "snoozed": Snoozed(LATER, StatusReason.WAITING_FOR_CAPACITY, (PASSED, PASSED)),
    "handed back": HandedBack(call_cut=False),
    "cut": HandedBack(call_cut=True),
    "failed": Failed(StatusReason.REJECTED, FAILURE, bury=False),
    "buried": Failed(StatusReason.ATTEMPTS_EXHAUSTED, FAILURE, bury=True, target="echo", usage=a_completion().usage),
    "not called": Failed(StatusReason.OUTCOME_UNKNOWN, FAILURE, bury=True, outcome=None),
    "cancelled": Cancelled(call_cut=False),
    "expired": Expired(),
}
NON_TERMINAL = ("retry", "snoozed", "handed back", "cut")
TERMINAL = tuple(name for name in EVENTS if name not in NON_TERMINAL)
#: So jobs are put into moto past the store.
MOTO_INSERT = "moto 5.2.5 answers a PartiQL INSERT with parameters with status 500 (py-partiql-parser 0.6.3 cannot read it)"


@dataclass
class Table:
    """A tenant of one's own in a store."""

    store: JobStore
    tenant: str
    client: "DynamoDBClient | None" = None
    name: str = ""
    #: Whether `create` works at all.
    creates: bool = True

    def job(self, **changes: Any) -> Job:
        """A job that is not in the store."""
        return a_job(tenant=self.tenant, **changes)

    async def add(self, job: Job) -> Job:
        """Put a job into the store, in whatever state it is."""
        if self.creates or self.client is None:
            await self.store.create(job)
        else:
            await self.client.put_item(TableName=self.name, Item=to_item(job, int(RETENTION.total_seconds() * 1000)))
        return job

    async def spoil(self, job: Job) -> None:
        """Give a job a status that there is none of."""
        if self.client is None:
            assert isinstance(self.store, MemoryStore)
            self.store.spoil(job)
            return
        names, values = {"#status": "status"}, {":none": {"S": "dreaming"}}
        await self.client.update_item(
            TableName=self.name,
            Key=job_key(job.tenant, job.request_id),
            UpdateExpression="SET #status = :none",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    async def submitted(self, **changes: Any) -> Job:
        """A job in the store."""
        return await self.add(self.job(**changes))

    async def worked(self, event: str, **changes: Any) -> tuple[Job, Job]:
        """A job held by the token `token`, and what the event makes of it. Who is cancelled was asked to stop before."""
        held = await self.claimed("token", **changes)
        if event == "cancelled":
            held = await self.store.request_cancel(held)
        return held, advance(held, EVENTS[event], LATER)

    async def claimed(self, token: str | None = None, **changes: Any) -> Job:
        """A job that was claimed at `NOW`."""
        job = await self.submitted(**changes)
        return await self.store.claim(an_envelope(job), a_lease(token), NOW)

    async def taken_over(self, job: Job) -> Job:
        """The job, in the hands of somebody else."""
        return await self.store.claim(an_envelope(job), a_lease(owner="worker-2", expires_at=LAPSED + CHECK_AFTER), LAPSED)

    async def holds(self, job: Job) -> None:
        """The store has exactly this, in every field."""
        stored = await self.store.get(self.tenant, job.request_id)
        assert stored == job, f"\nstored: {stored}\n   not: {job}"

    def key(self, text: str = "key", fingerprint: str = "print", **changes: Any) -> IdempotencyKey:
        """A caller's key, for a day from `NOW`."""
        return replace(IdempotencyKey(self.tenant, text, fingerprint, NOW + timedelta(days=1)), **changes)

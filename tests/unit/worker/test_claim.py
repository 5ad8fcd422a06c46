"""A claim that the table's permissions do not allow."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime

import pytest
import structlog
from botocore.exceptions import ClientError

from quarry.aws import unavailable
from quarry.envelope import Envelope
from quarry.errors import StoreUnavailable
from quarry.job import Job, Lease
from quarry.testing.store import MemoryStore
from tests.unit.worker.conftest import Bench
from worker.outcome import STORE_UNAVAILABLE, Ack, Release

SENTENCE = "User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: dynamodb:UpdateItem"


class Refusing(MemoryStore):
    """Refuses claims by a code of DynamoDB's; None lets one through."""

    def __init__(self, codes: Iterable[str | None]) -> None:
        super().__init__()
        self.codes = deque(codes)

    async def claim(self, envelope: Envelope, lease: Lease, now: datetime) -> Job:
        if self.codes and (code := self.codes.popleft()):
            answer = {"Error": {"Code": code, "Message": SENTENCE}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            refusal = ClientError(answer, "UpdateItem")  # type: ignore[arg-type]
            raise unavailable(StoreUnavailable, "DynamoDB", "write", refusal) from refusal
        return await super().claim(envelope, lease, now)


async def test_a_denied_claim_is_told_at_once() -> None:
    """Asking again soon changes nothing: the operator reads AWS's sentence at once, and the slot is free."""
    bench = Bench(store=Refusing(["AccessDeniedException"] * 100))
    await bench.submitted()
    with structlog.testing.capture_logs() as logs:
        settlement = await bench.clock.run(bench.work())
    assert isinstance(settlement, Release)
    assert settlement.reason == STORE_UNAVAILABLE
    assert bench.clock.monotonic() == 0
    assert [SENTENCE in each["error"] for each in logs if each["event"] == "claim.failed"] == [True]
    assert bench.provider.calls == []


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
async def test_another_refusal_is_asked_again(code: str) -> None:
    """It passes, and the claim goes through."""
    bench = Bench(store=Refusing([code] * 3))
    await bench.submitted()
    assert await bench.clock.run(bench.work()) == Ack("completed")


async def test_a_denial_after_a_lost_answer_is_asked_again() -> None:
    """The claim before it may stand, under a token that only this worker knows: it is found once the permission is back."""
    bench = Bench(store=Refusing([None, "AccessDeniedException", "AccessDeniedException"]))
    job = await bench.submitted()
    bench.store.fail_next("claim", applied=True)
    assert await bench.clock.run(bench.work()) == Ack("completed")
    done = bench.store.job(job.request_id)
    assert (done.attempts, done.takeovers, len(bench.provider.calls)) == (1, 0, 1)

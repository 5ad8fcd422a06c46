"""What is left of a job that was erased: its id, when that was asked for, and when to look for stragglers. No content, and no
digest of it once all is gone. Pure.

A worker that lost the job long ago may still put down what its model says: neither the pieces of a text nor an object in the bucket
are guarded by a lease. So the place is looked at again, and cleared again, until nobody can be that late.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

#: How long after everything was gone the place is looked at again. Our own choice: a fenced worker ends within its lease, one whose
#: process stood still within hours.
LOOKS: Final = (timedelta(minutes=2), timedelta(hours=1), timedelta(hours=24))
#: Until it is looked at, where a worker holds the job and was told to stop: it hears of that within seconds. Our own choice.
SOON: Final = timedelta(seconds=2)
#: For how long it is known that a job was erased. Our own choice: longer than a message of it can last (14 days).
LIFE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The promise that a job is erased, and the record that it was.

    `key_digest` leads to the row of its idempotency key; `gone_at` is when everything was deleted for the first time; `check_at`
    when the sweep should look, None once that is over.
    """

    tenant: str
    request_id: str
    asked_at: datetime
    check_at: datetime | None
    key_digest: str | None = None
    gone_at: datetime | None = None

    @property
    def expires_at(self) -> datetime:
        """When it may go itself."""
        return self.asked_at + LIFE


def promised(tenant: str, request_id: str, key_digest: str | None, now: datetime) -> Tombstone:
    """The promise. Whoever makes it keeps it at once; the sweep does, should that fail."""
    return Tombstone(tenant, request_id, now, now + SOON, key_digest)


def again(tenant: str, request_id: str, now: datetime) -> Tombstone:
    """In place of a tombstone that nobody can read: due at once. To erase what is gone is harmless."""
    return Tombstone(tenant, request_id, now, now)


def cleared(tombstone: Tombstone, now: datetime) -> Tombstone:
    """The tombstone after everything that was found was deleted."""
    gone_at = tombstone.gone_at or now
    looks = (gone_at + each for each in LOOKS)
    return replace(tombstone, gone_at=gone_at, key_digest=None, check_at=next((each for each in looks if each > now), None))


def postponed(tombstone: Tombstone, now: datetime) -> Tombstone:
    """The tombstone of a job that cannot go yet: somebody holds it, or the bucket its objects."""
    return replace(tombstone, check_at=now + SOON)

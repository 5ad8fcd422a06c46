"""The message that has a job's end told: which job, on which channel, and which try it asks for. It points to the record.

On the wire: `{"v": 1, "request_id": …, "tenant": …, "generation": 0, "channel": "webhook", "tries": 0}`. A reader accepts its own
version and the next one, as with envelopes.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from quarry.envelope import from_wire as envelope_from_wire
from quarry.errors import MalformedEnvelope
from quarry.job import Job
from quarry.notification import Channel

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Reminder:
    """That a try is due. `tries` is how many had ended when it was sent: once another one has, it is stale."""

    request_id: str
    tenant: str
    generation: int
    channel: Channel
    tries: int = 0

    def to_wire(self) -> str:
        """Compact JSON, ASCII only."""
        return json.dumps({"v": VERSION, **asdict(self)}, separators=(",", ":"))


def reminders_of(job: Job, now: datetime) -> Iterator[Reminder]:
    """One for each channel on which something is owed by now."""
    for channel, notification in job.owes.items():
        if notification.next_attempt_at is None or notification.next_attempt_at <= now:
            yield Reminder(job.request_id, job.tenant, job.generation, channel, notification.tries)


def from_wire(body: str) -> Reminder:
    """Read a message's body.

    Raises:
        MalformedEnvelope: it is no reminder; the message says why, without quoting the body.
        UnsupportedEnvelope: it is of a version two or more ahead of ours.
    """
    envelope, value = envelope_from_wire(body), json.loads(body)
    channel, tries = value.get("channel"), value.get("tries")
    if channel not in frozenset(Channel):
        raise MalformedEnvelope("the field `channel` is none of ours")
    if not isinstance(tries, int) or isinstance(tries, bool) or tries < 0:
        raise MalformedEnvelope("the field `tries` is not a count")
    return Reminder(envelope.request_id, envelope.tenant, envelope.generation, Channel(channel), tries)

"""Following: a job's events as Server-Sent Events, made of looks at the store, each follower at a pace of its own.

Nothing is looked at before what was told has been sent, so a follower who reads slowly costs one look's worth of memory.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from starlette.responses import StreamingResponse
from starlette.types import Send

from producer.answers import job_out
from producer.lookup import Lookup
from producer.progress import ID_PATTERN, Place, Progress, Told
from quarry.clock import Clock
from quarry.errors import JobNotFound, Overloaded, PayloadLost, TransportError
from quarry.job import Job, JobStatus, effective_status
from quarry.store.base import JobStore, Look
from quarry.store.json_forms import json_text
from quarry.telemetry.metrics import ProducerMetrics

#: What a stream holds, for the OpenAPI document.
EVENTS: Final = """\
Server-Sent Events, each with an `id`, until the job is over, for at most 5 minutes: who then comes back with the last id in
`Last-Event-ID` (browsers do) is told what follows it.

- `status`: the job as a list shows it; at the beginning, and whenever that changes.
- `text`: `{"text": …}`, what the answer's text goes on with. Joined, they are the `text` of the result.
- `restart`: `{}`. The text so far is void: another attempt began.
- `done`: the job as `GET` gives it, once it is terminal. It is the last event. Where the result is not in it but has a `url`, the
  end of the text may be there alone.
"""

#: One event. OpenAPI before 3.2 describes a stream by its items.
EVENT: Final = {
    "type": "object",
    "properties": {
        "event": {"enum": ["status", "text", "restart", "done"]},
        "id": {"type": "string", "pattern": ID_PATTERN},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "id", "data"],
}

#: Our own choices. A proxy ends a connection on which nothing comes, often after a minute; one that lasts for ever keeps a process
#: from ending, and a key that was revoked open.
_KEEP_ALIVE_SECONDS: Final = 15.0
_LASTS_SECONDS: Final = 300.0
#: Between two looks: while text comes; else a part of the time that was already waited, within bounds. Our own choices.
_TEXT_SECONDS: Final = 0.25
_PAUSE_SECONDS: Final = (0.1, 1.0)
_PAUSE_OF_WAITED: Final = 0.005
#: For a client that lost its connection: when to come back. Our own choice.
_RETRY: Final = "retry: 1000\n\n"
_STILL_HERE: Final = ":\n\n"
#: So many tenants fill all places; one of them alone does not. Our own choice.
_TENANTS: Final = 2


class Events(StreamingResponse):
    """An event stream. Its source is closed with it, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, source: AsyncIterator[str]) -> None:
        # A proxy that gathers an answer before it passes it on would gather for minutes.
        super().__init__(source, headers={"X-Accel-Buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


class Following:
    """Those who follow jobs, at most `limit` at a time, and half as many of one tenant."""

    def __init__(self, store: JobStore, lookup: Lookup, clock: Clock, limit: int, metrics: ProducerMetrics) -> None:
        self._store = store
        self._lookup = lookup
        self._clock = clock
        self._limit = limit
        self._metrics = metrics
        #: By tenant.
        self._followers = Counter[str]()
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let everybody go: the process stops."""
        self._closing.set()

    def knows_the_end(self, job: Job, place: Place | None) -> bool:
        """Whether a follower has been told all there is, `done` included."""
        return place is not None and place.done and effective_status(job, self._clock.now()).is_terminal

    async def follow(self, job: Job, place: Place | None) -> AsyncIterator[str]:
        """The events of a job after `place`, in the form of Server-Sent Events.

        Raises:
            Overloaded: too many follow already, or too many of the same tenant.
        """
        of_one = max(self._limit // _TENANTS, 1)
        if self._followers.total() >= self._limit or self._followers[job.tenant] >= of_one:
            raise Overloaded("too many event streams are open")
        source = self._follow(job, Progress(place))
        # It begins here, and so has its place before the next one comes; one that nobody reads on is closed when it is forgotten.
        await anext(source)
        return source

    async def _follow(self, job: Job, progress: Progress) -> AsyncIterator[str]:
        self._count(job.tenant, 1)
        try:
            yield ""
            began = spoken_at = self._clock.monotonic()
            yield _RETRY
            while True:
                try:
                    told, pause = await self._look(job, progress, self._clock.monotonic() - began)
                except JobNotFound:
                    return  # erased: who comes back is told so
                now = self._clock.monotonic()
                if told or now - spoken_at >= _KEEP_ALIVE_SECONDS:
                    yield "".join(map(_wire, told)) or _STILL_HERE
                    spoken_at = now
                if (told and told[-1].name == "done") or self._closing.is_set() or now - began >= _LASTS_SECONDS:
                    return
                await self._pause(pause)
        finally:
            self._count(job.tenant, -1)

    async def _look(self, job: Job, progress: Progress, waited: float) -> tuple[list[Told], float]:
        """What is new, and how long to wait for more.

        Raises:
            JobNotFound: it was erased.
        """
        least, most = _PAUSE_SECONDS
        pause = min(max(waited * _PAUSE_OF_WAITED, least), most)
        try:
            look = await self._store.look(job.tenant, job.request_id, progress.since)
            if look is None or look.job.erasing:
                # Gone, or just made: what was read here need not be fresh, and this is.
                await self._lookup.get(job.tenant, job.request_id)
                return [], most
            if effective_status(look.job, self._clock.now()).is_terminal:
                return await self._over(look, progress), pause
        except TransportError:
            return [], most
        speaking = job.stream and look.job.status is JobStatus.PROCESSING
        return list(progress.told(look, self._clock.now())), _TEXT_SECONDS if speaking else pause

    async def _over(self, look: Look, progress: Progress) -> list[Told]:
        job = await self._lookup.get(look.job.tenant, look.job.request_id)
        if not effective_status(job, self._clock.now()).is_terminal:
            return []  # redriven meanwhile
        try:
            shown = await self._lookup.show(job)
        except PayloadLost:
            shown = job_out(job, self._clock.now())
        return list(progress.over(look, shown))

    async def _pause(self, seconds: float) -> None:
        ends: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(each) for each in (self._clock.sleep(seconds), self._closing.wait())
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()

    def _count(self, tenant: str, change: int) -> None:
        self._followers[tenant] += change
        self._followers += Counter()  # without those who have none
        self._metrics.followers.set(self._followers.total())


#: To JSON and to event streams they are characters like others; to readers that split lines as Python does, they end one.
_LINE_ENDS: Final = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})


def _wire(told: Told) -> str:
    """One event. JSON has no line breaks of its own."""
    return f"id: {told.id}\nevent: {told.name}\ndata: {json_text(told.data).translate(_LINE_ENDS)}\n\n"

"""Speech: while a model answers a job that is streamed, its text is written beside the job, for whoever follows it.

The model call never waits for it, and what is lost of it costs nothing: the result has the text, and readers are given from there
what they have not seen. So nothing is guarded: who has lost the job may go on writing, under a token that no reader heeds.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from quarry.clock import Clock
from quarry.errors import StoreUnavailable
from quarry.job import Job
from quarry.store.base import JobStore, Mark, Piece
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics
from worker.lease import HeldLease

_log = get_logger(__name__)

#: Between two writes of one job, and after one that failed, with each failure twice that, up to a bound. Our own choices: two
#: writes a second are what a reader needs to see text flow.
_INTERVAL_SECONDS: Final = 0.5
_PAUSE_MAX_SECONDS: Final = 8.0
#: Of one piece, and of all that is written of one answer. Our own choices: a row takes 400 KB, of which a character may need twelve
#: bytes as JSON; and a result that is much larger than the second is not shown, but where it can be had.
_PIECE_CHARACTERS: Final = 16 * 1024
TEXT_CHARACTERS_MAX: Final = 256 * 1024
#: Nobody resumes after that. A finished job is kept for longer.
_LIFE: Final = timedelta(days=1)


class Speech:
    """Voices for jobs."""

    def __init__(self, store: JobStore, clock: Clock, metrics: WorkerMetrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics

    @asynccontextmanager
    async def voice(self, held: HeldLease) -> AsyncIterator["Voice | None"]:
        """A voice for a job that is streamed, for the length of the block; None for another."""
        if not held.job.stream:
            yield None
            return
        voice = Voice(held.job, held.token)
        writing = asyncio.create_task(self._write(voice))
        try:
            yield voice
        finally:
            # What is not written yet comes with the result, or is void.
            writing.cancel()
            await asyncio.wait([writing])

    async def _write(self, voice: "Voice") -> None:
        while True:
            piece = await voice.piece()
            pause = _INTERVAL_SECONDS
            while not await self._is_written(voice.job, piece):
                await self._clock.sleep(pause)
                pause = min(pause * 2, _PAUSE_MAX_SECONDS)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def _is_written(self, job: Job, piece: Piece) -> bool:
        try:
            await self._store.add_text(job, piece, self._clock.now() + _LIFE)
        except Exception as error:  # noqa: BLE001 - nothing of this may touch the job, not even a bug
            self._metrics.text_writes.labels("failed").inc()
            # Ours name no content; what others say may be anything.
            said = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
            _log.warning(Event.TEXT_UNWRITTEN, request_id=job.request_id, error=said)
            return False
        self._metrics.text_writes.labels("written").inc()
        return True


class Voice:
    """What one attempt says: its text, cut into pieces in the order in which it came."""

    def __init__(self, job: Job, token: str) -> None:
        self.job = job
        self._token = token
        self._begins = Mark(job.revision, 0, 0)
        self._unsaid = ""
        self._left = 0
        self._heard = asyncio.Event()

    def begin(self) -> None:
        """A model call begins: what an earlier one said is void."""
        self._begins = Mark(self._begins.claim, self._begins.call + 1, 0)
        self._unsaid, self._left = "", TEXT_CHARACTERS_MAX

    def hear(self, text: str) -> None:
        """Take what the model says next; beyond what is written of an answer, for nothing."""
        self._unsaid += text[: self._left]
        self._left -= min(len(text), self._left)
        self._heard.set()

    async def piece(self) -> Piece:
        """The next piece, as soon as there is one."""
        while not self._unsaid:
            self._heard.clear()
            await self._heard.wait()
        text, self._unsaid = self._unsaid[:_PIECE_CHARACTERS], self._unsaid[_PIECE_CHARACTERS:]
        piece = Piece(self._begins, self._token, text)
        self._begins = Mark(self._begins.claim, self._begins.call, self._begins.offset + len(text))
        return piece

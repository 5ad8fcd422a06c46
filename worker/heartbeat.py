"""The heartbeat: what the other workers should know of this one, in one row of the table; and what their rows say to it.

A row is written every few seconds, and at once where a breaker opens or closes; all rows are read as often, with one query. No
call ever waits for either. While the table is away, each worker goes by what it sees itself.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from quarry.clock import Clock
from quarry.errors import StoreUnavailable
from quarry.inference.board import Board
from quarry.inference.governor import Governor
from quarry.inference.limiter import Word
from quarry.store.base import Heartbeat, JobStore
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from worker.succession import Succession

_log = get_logger(__name__)
#: Our own choice. What peers wait for each other (`quarry/inference/breaker.py`) is two of these.
BEAT_SECONDS: Final = 3.0
#: Whose row is older than this lives no more, as far as quotas are shared and successors counted: three beats. Our own choice.
_LIVING: Final = timedelta(seconds=10)


class Heart:
    """Beats for this worker. `slots_in_use` is asked at each beat; `take_place` is told which of how many that live it is."""

    def __init__(
        self,
        store: JobStore,
        board: Board,
        governor: Governor,
        succession: Succession,
        clock: Clock,
        *,
        owner: str,
        slots: int,
        slots_in_use: Callable[[], int],
        take_place: Callable[[int, int], None] = lambda place, workers: None,
    ) -> None:
        self._store = store
        self._board = board
        self._governor = governor
        self._succession = succession
        self._clock = clock
        self._owner = owner
        self._slots = slots
        self._slots_in_use = slots_in_use
        self._take_place = take_place
        self._failing = False
        self._heard_at = clock.now()

    async def keep(self) -> None:
        """Beat for ever. Supervised: if this ends, the worker stops."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - it is advice: a row of a newer version, or a bug, must not stop every worker
                if not self._failing:
                    # Ours name no content; what others say may be anything.
                    said = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
                    _log.warning(Event.HEARTBEAT_FAILED, error=said)
                self._failing = True
                if self._clock.now() - self._heard_at > _LIVING:
                    # Nobody is known to live: so there is nobody to stand aside for.
                    self._succession.follow({})
            else:
                self._failing = False
            await self._rest()

    async def once(self) -> None:
        """Write our row, read all rows, and heed them.

        Raises:
            StoreUnavailable: of the row or of the rows; what was heard before stands.
        """
        self._board.changed.clear()
        openings, now = self._board.openings(), self._clock.now()
        limits = {target: word.dumped() for target, word in self._governor.words().items()}
        origin = self._succession.word()
        row = Heartbeat(self._owner, now, openings, limits, slots=self._slots, slots_in_use=self._slots_in_use(), origin=origin)
        await self._store.beat(row)
        rows = await self._store.heartbeats(now)
        now = self._clock.now()
        peers = [each for each in rows if each.worker != self._owner]
        self._board.follow([left(each, now) for each in peers])
        living = [each for each in peers if now - each.at < _LIVING]
        self._governor.follow({each.worker: _words(each) for each in living})
        self._succession.follow({each.worker: each.origin for each in living if each.origin})
        names = sorted([self._owner, *(each.worker for each in living)])
        self._take_place(names.index(self._owner), len(names))
        self._heard_at = now

    async def _rest(self) -> None:
        """Until the next beat is due, or something has changed."""
        resting = [asyncio.ensure_future(self._clock.sleep(BEAT_SECONDS)), asyncio.ensure_future(self._board.changed.wait())]
        try:
            await asyncio.wait(resting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in resting:
                each.cancel()


def left(heartbeat: Heartbeat, now: datetime) -> Mapping[str, float]:
    """What is left of its openings. A row cannot be younger than now, whatever its writer's clock says."""
    age = max((now - heartbeat.at).total_seconds(), 0.0)
    return {target: seconds - age for target, seconds in heartbeat.openings.items() if seconds > age}


def _words(heartbeat: Heartbeat) -> Mapping[str, Word]:
    """What its limiters say; nothing, where they speak otherwise than ours."""
    try:
        return {target: Word.loaded(word) for target, word in heartbeat.limits.items()}
    except ValueError:
        return {}

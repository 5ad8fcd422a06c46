"""Stopping: SIGTERM and SIGINT start a drain, which ends within its budget."""

import asyncio
import signal
from datetime import timedelta
from typing import Final

from quarry.aws import LONG_POLL_MAX_SECONDS
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from worker.health import Health
from worker.lease import Leases
from worker.loop import Loop
from worker.outcome import Interruption

_log = get_logger(__name__)
#: Of the budget, what is kept for recording and settling the calls that had to be cut.
_CUT_SHARE: Final = 0.1
_CUT_MIN_SECONDS: Final = 0.5
#: Of the budget, what a poll may last: polls must have ended before messages are handed back, or they would take them again.
_POLL_SHARE: Final = 0.25


def poll_for(drain_seconds: int) -> timedelta:
    """How long a poll waits for messages: as long as SQS allows, where the time to drain is long enough for that."""
    return timedelta(seconds=max(1, min(LONG_POLL_MAX_SECONDS, int(drain_seconds * _POLL_SHARE))))


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def drain(loop: Loop, leases: Leases, health: Health, budget_seconds: float) -> None:
    """Stop receiving, finish what can finish in time, then cut the rest: each cut job is recorded and its message released."""
    health.draining = True
    loop.stop()
    _log.info(Event.DRAIN_STARTED, in_flight=loop.in_flight, drain_seconds=budget_seconds)
    reserve = max(budget_seconds * _CUT_SHARE, _CUT_MIN_SECONDS)
    cut = 0
    if not await loop.finish(max(budget_seconds - reserve, 0)):
        cut = leases.interrupt_all(Interruption.DRAINING)
        await loop.finish(reserve)
    _log.info(Event.DRAIN_FINISHED, cut=cut)

"""Whether this process should get requests: it asks queue and store now and then whether they are there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from quarry.clock import Clock
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)

Check = Callable[[], Awaitable[object]]

#: Our own choices: an outage is seen within some ten seconds, at a price of one cheap request of each kind every five.
_INTERVAL_SECONDS: Final = 5.0
_INTERVAL_WHEN_FAILING_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 3.0
#: One failure may be chance.
_FAILURES_TO_BE_UNREADY: Final = 2


class Health:
    """What `/readyz` tells.

    Args:
        checks: the name of what is asked → a cheap request to it that raises where it fails.
        clock: between checks.
        on_demand: nobody runs `keep`; `asked` checks, and goes by that one answer.
    """

    def __init__(self, checks: Mapping[str, Check], clock: Clock, *, on_demand: bool = False) -> None:
        self._checks = checks
        self._clock = clock
        self._on_demand = on_demand
        self._enough = 1 if on_demand else _FAILURES_TO_BE_UNREADY
        self._failures = dict.fromkeys(checks, 0)
        self.stopping = False

    async def keep(self) -> None:
        """Check for ever."""
        while True:
            await self._look()
            failing = any(self._failures.values())
            await self._clock.sleep(_INTERVAL_WHEN_FAILING_SECONDS if failing else _INTERVAL_SECONDS)

    async def asked(self) -> str | None:
        """The same as `unready`, for a caller who can wait."""
        if self._on_demand:
            await self._look()
        return self.unready()

    def unready(self) -> str | None:
        """Why this process should get no requests, or None."""
        if self.stopping:
            return "stopping"
        failing = [name for name, count in self._failures.items() if count >= self._enough]
        return f"no answer from: {', '.join(failing)}" if failing else None

    async def _look(self) -> None:
        await asyncio.gather(*(self._check(name, check) for name, check in self._checks.items()))

    async def _check(self, name: str, check: Check) -> None:
        try:
            await asyncio.wait_for(check(), _TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            self._failures[name] += 1
            if self._failures[name] == self._enough:
                _log.error(Event.DEPENDENCY_LOST, dependency=name, error=f"{type(error).__name__}: {error}")
        else:
            if self._failures[name] >= self._enough:
                _log.info(Event.DEPENDENCY_REGAINED, dependency=name)
            self._failures[name] = 0

"""Whether this worker should count as ready: it is not while it drains, or while a target refuses us."""

from collections.abc import Callable
from typing import Final

from quarry.clock import Clock
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics

_log = get_logger(__name__)
#: Twice the longest wait of a blocked job: a target of which nobody heard for that long is not asked any more.
FORGOTTEN_AFTER_SECONDS: Final = 600.0
#: Corrected, and yet a sign of a machine that somebody should look at; AWS refuses signatures five minutes off. Our own choice.
CLOCK_OFF_SECONDS: Final = 60.0


class Health:
    """What `/readyz` tells."""

    def __init__(self, metrics: WorkerMetrics, clock: Clock, offset_seconds: Callable[[], float] = lambda: 0.0) -> None:
        self._clock = clock
        self._offset_seconds = offset_seconds
        #: Target → (what it said, when, on the monotonic clock).
        self._blocked: dict[str, tuple[str, float]] = {}
        self.draining = False
        metrics.clock_offset.set_function(offset_seconds)
        metrics.blocked.set_function(lambda: len(self._refusing()))

    def blocked(self, target: str, code: str, detail: str | None = None) -> None:
        """A target refused us: credentials, access, or a model id that names nothing."""
        if target not in self._refusing():
            _log.error(Event.TARGET_BLOCKED, target=target, error=code, detail=detail)
        self._blocked[target] = code, self._clock.monotonic()

    def served(self, target: str) -> None:
        """A target answered."""
        if self._blocked.pop(target, None):
            _log.info(Event.TARGET_UNBLOCKED, target=target)

    def unready(self) -> str | None:
        """Why this worker is not ready, or None."""
        if self.draining:
            return "draining"
        if abs(self._offset_seconds()) > CLOCK_OFF_SECONDS:
            return f"clock: off by {self._offset_seconds():.0f} s against AWS"
        refusing = self._refusing()
        return "; ".join(f"{target}: {code}" for target, code in sorted(refusing.items())) or None

    def _refusing(self) -> dict[str, str]:
        oldest = self._clock.monotonic() - FORGOTTEN_AFTER_SECONDS
        return {target: code for target, (code, at) in self._blocked.items() if at > oldest}

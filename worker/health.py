"""Whether this worker should count as ready: it is not while it drains, or while a target refuses us."""

from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import WorkerMetrics

_log = get_logger(__name__)


class Health:
    """What `/readyz` tells."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self._blocked: dict[str, str] = {}
        self.draining = False

    def blocked(self, target: str, code: str) -> None:
        """A target refused us: credentials, access, or a model id that names nothing."""
        if target not in self._blocked:
            _log.error(Event.TARGET_BLOCKED, target=target, error=code)
        self._blocked[target] = code
        self._metrics.blocked.set(len(self._blocked))

    def served(self, target: str) -> None:
        """A target answered."""
        if self._blocked.pop(target, None):
            _log.info(Event.TARGET_UNBLOCKED, target=target)
            self._metrics.blocked.set(len(self._blocked))

    def unready(self) -> str | None:
        """Why this worker is not ready, or None."""
        if self.draining:
            return "draining"
        if self._blocked:
            return "; ".join(f"{target}: {code}" for target, code in sorted(self._blocked.items()))
        return None

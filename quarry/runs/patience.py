"""How a run bears with an API that is away, restarting, or asks for time. Pure: it takes `now`, and a number that was drawn."""

from typing import Final

from quarry.backoff import Backoff
from quarry.errors import ApiRefused, ApiUnreachable, QuarryError

#: How long a run goes on without an answer that helps. Our own choice: longer than a deploy.
PATIENCE_SECONDS: Final = 300.0
_BACKOFF: Final = Backoff(base_seconds=1.0, ceiling_seconds=15.0, floor_seconds=0.2)


class RunStopped(QuarryError):
    """A run cannot go on now. What it has done is kept."""


class Patience:
    """With one kind of question. It is not to be asked before `not_before`."""

    def __init__(self) -> None:
        self.not_before = 0.0
        self.troubles = 0
        self._answered_at: float | None = None

    def fine(self, now: float) -> None:
        """It was answered."""
        self._answered_at = now
        self.troubles = 0

    def trouble(self, error: ApiUnreachable | ApiRefused, now: float, draw: float) -> None:
        """It was not: wait, longer each time, and as long as the API asks for.

        Raises:
            RunStopped: time does not help, or has not; or nobody has ever been there, so that the URL may be wrong.
        """
        if isinstance(error, ApiRefused) and error.status != 429 and error.status < 500:
            raise RunStopped(f"{error} ({error.code})") from error
        if self._answered_at is None and (isinstance(error, ApiRefused) or error.slow):
            # Somebody is there.
            self._answered_at = now
        if self._answered_at is None or now - self._answered_at > PATIENCE_SECONDS:
            raise RunStopped(str(error)) from error
        self.troubles += 1
        asked = (error.retry_after_seconds or 0.0) if isinstance(error, ApiRefused) else 0.0
        self.not_before = now + max(asked, _BACKOFF.wait(self.troubles, draw).total_seconds())

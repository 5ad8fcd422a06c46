"""All targets' breakers of this process: the engine asks it before a call, and tells it of the call.

Throttles open none of them: a target that throttles is well, and how much it takes is the governor's to find out.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from quarry.clock import Clock
from quarry.errors import (
    CircuitOpen,
    InvocationError,
    InvocationTimedOut,
    ModelFailed,
    ModelNotReady,
    ProviderUnavailable,
)
from quarry.inference.breaker import Breaker, Ended, Limits
from quarry.inference.patience import Patience, kind_of
from quarry.invocation import Target
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import InferenceMetrics

_log = get_logger(__name__)
#: The provider's, and not the request's. An answer that cannot be used (`MalformedCompletion`) is as a rule the request's doing, a
#: refusal of the request is; where we are refused (access, credentials, model id), asking costs nothing and somebody has to act.
_FAILURES: Final = (ProviderUnavailable, ModelNotReady, ModelFailed, InvocationTimedOut)
#: Peers that leave a target alone, ourselves included if it fails for us: one alone may have lost its network.
_WITNESSES: Final = 2


class _Place:
    """What is known of one target."""

    def __init__(self, limits: Limits) -> None:
        #: What the answers say of how long calls take.
        self.patience = Patience()
        self.failures = Breaker(limits, self.patience)
        #: When it was to end, as it was last told.
        self.told: float | None = None


class Board:
    """Which targets may be asked. With None for `limits` all of them, always."""

    def __init__(self, limits: Limits | None, metrics: InferenceMetrics, clock: Clock) -> None:
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._places: dict[Target, _Place] = {}
        #: What the peers said last, and when.
        self._heard: tuple[Sequence[Mapping[str, float]], float] = (), 0.0
        #: Set where peers should hear of it at once.
        self.changed = asyncio.Event()

    def admit(self, target: Target) -> None:
        """See whether the target may be asked now.

        Raises:
            CircuitOpen: it may not, and when to ask again.
        """
        if self._limits is None:
            return
        place, now = self._place(target), self._clock.monotonic()
        wait = place.failures.wait(now)
        self._tell(target, place, now)
        if wait is not None:
            raise CircuitOpen("the target is left alone for a while", target=str(target), retry_after_seconds=wait)

    @contextmanager
    def call(self, target: Target, max_tokens: int = 0) -> Iterator[None]:
        """One call of the target is the block, which asks for so much.

        Raises:
            CircuitOpen: as `admit`; the call does not begin.
        """
        if self._limits is None:
            yield
            return
        self.admit(target)
        place, began, kind = self._place(target), self._clock.monotonic(), kind_of(max_tokens)
        call = place.failures.begin(began, kind)
        ended, hint = Ended.CUT, None
        try:
            yield
            ended = Ended.WELL
        except InvocationError as error:
            ended, hint = Ended.BADLY if isinstance(error, _FAILURES) else Ended.NEITHER, error.retry_after_seconds
            raise
        except Exception:
            ended = Ended.NEITHER
            raise
        finally:
            now = self._clock.monotonic()
            if ended is Ended.WELL:
                place.patience.answered(kind, now - began)
            place.failures.end(call, ended, now, hint)
            self._tell(target, place, now)

    def openings(self) -> dict[str, float]:
        """For how many seconds more each target is left alone since it failed *here*; what peers say is not passed on."""
        now = self._clock.monotonic()
        for target, place in self._places.items():
            # Where every slot is in a call that hangs, nobody else looks.
            place.failures.look(now)
            self._tell(target, place, now)
        left = {str(target): place.failures.opening(now) for target, place in self._places.items()}
        return {target: seconds for target, seconds in left.items() if seconds > 0}

    def follow(self, peers: Iterable[Mapping[str, float]]) -> None:
        """What the openings of each peer are now. One of them alone is not followed, unless the target fails here too."""
        self._heard = tuple(peers), self._clock.monotonic()
        for target, place in self._places.items():
            self._heed(target, place)

    def _heed(self, target: Target, place: _Place) -> None:
        (heard, at), now, name = self._heard, self._clock.monotonic(), str(target)
        left = [seconds - (now - at) for openings in heard if (seconds := openings.get(name, 0.0)) > now - at]
        if left and len(left) + place.failures.suspects >= _WITNESSES:
            place.failures.follow(left, now)
            self._tell(target, place, now)

    def _place(self, target: Target) -> _Place:
        if target not in self._places:
            place = self._places[target] = _Place(self._limits or Limits())
            gauge = self._metrics.breaker_state.labels(target.provider, target.region, target.model)
            gauge.set_function(lambda: place.failures.state(self._clock.monotonic()))
            # Asked here for the first time, perhaps in the middle of an outage.
            self._heed(target, place)
        return self._places[target]

    def _tell(self, target: Target, place: _Place, now: float) -> None:
        breaker, before = place.failures, place.told
        place.told = breaker.until
        if breaker.until == before:
            return
        if breaker.until is None:
            _log.info(Event.BREAKER_CLOSED, target=str(target))
        else:
            why = "peer" if breaker.heard else "local"
            self._metrics.breaker_openings.labels(target.provider, target.region, target.model, why).inc()
            _log.warning(Event.BREAKER_OPENED, target=str(target), reason=why, seconds=round(breaker.until - now, 1))
        if not breaker.heard:
            self.changed.set()

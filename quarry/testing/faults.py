"""Failures, on order or by chance: what a test plans for the next calls of a fake, or lets happen to any of them.

Everything in which a network is unkinder than a dictionary is to be told here, so that both fakes have it in one form.
"""

import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from quarry.errors import QuarryError, TransportError


@dataclass(frozen=True, slots=True)
class _Fault:
    applied: bool
    known: bool


#: Refused; lost on the way; done, and the answer lost. The last two look alike to whoever called.
_BY_CHANCE: Final = (_Fault(applied=False, known=True), _Fault(applied=False, known=False), _Fault(applied=True, known=False))


class Faults:
    """The failures that are to come, by operation."""

    def __init__(self, kind: type[TransportError]) -> None:
        self._kind = kind
        self._planned: dict[str, deque[_Fault]] = {}
        self._rate = 0.0
        self._random = random.Random(0)  # noqa: S311 - faults to test with

    def plan(self, operation: str, *, applied: bool, known: bool, times: int) -> None:
        """Let the next `times` calls of `operation` fail."""
        self._planned.setdefault(operation, deque()).extend([_Fault(applied, known and not applied)] * times)

    def at_random(self, rate: float, seed: int) -> None:
        """Let each further call fail with a chance of `rate`, one way or another; zero ends it. Equal seeds, equal faults."""
        self._rate, self._random = rate, random.Random(seed)  # noqa: S311

    def mend(self) -> None:
        """Let nothing fail any more."""
        self._planned.clear()
        self._rate = 0.0

    @contextmanager
    def strike(self, operation: str) -> Iterator[None]:
        """Fail around the block where that is planned: before it, or after it, whatever it answered."""
        fault = self._next(operation)
        if fault is None:
            yield
            return
        error = self._kind(f"planned by a test: {operation}", applied=False if fault.known else None)
        if fault.applied:
            try:
                yield
            except QuarryError as unseen:
                raise error from unseen
        raise error

    def _next(self, operation: str) -> _Fault | None:
        planned = self._planned.get(operation)
        if planned:
            return planned.popleft()
        return self._random.choice(_BY_CHANCE) if self._random.random() < self._rate else None

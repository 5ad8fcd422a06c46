"""Failures, on order or by chance: what a test plans for the next calls of a fake, or lets happen to any of them.

Everything in which a network is unkinder than a dictionary is to be told here, so that all fakes have it in one form.
"""

import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from quarry.errors import QuarryError, TransportError

#: The names of the methods that can fail.
OperationT = TypeVar("OperationT", bound=str)


@dataclass(frozen=True, slots=True)
class _Fault:
    applied: bool
    known: bool


#: Refused; lost on the way; done, and the answer lost. The last two look alike to whoever called.
_BY_CHANCE: Final = (_Fault(applied=False, known=True), _Fault(applied=False, known=False), _Fault(applied=True, known=False))


class Fallible(Generic[OperationT]):
    """A fake whose calls fail where a test wants them to, with what its port raises while a service is away.

    Args:
        kind: that error.
    """

    def __init__(self, kind: type[TransportError]) -> None:
        self._kind = kind
        self._planned: dict[str, deque[_Fault]] = {}
        self._rate = 0.0
        self._chance = random.Random(0)  # noqa: S311 - faults to test with

    def fail_next(self, operation: OperationT, *, applied: bool = False, known: bool = True, times: int = 1) -> None:
        """Let the next calls fail; of a call with several entries, the next entries.

        Args:
            operation: the method.
            applied: carry it out, then lose the answer, whatever it was. Else nothing happens.
            known: whether the error says so, where nothing happens.
            times: how often.
        """
        self._planned.setdefault(operation, deque()).extend([_Fault(applied, known and not applied)] * times)

    def fail_at_random(self, rate: float, seed: int = 0) -> None:
        """Let each further call fail with a chance of `rate`: refused, lost on the way, or done and its answer lost.

        Zero ends it. Equal seeds, equal faults.
        """
        self._rate, self._chance = rate, random.Random(seed)  # noqa: S311

    def mend(self) -> None:
        """Let nothing fail any more."""
        self._planned.clear()
        self._rate = 0.0

    @contextmanager
    def _strike(self, operation: OperationT) -> Iterator[None]:
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

    def _next(self, operation: OperationT) -> _Fault | None:
        planned = self._planned.get(operation)
        if planned:
            return planned.popleft()
        return self._chance.choice(_BY_CHANCE) if self._chance.random() < self._rate else None

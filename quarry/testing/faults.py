"""Failures on order: what a test plans for the next calls of a fake.

Everything in which a network is unkinder than a dictionary is to be told here, so that both fakes have it in one form.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from quarry.errors import QuarryError, TransportError


@dataclass(frozen=True, slots=True)
class _Fault:
    applied: bool
    known: bool


class Faults:
    """The failures that are to come, by operation."""

    def __init__(self, kind: type[TransportError]) -> None:
        self._kind = kind
        self._planned: dict[str, deque[_Fault]] = {}

    def plan(self, operation: str, *, applied: bool, known: bool, times: int) -> None:
        """Let the next `times` calls of `operation` fail."""
        self._planned.setdefault(operation, deque()).extend([_Fault(applied, known and not applied)] * times)

    @contextmanager
    def strike(self, operation: str) -> Iterator[None]:
        """Fail around the block where that is planned: before it, or after it, whatever it answered."""
        planned = self._planned.get(operation)
        fault = planned.popleft() if planned else None
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

"""How `quarry run` shows how far it is: a bar that moves on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from quarry.runs.tally import Pace, Speedometer, Tally, told, told_degraded

#: Between two lines in a log. Our own choice.
_LINE_SECONDS: Final = 10.0
_BAR_SECONDS: Final = 0.25
#: Less has no room for all the figures of a large run.
_WIDE_COLUMNS: Final = 130


class Meter(Protocol):
    """Shows a run."""

    def tally(self, tally: Tally) -> None:
        """How far it is; called often."""

    def say(self, text: str) -> None:
        """A sentence, beside the figures."""

    def end(self, tally: Tally) -> None:
        """It is over."""


class Lines:
    """For a pipe or a log."""

    def __init__(self, stream: TextIO, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._monotonic = monotonic
        self._started = self._said = monotonic()
        self._speed = Speedometer()
        self._began: Tally | None = None

    def tally(self, tally: Tally) -> None:
        now = self._monotonic()
        self._began = self._began or tally
        pace = self._speed.pace(tally, now)
        if now - self._said >= _LINE_SECONDS:
            self._said = now
            self.say(told(tally, pace))

    def say(self, text: str) -> None:
        print(f"quarry: {text}", file=self._stream, flush=True)

    def end(self, tally: Tally) -> None:
        self.say(_ending(tally, self._began or tally, self._monotonic() - self._started))


class Bar:
    """For a terminal."""

    def __init__(self, stream: TextIO) -> None:
        # Here, since only who sits at a terminal waits for its import.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._console = Console(file=stream, highlight=False)
        self._is_wide = self._console.width >= _WIDE_COLUMNS
        bar = (BarColumn(bar_width=16), TaskProgressColumn()) if self._is_wide else (BarColumn(bar_width=8),)
        columns = (*bar, TextColumn("{task.description}", markup=False))
        self.progress = Progress(*columns, console=self._console, expand=False)
        self._task = self.progress.add_task("", total=None)
        self._speed = Speedometer()
        self._began: Tally | None = None
        self._started, self._shown = time.monotonic(), 0.0

    def tally(self, tally: Tally) -> None:
        now = time.monotonic()
        self._began = self._began or tally
        if now - self._shown >= _BAR_SECONDS:
            self._shown = now
            self._show(tally, self._speed.pace(tally, now))

    def say(self, text: str) -> None:
        self._console.print(f"quarry: {text}", markup=False)

    def end(self, tally: Tally) -> None:
        self._show(tally, self._speed.pace(tally, time.monotonic()))
        self.progress.stop()
        self.say(_ending(tally, self._began or tally, time.monotonic() - self._started))

    def _show(self, tally: Tally, pace: Pace) -> None:
        self.progress.update(self._task, total=tally.total, completed=tally.done, description=told(tally, pace, flow=self._is_wide))


@contextmanager
def meter(stream: TextIO = sys.stderr) -> Iterator[Meter]:
    """A meter for the length of the block, whatever ends that."""
    if not stream.isatty():
        yield Lines(stream)
        return
    bar = Bar(stream)
    with bar.progress:
        yield bar


def _ending(tally: Tally, began: Tally, seconds: float) -> str:
    rate = (tally.done - began.done) / seconds if seconds else 0.0
    return (
        f"{tally.done:,} lines done, {tally.completed:,} completed, {tally.failed:,} failed{told_degraded(tally)}; "
        f"{tally.tokens:,} tokens; {seconds:,.1f} s, {rate:,.1f} jobs/s"
    )

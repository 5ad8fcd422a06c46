"""How a run shows how far it is: lines in a log, a bar on a terminal."""

import io
import os
import pty
import re
import time
from contextlib import suppress

import pytest

from quarry.cli.meter import Lines, meter
from quarry.runs.tally import Tally


def test_a_log_gets_a_line_now_and_then() -> None:
    """Every ten seconds, not every tally; sentences at once; in the end the whole, at the rate of this sitting."""
    now, stream = [0.0], io.StringIO()
    lines = Lines(stream, lambda: now[0])
    for second in range(26):
        now[0] = float(second)
        lines.tally(Tally(100, completed=40 + second, tokens=10 * second))
    lines.say("a sentence")
    lines.end(Tally(100, completed=95, failed=5, tokens=1000))
    first, second_, third, last = stream.getvalue().splitlines()
    assert first == "quarry: 50 of 100 done, 0 failed · 0 in flight · 1.0 jobs/s · 10 tokens/s · 0:00:50 left"
    assert second_.startswith("quarry: 60 of 100 done")
    assert third == "quarry: a sentence"
    assert last == "quarry: 100 lines done, 95 completed, 5 failed; 1,000 tokens; 25.0 s, 2.4 jobs/s"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves in place, and what was said stands beside it; whatever ends the run, the cursor is shown again."""
    control, terminal = opened(monkeypatch, columns=130)
    with os.fdopen(terminal, "w") as stream, meter(stream) as shown:
        shown.tally(Tally(10, completed=2, failed=1))
        shown.say("[a sentence]")
        shown.end(Tally(10, completed=9, failed=1))
    text = _all_of(control)
    assert "━" in text
    assert "100%" in text
    assert "quarry: [a sentence]" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


@pytest.mark.parametrize(("columns", "flow"), [(80, False), (130, True)])
def test_nothing_is_cut_at_this_width(columns: int, flow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large run in an ordinary window: the bar is one, and the time that is left can be read."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    control, terminal = opened(monkeypatch, columns)
    with os.fdopen(terminal, "w") as stream, meter(stream) as shown:
        shown.tally(Tally(100_000, completed=90_000, in_flight=2000))
        now[0] = 120.0
        shown.tally(Tally(100_000, completed=92_000, failed=1000, in_flight=2000, tokens=500_000))
        shown.end(Tally(100_000, completed=92_000, failed=1000, in_flight=2000, tokens=500_000))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", _all_of(control))
    assert "━━━━━━━" in text
    assert "…" not in text
    assert "93,000 of 100,000 done, 1,000 failed" in text
    assert " left" in text
    assert ("2,000 in flight" in text) is ("tokens/s" in text) is flow


def opened(monkeypatch: pytest.MonkeyPatch, columns: int) -> tuple[int, int]:
    """A terminal's two ends."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    return pty.openpty()


def test_a_stream_that_is_no_terminal_gets_no_bar() -> None:
    """A pipe is read by a program."""
    stream = io.StringIO()
    with meter(stream) as shown:
        shown.end(Tally(1, completed=1))
    assert stream.getvalue().startswith("quarry: 1 lines done")


def _all_of(control: int) -> str:
    """What was written to the terminal, whose other end is closed. Linux ends such a read with EIO."""
    found = b""
    with os.fdopen(control, "rb", buffering=0) as file, suppress(OSError):
        while some := file.read(65_536):
            found += some
    return found.decode()

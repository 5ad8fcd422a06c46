"""Exit codes, and the error that a verb ends with."""

import signal
import sys
from typing import Final

from quarry.errors import QuarryError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
CONFIGURATION: Final = 78
#: As a shell reports a command that a signal ended.
INTERRUPTED: Final = 130
CLOSED_PIPE: Final = 141


class CommandFailed(QuarryError):
    """A verb cannot go on; the message is one sentence for the person who typed it."""


class WrongUsage(CommandFailed):
    """What was typed cannot be meant."""


def stop_at_once() -> None:
    """Until a service is up and handles SIGTERM itself, being told to stop means that nothing was begun."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))

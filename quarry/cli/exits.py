"""Exit codes, and the error that a verb ends with."""

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

"""The provider port: one model call. Each provider maps its vendor's errors to `quarry.errors.InvocationError`, in its file."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeAlias

from quarry.invocation import Completion, Invocation, Json, Target

#: Told the text of an answer, piece by piece as it comes. It does not wait, and raises nothing.
Heard: TypeAlias = Callable[[str], None]


class Provider(Protocol):
    """Calls models of one vendor."""

    async def invoke(
        self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json, heard: Heard | None = None
    ) -> Completion:
        """Make exactly one billable call: it is never repeated here.

        `labels` (few short texts, such as the request id) are attached to the call where the vendor keeps such things. With
        `heard`, the answer is streamed, where the vendor can: the pieces, joined, are the beginning of the answer's `text`, or all
        of it.

        Raises:
            InvocationError: one of its classes; after `timeout` it is `InvocationTimedOut`. Where no answer came, the error says
                by its class whether the call may have been billed: once a part of an answer has come, it always may.
        """

"""The provider port: one model call. Each provider maps its vendor's errors to `quarry.errors.InvocationError`, in its file."""

from datetime import timedelta
from typing import Protocol

from quarry.invocation import Completion, Invocation, Json, Target


class Provider(Protocol):
    """Calls models of one vendor."""

    async def invoke(self, target: Target, invocation: Invocation, *, timeout: timedelta, labels: Json) -> Completion:
        """Make exactly one billable call: it is never repeated here.

        `labels` (few short texts, such as the request id) are attached to the call where the vendor keeps such things.

        Raises:
            InvocationError: one of its classes; after `timeout` it is `InvocationTimedOut`. Where no answer came, the error says
                by its class whether the call may have been billed.
        """

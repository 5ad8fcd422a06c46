"""The REST API, as its clients see it."""

from quarry.errors.root import QuarryError
from quarry.errors.submission import FieldFault


class ApiUnreachable(QuarryError):
    """Nothing that is Quarry's API answered. The message says where it was looked for.

    `heard` is False where what was asked has certainly not arrived there, `slow` is True where somebody took it and did not
    answer in time.
    """

    def __init__(self, detail: str, *, heard: bool = True, slow: bool = False) -> None:
        super().__init__(detail)
        self.heard = heard
        self.slow = slow


class ApiRefused(QuarryError):
    """The API answered with a problem (RFC 9457). `code` is stable, the faults name the fields of the request.

    `retry_after_seconds` is what its Retry-After asks for; None where it does not say.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        faults: tuple[FieldFault, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.faults = faults
        self.retry_after_seconds = retry_after_seconds

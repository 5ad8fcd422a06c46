"""The audit log of what operators do."""

import os
import pwd
import socket
from typing import Any, Final

from quarry.cli import exits
from quarry.clock import SystemClock
from quarry.settings import Settings
from quarry.telemetry.acts import Act
from quarry.telemetry.audit import AuditLog, Who, audit_log

SCHEME: Final = "operator"


class OperatorAudit:
    """Records what whoever typed this command does."""

    def __init__(self, log: AuditLog, subject: str) -> None:
        self._log = log
        self._subject = subject

    def record(self, act: Act, tenant: str, **fields: Any) -> None:
        """Write one; `tenant` is whose things were changed.

        Raises:
            CommandFailed: it could not be written.
        """
        try:
            self._log.record(act, Who(tenant, self._subject, SCHEME), **fields)
        except OSError as error:
            raise exits.CommandFailed(f"{act} was done, and could not be recorded in QUARRY_AUDIT__FILE: {error}") from error


def operator_audit(settings: Settings) -> OperatorAudit:
    """Open it, before anything is done: what cannot be recorded should not be begun.

    Raises:
        ConfigurationError: its file cannot be written.
    """
    return OperatorAudit(audit_log(settings, SystemClock(), strict=True), f"{_user()}@{socket.gethostname()}")


def _user() -> str:
    """By the process's user id: what the environment says of it, anybody can set."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())

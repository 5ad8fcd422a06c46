"""Logging: structlog, one JSON object a line (coloured text on a terminal), other libraries' logs in the same form.

Nothing secret is logged: no prompt, completion, key or receipt handle. The redaction below is the second net; the first is
that nobody passes such a thing. An API key can be told by its shape, and is not let through in any text. Of an exception the log
has its class and where it came from, and never its words, which may quote what it was about; of what another library logs, that
library's own words, and nothing that it filled in. Below warnings other libraries are not heard, whatever our own level: botocore
would log every body.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final

import structlog

from quarry.keys.key import CARRIED, PREFIX

#: Field names whose values never leave the process.
SECRET_FIELDS: Final = frozenset(
    {
        "prompt", "messages", "system", "native", "converse", "content", "text", "completion", "result", "invocation", "payload",
        "body", "receipt", "receipt_handle", "authorization", "api_key", "credential", "digest", "salt", "token", "lease_token",
        "secret", "password", "idempotency_key",
    }
)  # fmt: skip
REDACTED: Final = "[redacted]"
#: Up to where something may be quoted, or shown as Python shows it.
_OWN_WORDS: Final = re.compile(r"[^\n:<({\[\"'`=]*")
#: Our own choices: what is told of one exception is a line of log, and not a page.
_FRAMES_MAX: Final = 20
_DEPTH_MAX: Final = 5


def redact(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of secret fields, at any depth of mappings and lists, and API keys in any text."""
    return {name: _redacted(name, value) for name, value in fields.items()}


def configure(level: str, *, service: str) -> None:
    """Set up logging for this process: to stderr, so that stdout stays for data."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _without_words,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    # Ours do not pass through the standard library's logging, which would double what a line costs.
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_own_words, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            use_get_message=False,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


def bind_job(request_id: str, attempt: int | None = None) -> None:
    """Let every further line of this task name its job."""
    known = {"request_id": request_id, "attempt": attempt}
    structlog.contextvars.bind_contextvars(**{name: value for name, value in known.items() if value is not None})


def bind_trace(trace_id: str | None) -> None:
    """Let every further line of this task name its trace, if it has one that somebody can look up."""
    if trace_id is not None:
        structlog.contextvars.bind_contextvars(trace_id=trace_id)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _own_words(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of another library's line, which comes as a template, the beginning of it: what asyncio logs is filled in by then."""
    found = _OWN_WORDS.match(fields["event"])
    fields.update(event=found[0].strip() if found else "", logger=fields["_record"].name)
    return fields


def _without_words(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info` by a traceback that has classes and places."""
    given = fields.pop("exc_info", None)
    if given:
        error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exception()
        fields["exception"] = "\n".join(_told(error)) if error else ""
    return fields


def _told(error: BaseException, depth: int = 0) -> Iterator[str]:
    """An exception's frames and class; what it came from stands before it, and a group's members behind it."""
    came_from = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if came_from and depth < _DEPTH_MAX:
        yield from _told(came_from, depth + 1)
        yield "then"
    frames = traceback.extract_tb(error.__traceback__)
    yield from (f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-_FRAMES_MAX:])
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, BaseExceptionGroup) and depth < _DEPTH_MAX:
        for each in error.exceptions:
            yield from _told(each, depth + 1)


def _redacted(name: str, value: Any) -> Any:
    if name in SECRET_FIELDS:
        return REDACTED
    if isinstance(value, str):
        # The search for the prefix is a tenth of what the expression takes, and nearly all texts end there.
        return CARRIED.sub(REDACTED, value) if PREFIX in value else value
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted("", each) for each in value]
    return value

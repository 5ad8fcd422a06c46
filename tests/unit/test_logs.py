"""Logging: one JSON object a line, and nothing secret in it."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from quarry.telemetry.events import Event
from quarry.telemetry.logs import REDACTED, SECRET_FIELDS, bind_job, configure, get_logger, redact
from quarry.testing import a_key

SECRET = "the secret"  # noqa: S105 - what must not be seen


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """Logging as it was, afterwards."""
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in ("quarry", "producer", "worker")]
    handlers, levels = root.handlers[:], [logger.level for logger in (root, *ours)]
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, *ours), levels, strict=True):
        logger.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged since; stdout stays for data."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_a_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """The event is a name, everything else a field, and the instant is UTC."""
    configure("info", service="worker")
    get_logger("quarry.test.json").info(Event.JOB_SUBMITTED, tenant="default", model="🚀")
    [line] = lines(capsys)
    assert line.pop("at").endswith("Z")
    assert line == {"event": "job.submitted", "level": "info", "service": "worker", "tenant": "default", "model": "🚀"}


def test_the_level_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours; other libraries are heard from warnings on."""
    configure("warning", service="api")
    get_logger("quarry.test.level").info(Event.JOB_SUBMITTED)
    logging.getLogger("botocore.test").info("noise")
    assert lines(capsys) == []


def test_other_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """With arguments filled in, and tracebacks as a field."""
    configure("info", service="api")
    try:
        int("broken")
    except ValueError:
        logging.getLogger("somebody").exception("it %s", "broke")
    [line] = lines(capsys)
    assert (line["event"], line["level"], line["service"]) == ("it broke", "error", "api")
    assert "ValueError: invalid literal" in line["exception"]


def test_a_job_is_named_in_every_line_of_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    """Once bound."""
    configure("info", service="worker")
    bind_job("0123")
    bind_job("0123", 2)
    get_logger("quarry.test.bound").info(Event.LEASE_LOST)
    [line] = lines(capsys)
    assert (line["request_id"], line["attempt"]) == ("0123", 2)


#: What is promised never to be logged: prompts, completions, keys, receipts.
PROMISED = {
    "prompt", "messages", "system", "native", "content", "text", "completion", "result", "body", "receipt", "api_key",
    "authorization", "credential", "token", "idempotency_key",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SECRET_FIELDS | PROMISED))
def test_nothing_secret_is_logged(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """However deep it lies in what somebody passed."""
    configure("debug", service="worker")
    hidden = {
        name: SECRET,
        "outer": {"list": [1, {name: [SECRET, {"x": SECRET}]}], "tuple": ({name: {"deep": SECRET}},)},
        "harmless": "seen",
    }
    get_logger("quarry.test.secret").warning(Event.RECORD_FAILED, **hidden)
    logging.getLogger("somebody").warning("lib", extra={name: SECRET})
    captured = capsys.readouterr().err
    assert SECRET not in captured
    first = json.loads(captured.splitlines()[0])
    assert (first[name], first["harmless"]) == (REDACTED, "seen")
    assert first["outer"]["list"] == [1, {name: REDACTED}]


def test_no_api_key_is_logged_in_any_text(capsys: pytest.CaptureFixture[str]) -> None:
    """In a field of any name, in what is said, in an error, and in its traceback; its id is kept where that is meant."""
    configure("debug", service="api")
    key, carried = a_key()
    secret = carried.rpartition(key.key_id)[2]
    get_logger("quarry.test.key").warning(
        Event.REQUEST_FAILED, error=f"GET /?key={carried}", deep=[{"x": (carried,)}], key_id=key.key_id
    )
    try:
        int(carried)
    except ValueError:
        logging.getLogger("somebody").exception("with %s!", carried)
    captured = capsys.readouterr().err
    assert secret not in captured
    first, second = map(json.loads, captured.splitlines())
    assert (first["error"], first["deep"], first["key_id"]) == (f"GET /?key={REDACTED}", [{"x": [REDACTED]}], key.key_id)
    assert second["event"] == f"with {REDACTED}!"
    assert "ValueError" in second["exception"]


def test_the_record_of_a_key_does_not_show_what_is_kept_of_its_secret() -> None:
    """Somebody will log one."""
    key, _ = a_key()
    assert key.digest not in repr(key)
    assert key.salt not in repr(key)


def test_what_is_not_secret_is_left_alone() -> None:
    """Redaction goes by the names of fields, at any depth, and changes nothing else."""
    fields = {"tokens": 3, "reason": "text", "table": "quarry_0123456789abcdef", "list": [1, "a", None], "mapping": {"x": 0.5}}
    assert redact(None, "info", dict(fields)) == fields


def test_events_are_named_alike() -> None:
    """`noun.past_participle`, each once."""
    names = [event.value for event in Event]
    assert len(set(names)) == len(names)
    assert not [name for name in names if not (name.replace(".", "").replace("_", "").isalpha() and name.count(".") == 1)]

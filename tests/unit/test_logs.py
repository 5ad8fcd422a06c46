"""Logging: one JSON object a line, and nothing secret in it."""

import asyncio
import gc
import json
import logging
import re
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
    """With who says it, and tracebacks as a field: of both, not what they quote."""
    configure("info", service="api")
    try:
        int(SECRET)
    except ValueError:
        logging.getLogger("somebody").exception("it broke: %s", SECRET)
    [line] = lines(capsys)
    assert (line["event"], line["level"], line["service"], line["logger"]) == ("it broke", "error", "api", "somebody")
    assert re.fullmatch(
        r"\S+/test_logs.py:\d+ in test_other_libraries_log_in_the_same_form\nbuiltins.ValueError", line["exception"]
    )


async def test_asyncio_says_what_happened_and_not_to_what(capsys: pytest.CaptureFixture[str]) -> None:
    """It shows tasks and callbacks with all that they were given, errors with their words."""
    configure("debug", service="api")
    loop = asyncio.get_running_loop()

    async def failing(secret: str) -> None:
        raise ValueError(secret)

    async def nobody_asks() -> None:
        task = asyncio.create_task(failing(SECRET), name=SECRET)
        await asyncio.wait({task})

    await nobody_asks()
    gc.collect()
    loop.call_soon(int, SECRET)
    await asyncio.sleep(0)
    loop.call_exception_handler({"message": f"<{SECRET}>"})
    captured = capsys.readouterr().err
    assert SECRET not in captured
    never, callback, nothing = map(json.loads, captured.splitlines())
    assert (never["event"], callback["event"], nothing["event"]) == (
        "Task exception was never retrieved", "Exception in callback int", "")  # fmt: skip
    assert never["exception"].endswith(" in failing\nbuiltins.ValueError")


def test_where_an_error_came_from_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of a chain, and each of a group, without their words."""
    configure("debug", service="api")
    nothing: dict[str, str] = {}
    try:
        try:
            nothing[SECRET]
        except KeyError as error:
            raise ExceptionGroup(SECRET, [LookupError(SECRET), OSError(SECRET)]) from error
    except ExceptionGroup:
        get_logger("quarry.test.chain").exception(Event.DELIVERY_FAILED)
    captured = capsys.readouterr().err
    assert SECRET not in captured
    told = json.loads(captured)["exception"].splitlines()
    assert [line for line in told if "test_logs.py" not in line] == [
        "builtins.KeyError", "then", "builtins.ExceptionGroup", "builtins.LookupError", "builtins.OSError"]  # fmt: skip


def test_no_level_turns_other_libraries_on(capsys: pytest.CaptureFixture[str]) -> None:
    """They are heard from warnings on, however much we say: botocore logs bodies at debug, and headers with credentials."""
    configure("debug", service="worker")
    for name in ("botocore.endpoint", "aiobotocore.httpsession", "aiohttp.client", "uvicorn.error", "urllib3", "asyncio", "h11"):
        logging.getLogger(name).info("sending %s", SECRET)
        logging.getLogger(name).debug("sending %s", SECRET)
    assert lines(capsys) == []


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
    """In a field of any name, in what is said, and in an error; its id is kept where that is meant."""
    configure("debug", service="api")
    key, carried = a_key()
    secret = carried.rpartition(key.key_id)[2]
    get_logger("quarry.test.key").warning(
        Event.REQUEST_FAILED, error=f"GET /?key={carried}", deep=[{"x": (carried,)}], key_id=key.key_id
    )
    try:
        int(carried)
    except ValueError:
        logging.getLogger("somebody").exception(f"with {carried}!")  # noqa: G004 - as some libraries do
    captured = capsys.readouterr().err
    assert secret not in captured
    first, second = map(json.loads, captured.splitlines())
    assert (first["error"], first["deep"], first["key_id"]) == (f"GET /?key={REDACTED}", [{"x": [REDACTED]}], key.key_id)
    assert second["event"] == f"with {REDACTED}!"


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

"""Content in the log: none unless it is asked for, masked as its tenant says, and never of a job whose content is not stored."""

from dataclasses import replace
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from quarry.job import StoredObject
from quarry.settings import Environment, Settings
from quarry.tenants.policy import Policy, Tenants
from quarry.tenants.privacy import Privacy
from quarry.testing import a_completion, a_job, an_invocation
from worker.content_log import ContentLog, Mode

SECRET = "jo@example.com"  # noqa: S105 - no password
JOB = a_job(invocation=an_invocation(f"Write to {SECRET}, 4111 1111 1111 1111."))
ANSWER = a_completion(f"Dear {SECRET}")


def logged(mode: Mode, monkeypatch: pytest.MonkeyPatch, job: Any = JOB, **rules: Any) -> list[dict[str, Any]]:
    """What a log of that mode writes of an attempt."""
    out = CapturingLogger()
    monkeypatch.setattr("worker.content_log._log", structlog.wrap_logger(out, processors=[lambda _, __, fields: fields]))
    ContentLog(mode, Tenants(Policy(privacy=Privacy(**rules)))).attempt(job, ANSWER)
    return [call.kwargs for call in out.calls]


def test_nothing_is_written_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert logged("off", monkeypatch) == []
    assert Settings(region="us-east-1", environment=Environment.LOCAL).log_content == "off"


def test_what_is_written_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = logged("masked", monkeypatch)
    assert (line["asked"], line["answered"]) == ("Write to [email], [card].", "Dear [email]")


def test_a_tenant_says_what_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = logged("masked", monkeypatch, mask=("email",))
    assert line["asked"] == "Write to [email], 4111 1111 1111 1111."


@pytest.mark.parametrize("mode", ["masked", "plain"])
def test_of_a_job_whose_content_is_not_stored_nothing_is_written(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a prompt fetched from the bucket for it."""
    assert logged(mode, monkeypatch, replace(JOB, store_content=False)) == []
    [line] = logged(mode, monkeypatch, replace(JOB, payload=StoredObject("k", 1, "0")))
    assert line["asked"] is None


def test_nothing_is_cut_where_it_would_not_be_known_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address across the end of what is shown is masked, or not shown at all."""
    for before in range(3_970, 4_010):
        job = replace(JOB, invocation=an_invocation("x" * (before - 1) + " " + SECRET + " " + "y" * 2_000))
        [line] = logged("masked", monkeypatch, job)
        assert "jo@" not in line["asked"], before
        assert len(line["asked"]) <= 4_000


@pytest.mark.parametrize(
    ("secret", "begins"),
    [
        ("4111 1111 1111 1111", "4"),
        ("4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", "4"),
        ("+49 30 1234567", "+49"),
        ("2 55 08 14 168 025 38", "2"),
        ("q" * 64 + "@" + "d" * 63 + ".example", "q"),
        ("q@" + "d" * 63 + ".example", "q"),
    ],
)
def test_what_the_reading_cuts_is_not_shown(secret: str, begins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before it is masked to so little that the end of what was read would be shown, where half a number is none."""
    for read in range(len(secret) + 1):
        before = (f"{'x' * 40}@example.com; " * 200)[: 5_000 - read - 2] + ". "
        [line] = logged("masked", monkeypatch, replace(JOB, invocation=an_invocation(before + secret + " y" * 2_000)))
        assert begins not in line["asked"], read
        assert line["asked"].startswith("[email]; [email]"), read


def test_what_is_read_to_its_end_is_shown_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (f"{'x' * 40}@example.com; " * 200)[:4_980] + " 4111 1111 1111 1111"
    assert len(text) == 5_000
    [line] = logged("masked", monkeypatch, replace(JOB, invocation=an_invocation(text)))
    assert line["asked"].endswith(" [card]")


@pytest.mark.parametrize("environment", [each for each in Environment if each is not Environment.LOCAL])
def test_unmasked_it_is_never_written_where_it_matters(environment: Environment) -> None:
    with pytest.raises(ValueError, match="QUARRY_LOG_CONTENT"):
        Settings(region="us-east-1", environment=environment, log_content="plain")

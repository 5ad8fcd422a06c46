"""A job on a screen."""

from quarry.cli.show import as_json, as_row, as_text

JOB = {
    "request_id": "0199a0c0d1e27c3fa4b5c6d7e8f90a1b", "custom_id": "a", "status": "completed", "status_reason": None,
    "model": "default", "priority": "normal", "metadata": {"source": "inbox"}, "created_at": "2026-11-21T06:00:00.000Z",
    "available_at": "2026-11-21T06:00:05.000Z", "started_at": "2026-11-21T06:00:01.000Z",
    "finished_at": "2026-11-21T06:00:08.500Z", "deadline_at": "2026-11-22T06:00:00.000Z", "cancel_requested": False, "attempts": 2,
    "attempt_history": [
        {
            "attempt": 1, "started_at": "2026-11-21T06:00:01.000Z", "finished_at": "2026-11-21T06:00:02.000Z", "outcome": "failed",
            "target": "bedrock/us-east-1/m", "error": {"code": "model_failed", "message": "It broke."}, "usage": None,
            "fallbacks": [],
        },
        {
            "attempt": 2, "started_at": "2026-11-21T06:00:06.000Z", "finished_at": "2026-11-21T06:00:08.500Z",
            "outcome": "completed", "target": "bedrock/us-east-1/m", "error": None, "usage": None, "fallbacks": [],
        },
    ],
    "result": {"text": "Größe\nzählt", "content": [], "stop_reason": "end_turn", "filtered": True},
    "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    "served_by": {"provider": "bedrock", "region": "us-east-1", "model": "m"}, "error": None,
}  # fmt: skip


def test_a_finished_job_shows_its_attempts_and_ends_with_its_answer() -> None:
    """What happened, in order, then the answer as it is, and nothing that is not known."""
    assert as_text(JOB).splitlines() == [
        "request_id    0199a0c0d1e27c3fa4b5c6d7e8f90a1b",
        "custom_id     a",
        "status        completed",
        "model         default",
        "priority      normal",
        "created_at    2026-11-21T06:00:00.000Z",
        "available_at  2026-11-21T06:00:05.000Z",
        "started_at    2026-11-21T06:00:01.000Z",
        "finished_at   2026-11-21T06:00:08.500Z",
        "deadline_at   2026-11-22T06:00:00.000Z",
        "metadata      source=inbox",
        "attempt       1 failed after 1.0 s at bedrock/us-east-1/m (model_failed: It broke.)",
        "attempt       2 completed after 2.5 s at bedrock/us-east-1/m",
        "served_by     bedrock/us-east-1/m",
        "tokens        3 in, 4 out",
        "stop_reason   end_turn (filtered)",
        "",
        "Größe",
        "zählt",
    ]


def test_a_large_result_shows_where_it_can_be_had() -> None:
    """Its URL on a line of its own, to be copied."""
    link = {"url": "https://s3/x?y", "url_expires_at": "2026-11-21T07:00:00.000Z", "size_bytes": 2_000_000}
    assert as_text(JOB | {"result": link}).splitlines()[-2:] == [
        "result        2,000,000 bytes of JSON, until 2026-11-21T07:00:00.000Z at",
        "https://s3/x?y",
    ]


def test_a_job_that_was_just_submitted_shows_what_there_is() -> None:
    """A list row and a job that waits have neither result nor attempts."""
    waiting = {name: JOB[name] for name in ("request_id", "status", "model", "created_at")}
    waiting |= {"status": "queued", "cancel_requested": True, "result": None, "error": None, "usage": None, "served_by": None}
    assert as_text(waiting).splitlines()[-1] == "cancel        requested"
    assert as_row(waiting) == "0199a0c0d1e27c3fa4b5c6d7e8f90a1b  queued      2026-11-21T06:00:00.000Z  default"


def test_json_is_one_line_and_keeps_its_letters() -> None:
    """A line is a job, whatever is in the answer."""
    assert as_json({"text": "Größe\nzählt"}) == '{"text":"Größe\\nzählt"}'

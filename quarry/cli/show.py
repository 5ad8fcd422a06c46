"""Jobs as a person reads them, and as a program does. Pure: text from a job's JSON, and tables."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from quarry.clock import seconds_between

_FIELDS: Final = (
    "request_id", "custom_id", "status", "status_reason", "model", "priority", "created_at", "available_at", "started_at",
    "finished_at", "deadline_at",
)  # fmt: skip
_WIDTH: Final = 14


def as_json(job: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(job, ensure_ascii=False, separators=(",", ":"))


def as_text(job: Mapping[str, Any]) -> str:
    """A job on a screen: what is known of it, each attempt, and the answer or the error."""
    lines = [_line(name, job[name]) for name in _FIELDS if job.get(name) is not None]
    lines += [_line("metadata", f"{name}={value}") for name, value in (job.get("metadata") or {}).items()]
    if job.get("cancel_requested") and job["status"] != "cancelled":
        lines.append(_line("cancel", "requested"))
    lines += [_line("attempt", _attempt(each)) for each in job.get("attempt_history", [])]
    lines += [_line("wait", _wait(each)) for each in job.get("waits", [])]
    if job.get("degraded"):
        lines.append(_line("degraded", "no model answered in time: this is what the route declares for that"))
    if served_by := job.get("served_by"):
        lines.append(_line("served_by", "/".join(part for part in served_by.values() if part)))
    if usage := job.get("usage"):
        lines.append(_line("tokens", f"{usage['input_tokens']} in, {usage['output_tokens']} out"))
    if error := job.get("error"):
        lines.append(_line("error", explain(error)))
    result = job.get("result")
    if result and "url" in result:
        lines += [
            _line("result", f"{result['size_bytes']:,} bytes of JSON, until {result['url_expires_at']} at"),
            result["url"],
        ]
    elif result:
        lines += [_line("stop_reason", result["stop_reason"] + (" (filtered)" if result["filtered"] else "")), "", result["text"]]
    return "\n".join(lines)


def as_row(job: Mapping[str, Any]) -> str:
    """A job in a list: id, status, when it was made, model, and the caller's own id."""
    columns = (job["request_id"], f"{job['status']:<10}", job["created_at"], job["model"], job.get("custom_id") or "")
    return "  ".join(columns).rstrip()


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each, aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def explain(error: Mapping[str, Any]) -> str:
    """A job's error in one line: its code and its message."""
    return f"{error['code']}: {error['message']}"


def _attempt(attempt: Mapping[str, Any]) -> str:
    parts = [f"{attempt['attempt']} {attempt['outcome']}"]
    if attempt["finished_at"]:
        parts.append(f"after {seconds_between(attempt['started_at'], attempt['finished_at']):.1f} s")
    if attempt["target"]:
        parts.append(f"at {attempt['target']}")
    if attempt["error"]:
        parts.append(f"({explain(attempt['error'])})")
    return " ".join(parts)


def _wait(wait: Mapping[str, Any]) -> str:
    times = f" {wait['count']} times" if wait["count"] > 1 else ""
    return f"before {wait['attempt']}: {wait['reason']}{times}, {wait['seconds']:.1f} s"


def _line(name: str, value: object) -> str:
    return f"{name:<{_WIDTH}}{value}"

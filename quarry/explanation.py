"""The story of a job, told from its record: what happened when, why, how long it took, and what it cost. Pure.

The record keeps the last attempts and the last waits (`quarry/attempts.py`); what it has dropped is said to be missing.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from quarry.attempts import REDRIVEN, Attempt, AttemptOutcome, Wait
from quarry.clock import to_rfc3339
from quarry.errors import InvocationError
from quarry.invocation import Fallback, Usage
from quarry.job import Job, JobStatus, StatusReason, effective_status
from quarry.sentences import ADVICE, CODES, DEGRADED, ENDS, STANDS, WAITS, said, span

#: What `kind` of a step can be, in the order in which steps of one instant happen.
KINDS: Final = (
    "submitted",
    "forgotten",
    "taken_over",
    "attempt",
    "backed_off",
    "waited",
    "handed_back",
    "redriven",
    "ended",
    "stands",
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened. `seconds` is None where it took no time, or nobody knows how much."""

    at: datetime
    kind: str
    says: str
    seconds: float | None = None
    attempt: int | None = None
    code: str | None = None
    targets: tuple[dict[str, Any], ...] = ()
    usage: Usage | None = None


def explanation(job: Job, now: datetime) -> dict[str, Any]:
    """The story as a JSON document: see `ExplanationView` in `producer/explanations.py` for its shape."""
    steps = sorted(_steps(job, now), key=lambda each: (each.at, KINDS.index(each.kind)))
    status = effective_status(job, now)
    time = _time(job, steps, now)
    return {
        "request_id": job.request_id,
        "status": status.value,
        "status_reason": job.status_reason and job.status_reason.value,
        "model": job.model,
        "generation": job.generation,
        "summary": f"{_ending(job, status)} {_after(status, time['total_seconds'])}",
        "advice": _advice(job, status),
        "steps": list(_told(job, steps)),
        "time": time,
        "paid": _paid(job),
    }


# --- steps ------------------------------------------------------------------------------------------------------------


def _steps(job: Job, now: datetime) -> Iterator[Step]:
    yield Step(job.created_at, "submitted", _submitted(job))
    history = job.visible_history
    if history and history[0].attempt > 1:
        yield Step(history[0].started_at, "forgotten", f"Attempts before number {history[0].attempt} are no longer on record.")
    for before, each in zip((None, *history), history, strict=False):
        if before and _vanished(before):
            yield Step(each.started_at, "taken_over", "Another worker took it over, once the lease had run out.")
        yield from _of_attempt(each)
    status = effective_status(job, now)
    end = job.finished_at or job.deadline_at if status.is_terminal else now
    for wait in job.waits:
        yield _of_wait(wait, end)
    if status.is_terminal:
        code = job.error.code if job.error else None
        yield Step(end, "ended", _ending(job, status), code=code)
    else:
        until = f" Not before {to_rfc3339(job.available_at)}." if job.available_at > now else ""
        yield Step(now, "stands", _ending(job, status) + until)


def _submitted(job: Job) -> str:
    demoted = f" As `{job.demoted_from}`, of which its tenant had submitted its minute's worth: so it waits as `{job.priority}`."
    return f"Submitted for `{job.model}`.{demoted if job.demoted_from else ''}"


def _of_attempt(attempt: Attempt) -> Iterator[Step]:
    number, ended = attempt.attempt, attempt.finished_at
    seconds = (ended - attempt.started_at).total_seconds() if ended else None
    code = attempt.error.code if attempt.error else None
    yield Step(attempt.started_at, "attempt", _came_to(attempt, seconds), seconds, number, code, _targets(attempt), attempt.usage)
    if ended and attempt.retry_at:
        wait = (attempt.retry_at - ended).total_seconds()
        yield Step(ended, "backed_off", f"Time may help: the next attempt was to begin after {span(wait)}.", wait, number)


def _came_to(attempt: Attempt, seconds: float | None) -> str:
    name, after = f"Attempt {attempt.attempt}", f" after {span(seconds)}" if seconds is not None else ""
    match attempt.outcome:
        case AttemptOutcome.RUNNING:
            return f"{name} is under way."
        case AttemptOutcome.COMPLETED:
            adapted = f", asked without, or with less of: {', '.join(attempt.adapted)}" if attempt.adapted else ""
            return f"{name} was answered{after}{adapted}."
    if _vanished(attempt):
        return f"{name} ended unseen: its worker vanished, or was cut off for longer than its lease. A call may have been paid."
    ending = {AttemptOutcome.CANCELLED: "was stopped", AttemptOutcome.OUTCOME_UNKNOWN: "ended unseen"}.get(
        attempt.outcome, "failed"
    )
    # Where a target is named, it says why.
    why = f": {said(attempt.error.code)}" if attempt.error and not attempt.target else ""
    return f"{name} {ending}{after}{why}."


def _vanished(attempt: Attempt) -> bool:
    return attempt.outcome is AttemptOutcome.OUTCOME_UNKNOWN and attempt.finished_at is None


def _of_wait(wait: Wait, end: datetime) -> Step:
    # The last one may lie ahead in part, or have been ended by something else.
    seconds = round(max(wait.seconds - max((wait.until - end).total_seconds(), 0.0), 0.0), 3)
    says, kind = WAITS.get(wait.reason, f"It waited: {wait.reason}"), "waited"
    if wait.reason in (REDRIVEN, StatusReason.HANDED_BACK):
        kind = wait.reason
    times = f", {wait.count} times" if wait.count > 1 else ""
    spent = f": it waited {span(seconds)}{times}, at no cost" if seconds else times
    return Step(wait.began_at, kind, f"{says}{spent}.", seconds or None, wait.attempt, targets=tuple(map(_target, wait.refusals)))


def _targets(attempt: Attempt) -> tuple[dict[str, Any], ...]:
    """Everybody who was tried or skipped, the last one included; its time is what the others left of the attempt's."""
    passed = tuple(map(_target, attempt.fallbacks))
    if attempt.target is None:
        return passed
    seconds = None
    if attempt.finished_at:
        before = sum(each.seconds for each in attempt.fallbacks)
        seconds = round(max((attempt.finished_at - attempt.started_at).total_seconds() - before, 0.0), 3)
    code = attempt.error.code if attempt.error else None
    last = {"target": attempt.target, "code": code, "seconds": seconds, "skipped": False}
    return (*passed, last | {"says": said(code) if code else "it answered"})


def _target(each: Fallback) -> dict[str, Any]:
    said_so = said(each.reason)
    if each.skipped:
        said_so = f"waited {span(each.seconds)} for it: {said_so}" if each.seconds else f"not asked: {said_so}"
    return {"target": each.target, "code": each.reason, "seconds": each.seconds, "skipped": each.skipped, "says": said_so}


def _told(job: Job, steps: list[Step]) -> Iterator[dict[str, Any]]:
    generation = job.generation - sum(each.kind == REDRIVEN for each in steps)
    for each in steps:
        generation += each.kind == REDRIVEN
        after = round((each.at - job.created_at).total_seconds(), 3)
        usage = {"usage": asdict(each.usage) if each.usage else None, "targets": list(each.targets)}
        yield asdict(each) | usage | {"at": to_rfc3339(each.at), "after_seconds": after, "generation": generation}


# --- how it ended, what it took, what it cost -------------------------------------------------------------------------


def _ending(job: Job, status: JobStatus) -> str:
    if job.status_reason and status is job.status:
        return ENDS[job.status_reason]
    if job.result:
        return f"It was answered by {job.result.served_by}."
    return STANDS[status]


def _after(status: JobStatus, seconds: float) -> str:
    return f"It took {span(seconds)} in all." if status.is_terminal else f"That is {span(seconds)} after it was submitted."


def _advice(job: Job, status: JobStatus) -> str:
    if job.degraded is not None:
        return DEGRADED
    if status is JobStatus.FAILED and job.error and job.error.code in CODES:
        return CODES[job.error.code].advice
    if job.status_reason is StatusReason.BLOCKED and status is job.status:
        return CODES["access_denied"].advice
    return ADVICE[status]


def _time(job: Job, steps: list[Step], now: datetime) -> dict[str, float]:
    """Where the time went; what is left is the queue's: for a free worker, for the clock of a message, for the next sweep."""
    is_over = effective_status(job, now).is_terminal
    total = ((job.finished_at or job.deadline_at if is_over else now) - job.created_at).total_seconds()
    spent = dict.fromkeys(("calls", "backoff", "waiting", "unseen", "over"), 0.0)
    for each, following in zip(steps, (*steps[1:], None), strict=False):
        until_next = (following.at - each.at).total_seconds() if following else 0.0
        match each.kind:
            case "attempt" if each.seconds is not None:
                spent["calls"] += each.seconds
            case "attempt" if following and following.kind != REDRIVEN:
                spent["unseen" if following.kind == "taken_over" else "calls"] += until_next
            case "backed_off":
                spent["backoff"] += min(each.seconds or 0.0, until_next)
            case "waited":
                spent["waiting"] += min(each.seconds or 0.0, until_next)
        if following and following.kind == REDRIVEN:
            spent["over"] += until_next - min(each.seconds or 0.0, until_next)
    queue = max(total - sum(spent.values()), 0.0)
    return {f"{name}_seconds": round(seconds, 3) for name, seconds in ({"total": total} | spent | {"queue": queue}).items()}


#: Codes after which something may have been paid.
_BILLED: Final = frozenset({"call_cut", "call_closed"})


def _may_be_paid(attempt: Attempt) -> bool:
    billed = _BILLED | {kind.code for kind in InvocationError.__subclasses__() if kind.may_be_billed}
    unseen = attempt.outcome is AttemptOutcome.OUTCOME_UNKNOWN
    return attempt.usage is None and (unseen or (attempt.error is not None and attempt.error.code in billed))


def _paid(job: Job) -> dict[str, Any]:
    """Calls whose price is known, and those that may have been paid beside them."""
    history = job.visible_history
    usage = sum((each.usage for each in history if each.usage), Usage())
    known, perhaps = sum(each.usage is not None for each in history), sum(map(_may_be_paid, history))
    says = (
        f"{_calls(known)} counted: {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out."
        if known
        else "No call was counted."
    )
    if perhaps:
        says += f" {_calls(perhaps)} more may have been paid, and nobody knows."
    return {"usage": asdict(usage), "calls_counted": known, "calls_perhaps_paid": perhaps, "says": says}


def _calls(count: int) -> str:
    return "One call" if count == 1 else f"{count} calls"

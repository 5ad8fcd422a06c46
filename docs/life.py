"""The generated parts on the life of a job: from its transitions, and from what a worker decides about each case."""  # noqa: INP001 - beside a script, no package

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from docs.markdown import table
from quarry import attempts, errors, job
from quarry.inference.routes import DegradedAnswer, Route
from quarry.testing.builders import NOW, a_claimed_job, a_completion, a_delivery, a_job, a_lease
from worker import outcome

_FAILURE: Final = attempts.Failure("model_failed", "")
_SOON: Final = NOW + timedelta(seconds=5)
#: What can happen, in words.
_EVENTS: Final[Sequence[tuple[str, job.Event]]] = (
    ("claimed", job.Claimed(a_lease())),
    ("succeeded", job.Succeeded(a_completion())),
    ("answered by the route's declared text", job.Degraded("Later.", _FAILURE)),
    ("retry scheduled", job.RetryScheduled(_SOON, _FAILURE)),
    ("snoozed", job.Snoozed(_SOON, job.StatusReason.WAITING_FOR_CAPACITY)),
    ("handed back", job.HandedBack(call_cut=False)),
    ("handed back, call cut", job.HandedBack(call_cut=True)),
    ("failed", job.Failed(job.StatusReason.REJECTED, _FAILURE, bury=False)),
    ("cancelled", job.Cancelled()),
    ("deadline passed", job.Expired()),
    ("redriven", job.Redriven(_SOON, max_attempts=3)),
)


def state_diagram() -> str:
    """The transitions, drawn: each arrow is what `advance` does."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for status in job.JobStatus:
        for words, event in _EVENTS:
            if (status, type(event)) in job.TRANSITIONS:
                before = a_claimed_job() if status is job.JobStatus.PROCESSING else a_job(status=status)
                words_here = "taken over (its lease ran out)" if (status, words) == ("processing", "claimed") else words
                arrows.setdefault((status, job.advance(before, event, NOW).status), []).append(words_here)
    lines = ["[*] --> queued: submitted", *(f"{a} --> {b}: {' or '.join(words)}" for (a, b), words in arrows.items())]
    lines += [f"{status} --> [*]" for status in job.JobStatus if status.is_terminal]
    return "```mermaid\nstateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines) + "```\n"


#: What each reason beside a status says.
_REASONS: Final[Mapping[job.StatusReason, str]] = {
    job.StatusReason.WAITING_FOR_CAPACITY: "it was throttled, or the provider is away; it waits at no cost",
    job.StatusReason.BLOCKED: "the provider refuses *us*: credentials, access, model id; or no target of the route may serve "
    "it any more; it waits at no cost until that is mended",
    job.StatusReason.WAITING_FOR_PAYLOAD: "S3 does not answer; it waits at no cost",
    job.StatusReason.HANDED_BACK: "a stopping worker gave it back",
    job.StatusReason.REJECTED: "the request is at fault: no time will mend it",
    job.StatusReason.ATTEMPTS_EXHAUSTED: "its last attempt failed, too",
    job.StatusReason.TAKEN_OVER_TOO_OFTEN: f"{job.MAX_TAKEOVERS} workers vanished while they worked it",
    job.StatusReason.RESULT_TOO_LARGE: "the answer is larger than what is kept",
    job.StatusReason.PAYLOAD_LOST: "what it was to ask is gone from S3",
    job.StatusReason.UNRECORDABLE: "the table would not take its answer",
    job.StatusReason.OUTCOME_UNKNOWN: "a call was sent whose answer nobody saw, and its route does not pay twice",
    job.StatusReason.DEGRADED: "nobody served it in time: it was answered with what its route declares for that",
    job.StatusReason.DISCARDED: "an operator gave it up",
}
#: How an attempt ends.
_OUTCOMES: Final[Mapping[attempts.AttemptOutcome, str]] = {
    attempts.AttemptOutcome.RUNNING: "it has not ended yet",
    attempts.AttemptOutcome.COMPLETED: "there is an answer",
    attempts.AttemptOutcome.FAILED: "there is an error",
    attempts.AttemptOutcome.CANCELLED: "it was stopped, since somebody asked for that",
    attempts.AttemptOutcome.OUTCOME_UNKNOWN: "a call may have been made and paid, and nobody knows its answer",
}


def status_reasons() -> str:
    """The reasons beside a status; one without words is a `KeyError`."""
    return table(("reason", "says"), [(f"`{each.value}`", _REASONS[each]) for each in job.StatusReason])


def attempt_outcomes() -> str:
    """How attempts end."""
    return table(("outcome", "says"), [(f"`{each.value}`", _OUTCOMES[each]) for each in attempts.AttemptOutcome])


def outcome_table() -> str:
    """What follows from what happened: the worker's pure functions, asked about each case."""
    rows = [(words, _recorded(verdict.record), _settled(verdict.settlement)) for words, verdict in cases()]
    return table(("what happened", "recorded", "the message"), rows)


def cases() -> Iterator[tuple[str, outcome.Verdict]]:
    """What happened, in words, and what follows."""
    yield from _worked()
    yield from _refused()
    yield "the store does not answer the claim", outcome.of_unavailable_store(NOW, 0.5)
    yield from _not_claimed()


def _worked() -> Iterator[tuple[str, outcome.Verdict]]:
    """After the claim."""
    held, spent = a_claimed_job(), a_claimed_job(max_attempts=1)
    late = a_claimed_job(deadline_at=NOW + timedelta(seconds=1))
    interrupted = outcome.Interrupted

    def decided(result: outcome.Result, on: job.Job = held, route: Route | None = None) -> outcome.Verdict:
        return outcome.decide(result, on, NOW, 0.5, route)

    once = Route("once", (), on_unknown_outcome="fail")
    declaring = Route("declaring", (), degraded=DegradedAnswer("Later.", within_seconds=10))

    too_late = errors.OutOfTime()
    too_late.refused = errors.Throttled("x")
    why = outcome.Interruption
    yield "the model answered", decided(a_completion())
    yield "an error where time helps, budget left", decided(errors.ModelFailed("x"))
    yield "the same, but the wait would pass the deadline", decided(errors.ModelFailed("x"), late)
    yield "the same, budget spent", decided(errors.ModelFailed("x"), spent)
    yield "no answer in time, budget left", decided(errors.InvocationTimedOut("x"))
    yield 'the same, on a route with `on_unknown_outcome = "fail"`', decided(errors.InvocationTimedOut("x"), route=once)
    yield "an earlier attempt ended unseen, on such a route", decided(errors.OutcomeUnknown("x"), route=once)
    yield "throttled, or the provider is unavailable", decided(errors.Throttled("x"))
    yield "the provider refuses *us* (credentials, access, model id)", decided(errors.AccessDenied("x"))
    yield (
        "no target served, the deadline is near, and the route declares an answer for that",
        decided(errors.Throttled("x"), late, declaring),
    )
    yield "the payload cannot be loaded: S3 does not answer", decided(errors.PayloadsUnavailable("x"))
    yield "the payload is gone from S3, or is not what was put there", decided(errors.PayloadLost("x"))
    yield "a request that no time will mend", decided(errors.InvocationRejected("x"))
    yield "cancel seen while working, before a call", decided(interrupted(why.CANCEL_REQUESTED, call_started=False))
    yield "cancel seen during a call", decided(interrupted(why.CANCEL_REQUESTED, call_started=True))
    yield "draining, call not started", decided(interrupted(why.DRAINING, call_started=False))
    yield "draining, call cut", decided(interrupted(why.DRAINING, call_started=True))
    yield (
        'the same, on a route with `on_unknown_outcome = "fail"`',
        decided(interrupted(why.DRAINING, call_started=True), route=once),
    )
    yield "the deadline passed between claim and call", decided(errors.OutOfTime())
    yield "the same, after a target had refused, and the route declares an answer for that", decided(too_late, route=declaring)
    yield "it should run alone, and another one already does", decided(interrupted(why.MAKING_WAY, call_started=False))
    yield "lease lost while working", decided(interrupted(why.LEASE_LOST, call_started=True))


def _refused() -> Iterator[tuple[str, outcome.Verdict]]:
    """Where a claim does not go through."""
    refusals: Mapping[str, errors.ClaimRefused] = {
        "claim refused: another worker has it": errors.ClaimedElsewhere(a_claimed_job(), _SOON),
        "claim refused: not yet due": errors.NotYetDue(a_job(), _SOON),
        "claim refused: it is over": errors.AlreadyFinished(a_job(status=job.JobStatus.COMPLETED)),
        "claim refused: it is over, and its dead letter may be missing": errors.AlreadyFinished(
            a_job(status=job.JobStatus.FAILED, bury_reason="attempts_exhausted")
        ),
        "claim refused: an older generation of the message": errors.StaleGeneration(a_job()),
        "claim refused: no record": errors.NoRecord(),
        "claim refused: cancel requested": errors.CancelRequested(a_job()),
        "claim refused: deadline passed": errors.DeadlinePassed(a_job()),
        "claim refused: taken over too often": errors.TakenOverTooOften(a_job()),
    }
    for words, refusal in refusals.items():
        yield words, outcome.of_refusal(refusal, NOW)


def _not_claimed() -> Iterator[tuple[str, outcome.Verdict]]:
    """Of messages for which nothing is claimed."""
    fresh, old = a_delivery("{", sent_at=NOW), a_delivery("{", sent_at=NOW - timedelta(hours=25))
    yield "a message that is no envelope", outcome.of_unreadable(errors.MalformedEnvelope("x"), fresh, NOW)
    yield "an envelope of a newer version", outcome.of_unreadable(errors.UnsupportedEnvelope("x"), fresh, NOW)
    yield "its tenant has all the slots that it may have: it is not claimed", outcome.of_tenant_at_cap(NOW, 5.0)
    yield "the same, for more than a day", outcome.of_unreadable(errors.UnsupportedEnvelope("x"), old, NOW)


def _recorded(event: job.Event | None) -> str:
    if event is None:
        return "nothing"
    status = job.advance(a_claimed_job(), event, NOW).status.value
    reason = getattr(event, "reason", None)
    return f"`{status}`" + (f", {reason.value}" if reason else "")


def _settled(settlement: outcome.Settlement) -> str:
    match settlement:
        case outcome.Ack():
            return "acknowledged"
        case outcome.Release():
            return "comes again now" if settlement.until <= NOW else "comes again later"
        case outcome.Bury():
            return f"to the dead-letter queue: `{settlement.reason}`"
    return "left: the new owner settles it"

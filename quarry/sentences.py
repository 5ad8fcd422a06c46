"""What codes and reasons say in plain words: tables that `quarry/explanation.py` speaks with. A test sees that none is missing."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from quarry.attempts import REDRIVEN
from quarry.job import JobStatus, StatusReason

_MEND: Final = "Whoever runs Quarry has to mend that; jobs that wait for it go on by themselves."
_NOTHING: Final = "Nothing: it goes on by itself until its deadline."
_PUT_BACK: Final = "Once the cause is over, have an operator put it back to work (`quarry dlq redrive`), or submit it anew."


class Words(NamedTuple):
    """`says` follows on the name of a target, or of an attempt; `advice` is for the caller of a job that ended with it."""

    says: str
    advice: str


#: The code of an error → what it says. Those that only a skipped target can have are among them.
CODES: Final[Mapping[str, Words]] = {
    "throttled": Words("its quota was used up", _NOTHING),
    "model_not_ready": Words("the model was being loaded", _NOTHING),
    "provider_unavailable": Words("it could not be reached, or refused before it worked", _NOTHING),
    "limit_reached": Words("it had throttled just before, and nobody asks it for a moment", _NOTHING),
    "request_limit_reached": Words("it gets as many requests a minute as its quota grants", _NOTHING),
    "token_limit_reached": Words("it gets as many tokens a minute as its quota grants", _NOTHING),
    "ceiling_reached": Words("it gets as much a minute as our own ceiling for it allows", _NOTHING),
    "circuit_open": Words("it had failed too often just before, and is left alone for a while", _NOTHING),
    "model_failed": Words("it broke while it worked; the call may have been paid", _PUT_BACK),
    "malformed_completion": Words("its answer came, was paid, and could not be used", _PUT_BACK),
    "invocation_timed_out": Words("no answer came in time, or the connection broke; the call may have been paid", _PUT_BACK),
    "outcome_unknown": Words(
        "a call had been sent whose answer nobody saw, and the route says that it is not paid for again",
        "Decide whether a second payment is worth it: an operator can put it back to work (`quarry dlq redrive`).",
    ),
    "invocation_rejected": Words(
        "it refused the request as wrong", "The request is at fault, and repeating it does not help: mend it and submit it anew."
    ),
    "context_too_long": Words(
        "the request is too long for its model", "Shorten the request, or name a route that has a model with a larger context."
    ),
    "region_not_allowed": Words(
        "prompts of this job may not go to its region",
        "Allow more regions, or name a route with targets in those that are allowed.",
    ),
    "content_refused": Words(
        "the request holds what its tenant's policy forbids", "Mend it and submit it anew: the error names the pattern."
    ),
    "guardrail_unavailable": Words("the guardrail that has to pass the request first did not answer", _NOTHING),
    "guardrail_unusable": Words("the tenant has no guardrail that could be used for it", _MEND),
    "answer_unchecked": Words("its answer was paid, and the guardrail could not judge it", _PUT_BACK),
    "target_not_capable": Words(
        "it cannot do what the request asks for", "Ask for less, or name a route that has a target which can do it."
    ),
    "access_denied": Words("it does not let us call this model", _MEND),
    "model_not_found": Words("it does not know the model", _MEND),
    "credentials_expired": Words("it does not take our credentials", _MEND),
    "quota_exceeded": Words("a quota of our account was exceeded there", _MEND),
    "internal_error": Words("a bug of Quarry got in the way", "Tell whoever runs it: the log says more."),
    "call_cut": Words("its worker had to stop while the call was under way; the call may have been paid", _PUT_BACK),
    "call_closed": Words("its call was closed, since somebody asked for that; what it cost is not known", "Submit it anew."),
    "taken_over_too_often": Words(
        "the workers that took it vanished, one after the other",
        "Have an operator look at their logs, and at the payload, before it is put back to work.",
    ),
    "deadline_passed": Words(
        "its deadline passed", "Give it a longer `deadline_seconds`, or have an operator put it back to work by its id."
    ),
    "payload_lost": Words("what it was to ask is gone from S3", "Submit it anew."),
    "result_too_large": Words("the answer is larger than what is kept", "Ask for fewer tokens, and submit it anew."),
}

#: Why a job lay in the queue, at no cost. Any other reason, of a newer worker, says itself.
WAITS: Final[Mapping[str, str]] = {
    StatusReason.WAITING_FOR_CAPACITY: "No target had room for it",
    StatusReason.BLOCKED: "Every target refused us",
    StatusReason.WAITING_FOR_PAYLOAD: "Its payload could not be fetched: S3 did not answer",
    StatusReason.HANDED_BACK: "Its worker had to stop or to make way, and handed it back before a call",
    REDRIVEN: "An operator put it back to work, with a budget and a deadline of its own",
}

#: How it stands or ended, by the reason beside its status; else by the status.
ENDS: Final[Mapping[StatusReason, str]] = {
    StatusReason.WAITING_FOR_CAPACITY: "It waits for capacity.",
    StatusReason.BLOCKED: "It waits until whoever runs Quarry has mended its access.",
    StatusReason.WAITING_FOR_PAYLOAD: "It waits for S3.",
    StatusReason.HANDED_BACK: "It was handed back and waits for another worker.",
    StatusReason.ATTEMPTS_EXHAUSTED: "It failed: its attempts are spent.",
    StatusReason.TAKEN_OVER_TOO_OFTEN: "It failed: too many workers vanished while they worked it.",
    StatusReason.REJECTED: "It failed: the request is at fault.",
    StatusReason.RESULT_TOO_LARGE: "It failed: the answer was too large to be kept.",
    StatusReason.PAYLOAD_LOST: "It failed: what it was to ask is gone.",
    StatusReason.UNRECORDABLE: "It failed: what became of it could not be recorded.",
    StatusReason.OUTCOME_UNKNOWN: "It failed rather than pay twice: nobody saw what became of a call.",
    StatusReason.DEGRADED: "No model answered in time: it was answered with what its route declares for that.",
    StatusReason.DISCARDED: "It failed, and an operator gave it up.",
}
STANDS: Final[Mapping[JobStatus, str]] = {
    JobStatus.QUEUED: "It waits for a worker.",
    JobStatus.PROCESSING: "A worker has it.",
    JobStatus.RETRYING: "It waits for its next attempt.",
    JobStatus.COMPLETED: "It was answered.",
    JobStatus.FAILED: "It failed.",
    JobStatus.CANCELLED: "It was cancelled, since somebody asked for that.",
    JobStatus.EXPIRED: "It expired: its deadline passed.",
}
#: What the caller can do about a job, where its error does not tell.
ADVICE: Final[Mapping[JobStatus, str]] = {
    JobStatus.QUEUED: _NOTHING,
    JobStatus.PROCESSING: _NOTHING,
    JobStatus.RETRYING: _NOTHING,
    JobStatus.COMPLETED: "Nothing: the answer is in its `result`.",
    JobStatus.FAILED: "Have an operator look at it: the log says more.",
    JobStatus.CANCELLED: "Submit it anew, if it is wanted after all.",
    JobStatus.EXPIRED: "Give it a longer `deadline_seconds`, or have an operator put it back to work by its id.",
}
DEGRADED: Final = "Where a model's answer is needed after all, submit it anew, with a longer `deadline_seconds`."


def said(code: str) -> str:
    """What a code says; one of a newer version says itself."""
    return CODES[code].says if code in CODES else f"`{code}`"


def span(seconds: float) -> str:
    """A duration as people say it: `250 ms`, `4.2 s`, `4 min 10 s`, `2 h 05 min`, `3 d 4 h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"

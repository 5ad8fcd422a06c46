"""Nothing that is secret leaves by a log, a metric, a span, an error, a dead letter or a webhook, whatever goes wrong.

Canaries stand for all that callers send and models answer, and for every credential. Every error that Quarry has is brought about,
with real processes at their most talkative, and everything that they said is searched for any piece of any canary.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from quarry import errors
from tests.support.forced import broken, prepare, refused, submitted, typed, unknown, worked
from tests.support.leaks import Loud, loud
from tests.support.stack import Stack
from tests.support.unasked import guard, guarded, unasked

#: Each error, and what tells, in all that was said, that it was met.
MET: Final[dict[type[errors.QuarryError], str]] = {
    errors.ConfigurationError: "quarry: QUARRY_WORKER__SLOTS",
    errors.NotJson: '"code":"invalid_json"',
    errors.InvalidSubmission: '"code":"invalid_request"',
    errors.PayloadTooLarge: '"code":"payload_too_large"',
    errors.ModelNotAllowed: '"code":"model_not_allowed"',
    errors.IdempotencyConflict: '"code":"idempotency_conflict"',
    errors.JobNotFound: '"code":"job_not_found"',
    errors.ContentRefused: '"code":"content_refused"',
    errors.RateLimited: '"code":"rate_limited"',
    errors.NotCancellable: '"code":"not_cancellable"',
    errors.Unauthenticated: '"code":"unauthenticated"',
    errors.Forbidden: '"code":"forbidden"',
    errors.QueueUnavailable: '"code":"queue_unavailable"',
    errors.StoreUnavailable: '"code":"store_unavailable"',
    errors.PayloadsUnavailable: '"code":"payloads_unavailable"',
    errors.IssuerUnavailable: '"code":"issuer_unavailable"',
    errors.SubmissionUndecided: '"code":"submission_undecided"',
    errors.Overloaded: '"code":"overloaded"',
    errors.PayloadLost: '"status_reason":"payload_lost"',
    errors.MalformedEnvelope: '"reason": "malformed_envelope"',
    errors.UnsupportedEnvelope: 'reason="unsupported_envelope"',
    errors.ClaimedElsewhere: '"reason": "ClaimedElsewhere"',
    errors.NotYetDue: '"reason": "NotYetDue"',
    errors.AlreadyFinished: '"reason": "AlreadyFinished"',
    errors.DeadlinePassed: '"reason": "DeadlinePassed"',
    errors.CancelRequested: '"reason": "CancelRequested"',
    errors.TakenOverTooOften: '"reason": "TakenOverTooOften"',
    errors.NoRecord: '"reason": "NoRecord"',
    errors.StaleGeneration: '"reason": "StaleGeneration"',
    errors.LeaseLost: '"outcome": "LeaseLost"',
    errors.OutOfTime: '"outcome": "Expired"',
    errors.RecordUnreadable: '"error": "RecordUnreadable"',
    errors.JobChanged: 'reason="job_changed"',
    errors.RecordRefused: '"error": "RecordRefused"',
    errors.ApiUnreachable: "quarry: no API answers at",
    errors.ApiRefused: "quarry: Send a valid credential",
    errors.Throttled: '"error": "throttled"',
    errors.ModelNotReady: '"error": "model_not_ready"',
    errors.ProviderUnavailable: 'outcome="provider_unavailable"',
    errors.ModelFailed: '"error": "model_failed"',
    errors.MalformedCompletion: '"error": "malformed_completion"',
    errors.InvocationTimedOut: '"error": "invocation_timed_out"',
    errors.LimitReached: '"error": "limit_reached"',
    errors.RequestLimitReached: '"error": "request_limit_reached"',
    errors.TokenLimitReached: '"error": "token_limit_reached"',
    errors.CircuitOpen: '"error": "circuit_open"',
    errors.OutcomeUnknown: '"code":"outcome_unknown"',
    errors.InvocationRejected: '"error": "invocation_rejected"',
    errors.ContextTooLong: '"error": "context_too_long"',
    errors.NotCapable: "no target can serve it",
    errors.ResidencyForbids: "no target may serve it",
    errors.ContentForbidden: '"error": "content_refused"',
    errors.GuardrailUnavailable: '"error": "guardrail_unavailable"',
    errors.GuardrailUnusable: '"error": "guardrail_unusable"',
    errors.AnswerUnchecked: '"error": "answer_unchecked"',
    errors.AccessDenied: '"error": "access_denied"',
    errors.ModelNotFound: '"error": "model_not_found"',
    errors.CredentialsExpired: '"target": "gateway/gpt-oss-120b", "error": "credentials_expired"',
    errors.QuotaExceeded: '"error": "quota_exceeded"',
    errors.InternalFault: '"code":"internal_error"',
    errors.CeilingReached: '"error": "ceiling_reached"',
}
#: An API that is soon full, behind a proxy whose word it takes for where callers are.
NARROW: Final = {
    "QUARRY_API__BODY_MAX_BYTES": "1048576",
    "QUARRY_API__INFLIGHT_BODY_BYTES": "1048576",
    "QUARRY_API__TRUSTED_PROXIES": "1",
}
#: A worker that soon gives up.
HASTY: Final = {"QUARRY_BREAKER__FAILURES": "1", "QUARRY_LIMITER__WAIT_SECONDS": "0", "QUARRY_WORKER__LEASE_SECONDS": "10"}


def classes(of: type[errors.QuarryError] = errors.QuarryError) -> Iterator[type[errors.QuarryError]]:
    """Every class of `quarry.errors` below. Commands have some of their own, which this process may have imported or not."""
    for each in ours(of):
        yield each
        yield from classes(each)


def ours(of: type[errors.QuarryError]) -> list[type[errors.QuarryError]]:
    """The classes of `quarry.errors` right below."""
    return [each for each in of.__subclasses__() if each.__module__.startswith(errors.__name__)]


@pytest.fixture
def all_loud(stack: Stack) -> Iterator[Loud]:
    """The whole stack, but for API and worker."""
    with loud(stack) as made:
        yield made


def test_nothing_leaks_whatever_goes_wrong(all_loud: Loud) -> None:
    """Not one piece of a canary is where it may not be, in whatever encoding; and every error was met.

    Red when: `worker/report.py`: `told_reason(result.stop_reason)}` -> `str(result.content)}`
    Red when: `quarry/inference/engine.py`: `target.model, error.code).inc()` -> `target.model, str(error)).inc()`
    Red when: `quarry/telemetry/conventions.py`: `finish_reasons": [stop_reason],` -> `finish_reasons": [completion.text],`
    Red when: `quarry/webhooks/event.py`: `job.degraded is not None,` -> `str(result.content) if result else None,`
    Red when: `producer/problems.py`: `detail = kind.detail or str(error)` -> `detail = f"{kind.detail} {error.__cause__}"`
    """
    policies = guard(all_loud)
    prepare(all_loud)
    with all_loud.api(**NARROW) as api:
        unknown(all_loud, api)
        refused(all_loud, api)
        broken(all_loud, api)
        jobs = submitted(all_loud, api)
        guarded(all_loud, api)
        with all_loud.worker(**HASTY, QUARRY_TENANTS_FILE=str(policies)) as worker:
            worked(all_loud, api, worker, jobs)
            unasked(all_loud, api, worker)
            typed(all_loud, api)
            all_loud.told()
            all_loud.measure()
        assert worker.popen.returncode == 0
    said = all_loud.everything()
    text = b"\n".join(each.what for each in said).decode(errors="replace")
    unmet = [each.__name__ for each, sign in MET.items() if sign not in text]
    assert (unmet, all_loud.canaries.leaks(said)) == ([], [])


def test_every_error_is_met() -> None:
    """A new one needs a way to bring it about here; those that are no more than families of others need none.

    Red when: `quarry/errors/invocation.py`:
    `refused: InvocationError | None = None` -> `refused = type("Unheard", (QuarryError,), {})`
    """
    assert [each.__name__ for each in classes() if each not in MET and not ours(each)] == []

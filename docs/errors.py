"""The generated parts on errors: from the problems of the API, and from what a worker decides about each error of a model call."""  # noqa: INP001 - beside a script, no package

from collections.abc import Iterator

from docs.markdown import table
from producer import problems
from quarry import attempts, errors, job
from quarry.inference import fallback
from quarry.inference.candidates import Candidate
from quarry.inference.routes import RouteTarget
from quarry.invocation import Target
from quarry.testing.builders import NOW, a_claimed_job, a_completion, a_job
from worker import outcome


def problem_codes() -> str:
    """The problems of the API."""
    kinds = {kind.code: kind for kind in (*problems.HTTP_PROBLEMS.values(), *problems.PROBLEMS.values(), *problems.OTHERS)}
    rows = [(kind.status, f"`{kind.code}`", f"{kind.title}.") for kind in sorted(kinds.values(), key=lambda kind: kind.status)]
    return table(("status", "code", "meaning"), rows)


def job_errors() -> str:
    """The codes in a job's `error` and in its attempts."""
    rows: list[tuple[str, str, str, str]] = []
    for kind in invocation_errors(errors.InvocationError):
        words = "(what it has not)" if kind is errors.NotCapable else "(the provider's own words)"
        failure = outcome.failure_of(kind(words))
        rows.append((f"`{failure.code}`", failure.message, _follows(kind), "perhaps" if kind.may_be_billed else "no"))
    rows += [(f"`{each.code}`", each.message, "nothing more", "see the attempts") for each in failures()]
    return table(("code", "message", "what Quarry does", "billed"), rows)


def two_questions() -> str:
    """What each error of a model call says to the two questions, and so to everything else."""
    rows = [
        (
            f"`{kind.code}`",
            _yes(kind.time_helps),
            _yes(kind.fallback_helps),
            "perhaps" if kind.may_be_billed else "no",
            _asked_next(kind),
            _follows(kind),
        )
        for kind in invocation_errors(errors.InvocationError)
    ]
    return table(("error", "does time help?", "does another target help?", "paid?", "who is asked next", "if nobody serves"), rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _asked_next(kind: type[errors.InvocationError]) -> str:
    """The fallback's own functions, asked about a model here and elsewhere, another model, and another provider."""
    error = kind("x")
    if not fallback.another_may_be_asked(error):
        return "nobody in this attempt"
    model, other = "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"
    places = {
        "the model elsewhere": Target("bedrock", "us-west-2", model),
        "another model": Target("bedrock", "us-east-1", other),
        "another provider": Target("other", "", "m"),
    }
    able = [Candidate(RouteTarget(each), a_job().invocation) for each in (Target("bedrock", "us-east-1", model), *places.values())]
    left, needless = fallback.remaining(error, able[0], able[1:])
    names = {str(target): name for name, target in places.items()}
    if needless:
        return f"not {' nor '.join(names[str(each.place.target)] for each in needless)}, else the next one"
    first = left[0].place.target
    return "the next one" if left == able[1:] else f"{names[str(first)]} first, then the next one"


def invocation_errors(kind: type[errors.InvocationError]) -> Iterator[type[errors.InvocationError]]:
    """Every class below `kind`."""
    for each in kind.__subclasses__():
        yield each
        yield from invocation_errors(each)


def _follows(kind: type[errors.InvocationError]) -> str:
    record = outcome.decide(kind("x"), a_claimed_job(), NOW, 0.5).record
    match record:
        case job.Snoozed():
            return f"waits, at no cost (`{record.reason.value}`)"
        case job.RetryScheduled():
            return "tries again, while there is budget"
    return "fails at once"


def failures() -> Iterator[attempts.Failure]:
    """Those that are no model's."""
    yield from (job.EXPIRY, job.TOO_LATE, job.CALL_CLOSED, job.CALL_CUT)
    refused, lost = errors.TakenOverTooOften(a_job()), errors.PayloadLost("x")
    large = a_completion("x" * (outcome.RESULT_MAX_BYTES + 1))
    for verdict in (
        outcome.of_refusal(refused, NOW),
        outcome.decide(lost, a_claimed_job(), NOW, 0.5),
        outcome.decide(large, a_claimed_job(), NOW, 0.5),
    ):
        assert isinstance(verdict.record, job.Failed)  # noqa: S101 - a table says so
        yield verdict.record.failure

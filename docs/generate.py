"""Writes the generated parts of the documents: `make docs`.

A page may hold blocks between `<!-- generated: NAME -->` and `<!-- end -->`; GENERATORS makes what stands in them, from the
code. `.env.example` is generated as a whole. A test fails where a page is not what would be written now.
"""  # noqa: INP001 - a script, not a package

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

from prometheus_client import CollectorRegistry

from docs import access, rest, routes, targets
from docs.markdown import table
from producer import problems
from quarry import attempts, errors, job
from quarry.cli import parser
from quarry.inference import fallback
from quarry.inference.candidates import Candidate
from quarry.inference.routes import DegradedAnswer, Route, RouteTarget
from quarry.invocation import Target
from quarry.settings import DELIMITER, PREFIX, Group, Settings
from quarry.telemetry import events, metrics
from quarry.testing.builders import NOW, a_claimed_job, a_completion, a_delivery, a_job, a_lease
from worker import outcome
from worker.report import DEGRADED

ROOT: Final = Path(__file__).resolve().parents[1]
_BLOCK: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Write every page anew and say which have changed."""
    for path, text in pages():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


def pages() -> Iterator[tuple[Path, str]]:
    """Every file with something generated in it, and what it should hold."""
    yield ROOT / ".env.example", dotenv()
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            yield path, _BLOCK.sub(lambda found: f"{found[1]}\n{GENERATORS[found[2]]()}\n{found[3]}", text)


# --- settings ---------------------------------------------------------------------------------------------------------


def settings() -> str:
    """A table for each group of settings."""
    parts = []
    for heading, prefix, fields in _groups():
        rows = [(f"`{_variable(prefix, name)}`", _kind(field), _default(field), field.description) for name, field in fields]
        parts.append(f"## {heading}\n\n{table(('variable', 'value', 'default', 'meaning'), rows)}")
    return "\n".join(parts)


def dotenv() -> str:
    """`.env.example`: every variable with its default, commented out."""
    lines = ["# Every setting and its default. Written by `make docs`; docs/reference/settings.md says more.\n"]
    for heading, prefix, fields in _groups():
        lines.append(f"\n# --- {heading} ---\n")
        for name, field in fields:
            default = field.get_default()
            value = default.value if isinstance(default, Enum) else "" if default is None else default
            lines.append(f"\n# {field.description}\n#{_variable(prefix, name)}={value}\n")
    return "".join(lines)


def _groups() -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """Heading, prefix of the variables, and fields: first those without a group."""
    fields = list(Settings.model_fields.items())
    yield "Process", PREFIX, [(name, field) for name, field in fields if not isinstance(field.default, Group)]
    for name, field in fields:
        if isinstance(field.default, Group):
            heading = (inspect.getdoc(type(field.default)) or "").splitlines()[0].rstrip(".")
            yield heading, f"{PREFIX}{name.upper()}{DELIMITER}", list(type(field.default).model_fields.items())


def _variable(prefix: str, name: str) -> str:
    # The one variable that is AWS's, not ours.
    return "AWS_REGION" if name == "region" else prefix + name.upper()


def _kind(field: Any) -> str:
    """A field's values in words: its choices, or its type and bounds."""
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    if choices := [each for argument in (kind, *get_args(kind)) for each in get_args(argument) if isinstance(each, str)]:
        return ", ".join(f"`{each}`" for each in choices)
    if kind is int:
        bounds = {name: getattr(each, name) for each in field.metadata for name in ("ge", "le") if hasattr(each, name)}
        return f"{bounds.get('ge', '')} … {bounds.get('le', '')}".strip()
    return "text"


def _default(field: Any) -> str:
    default = field.get_default()
    value = default.value if isinstance(default, Enum) else default
    return "" if value in (None, "") else f"`{value}`"


# --- the command line -------------------------------------------------------------------------------------------------

_SUBPARSERS: Final = argparse._SubParsersAction  # noqa: SLF001 - no other way


def commands() -> str:
    """Each verb: its sentence, its options, its examples."""
    parts = []
    for name, verb in _verbs(parser()):
        examples = inspect.cleandoc("\n" + (verb.epilog or "").removeprefix("examples:\n"))
        parts.append(f"## quarry {name}\n\n{verb.description}\n{_options(verb)}\n```\n{examples}\n```\n")
        parts += [f"### quarry {name} {each}\n\n{below.description}\n{_options(below)}" for each, below in _verbs(verb)]
    return "\n".join(parts)


def _verbs(of: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The verbs below a parser; there may be none."""
    for each in of._actions:  # noqa: SLF001 - no other way
        if isinstance(each, _SUBPARSERS):
            yield from each.choices.items()


def _options(verb: argparse.ArgumentParser) -> str:
    if any(_verbs(verb)):
        return ""
    rows = [(_option(each), _option_help(each)) for each in verb._actions if each.dest != "help"]  # noqa: SLF001
    return f"\n{table(('option', 'meaning'), rows)}" if rows else "\nIt has no options.\n"


def _option(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper().replace("_", "-")
    if action.choices:
        metavar = "{" + ",".join(str(each) for each in action.choices) + "}"
    if not action.option_strings:
        return f"`{metavar}`"
    value = "" if action.nargs == 0 else f" [{metavar}]" if action.nargs == "?" else f" {metavar}"
    return f"`{', '.join(action.option_strings)}{value}`"


def _option_help(action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default}


# --- metrics and events -----------------------------------------------------------------------------------------------


def metric_catalogue() -> str:
    """A table for each process's metrics."""
    parts = []
    for heading, catalogue in (
        ("API", metrics.ProducerMetrics),
        ("Worker", metrics.WorkerMetrics),
        ("Model calls (in the worker)", metrics.InferenceMetrics),
        ("The routes file (in both)", metrics.RoutesMetrics),
    ):
        registry = CollectorRegistry()
        found = [value for value in vars(catalogue(registry)).values() if hasattr(value, "_labelnames")]
        rows = [_metric(each) for each in found]
        parts.append(f"## {heading}\n\n{table(('metric', 'kind', 'labels', 'meaning'), rows)}")
    return "\n".join(parts)


def _metric(metric: Any) -> tuple[str, ...]:
    [described] = metric.describe()
    name = described.name + ("_total" if described.type == "counter" else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - there is no other way to ask
    return f"`{name}`", described.type, labels, described.documentation


def label_values() -> str:
    """What the labels can be that are not a route's, a target's or HTTP's."""
    ended = [each.__name__ for each in get_args(job.Event) if each not in (job.Claimed, job.Redriven)]
    billed = [kind.code for kind in _invocation_errors(errors.InvocationError) if kind.may_be_billed and kind.time_helps]
    unseen = (errors.InvocationTimedOut.code, errors.InternalFault.code)
    draining = outcome.Interruption.DRAINING.value
    labels: Sequence[tuple[str, str, Iterable[str], str]] = (
        ("quarry_submissions_total", "outcome", ("accepted", "replayed"), ", or a [problem](errors.md)"),
        ("quarry_audit_records_total", "outcome", ("written", "folded", "lost"), ""),
        ("quarry_deliveries_settled_total", "outcome", ("ack", "release", "resend", "bury", "leave"), ""),
        ("quarry_claims_refused_total", "reason", (each.__name__ for each in errors.ClaimRefused.__subclasses__()), ""),
        ("quarry_jobs_finished_total", "outcome", (*sorted(job.TERMINAL), DEGRADED), ""),
        ("quarry_attempts_total", "outcome", (*ended, "LeaseLost"), ""),
        ("quarry_calls_repeated_total", "reason", ("worker_vanished", draining, *billed), ""),
        ("quarry_calls_withheld_total", "reason", ("worker_vanished", draining, *unseen), ""),
        ("quarry_lease_renewals_total", "outcome", ("renewed", "failed", "lost", "cancel_requested"), ""),
        ("quarry_swept_total", "outcome", ("resent", "recorded"), ""),
        (
            "quarry_invocations_total",
            "outcome",
            ("completed", "cancelled"),
            ", or an [error](errors.md#errors-of-jobs)",
        ),
        ("quarry_tokens_total", "direction", ("input", "output"), ""),
        ("quarry_breaker_openings_total", "reason", ("local", "peer"), ""),
        ("quarry_throttles_total", "limit", ("requests", "tokens", "unknown"), ""),
        ("quarry_limiter_rate", "limit", ("requests", "tokens"), ""),
        ("quarry_limiter_wait_seconds", "outcome", ("served", "given_up", "cancelled"), ""),
    )
    rows = [(f"`{name}`", f"`{label}`", ", ".join(f"`{each}`" for each in values) + more) for name, label, values, more in labels]
    return table(("metric", "label", "values"), rows)


def event_names() -> str:
    """The log events and their fields, as the comments beside them say."""
    source = inspect.getsource(events.Event)
    fields = dict(re.findall(r'= "([a-z_.]+)"  # (.+(?:\n    # .+)*)$', source, re.MULTILINE))
    return table(("event", "fields"), [(f"`{each.value}`", fields[each.value].replace("\n    #", "")) for each in events.Event])


# --- errors -----------------------------------------------------------------------------------------------------------


def problem_codes() -> str:
    """The problems of the API."""
    kinds = {
        kind.code: kind
        for kind in (*problems.HTTP_PROBLEMS.values(), *problems.PROBLEMS.values(), problems.UNREADABLE, problems.INTERNAL)
    }
    rows = [(kind.status, f"`{kind.code}`", f"{kind.title}.") for kind in sorted(kinds.values(), key=lambda kind: kind.status)]
    return table(("status", "code", "meaning"), rows)


def job_errors() -> str:
    """The codes in a job's `error` and in its attempts."""
    rows: list[tuple[str, str, str, str]] = []
    for kind in _invocation_errors(errors.InvocationError):
        words = "(what it has not)" if kind is errors.NotCapable else "(the provider's own words)"
        failure = outcome.failure_of(kind(words))
        rows.append((f"`{failure.code}`", failure.message, _follows(kind), "perhaps" if kind.may_be_billed else "no"))
    rows += [(f"`{each.code}`", each.message, "nothing more", "see the attempts") for each in _failures()]
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
        for kind in _invocation_errors(errors.InvocationError)
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


def _invocation_errors(kind: type[errors.InvocationError]) -> Iterator[type[errors.InvocationError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _invocation_errors(each)


def _follows(kind: type[errors.InvocationError]) -> str:
    record = outcome.decide(kind("x"), a_claimed_job(), NOW, 0.5).record
    match record:
        case job.Snoozed():
            return f"waits, at no cost (`{record.reason.value}`)"
        case job.RetryScheduled():
            return "tries again, while there is budget"
    return "fails at once"


def _failures() -> Iterator[attempts.Failure]:
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


# --- the life of a job ------------------------------------------------------------------------------------------------

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
    rows = [(words, _recorded(verdict.record), _settled(verdict.settlement)) for words, verdict in _cases()]
    return table(("what happened", "recorded", "the message"), rows)


def _cases() -> Iterator[tuple[str, outcome.Verdict]]:
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
    refusals: Mapping[str, errors.ClaimRefused] = {
        "claim refused: another worker has it": errors.ClaimedElsewhere(held, _SOON),
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
    yield "the store does not answer the claim", outcome.of_unavailable_store(NOW, 0.5)
    fresh, old = a_delivery("{", sent_at=NOW), a_delivery("{", sent_at=NOW - timedelta(hours=25))
    yield "a message that is no envelope", outcome.of_unreadable(errors.MalformedEnvelope("x"), fresh, NOW)
    yield "an envelope of a newer version", outcome.of_unreadable(errors.UnsupportedEnvelope("x"), fresh, NOW)
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


#: Name of a block → what makes it.
GENERATORS: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings,
    "commands": commands,
    "metrics": metric_catalogue,
    "labels": label_values,
    "events": event_names,
    "acts": access.act_names,
    "permissions": access.permissions,
    "public": access.public,
    "roles": access.roles,
    "problems": problem_codes,
    "job-errors": job_errors,
    "calls": rest.calls,
    "submission": rest.submission_fields,
    "queries": rest.query_fields,
    "job": rest.job_fields,
    "routes-fields": routes.fields,
    "model-ids": routes.model_ids,
    "explanation": rest.explanation_fields,
    "two-questions": two_questions,
    "status-reasons": status_reasons,
    "attempt-outcomes": attempt_outcomes,
    "transitions": state_diagram,
    "outcomes": outcome_table,
    "profiles": targets.profiles,
    "capabilities": targets.capabilities,
    "model-facts": targets.model_facts,
}

if __name__ == "__main__":
    sys.exit(main())

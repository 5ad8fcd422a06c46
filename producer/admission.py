"""From a submission's body to a job: everything that can be refused is refused here, before anything is stored. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

from producer.faults import FAULTS_MAX, checked, path_of
from producer.requests import CONVERSE_FIELDS, SENT, Submission
from quarry import dialects
from quarry.aws import regions_of
from quarry.errors import ContentRefused, FieldFault, InvalidSubmission, ModelNotAllowed, PayloadTooLarge, ResidencyForbids
from quarry.guard.measures import beyond
from quarry.guard.narrowing import narrowing
from quarry.guard.patterns import findings
from quarry.guard.texts import texts_in
from quarry.inference import converse
from quarry.inference.candidates import Request, candidates
from quarry.inference.reservation import input_tokens
from quarry.inference.routes import DEFAULT_ROUTE, Route, Routes
from quarry.inference.verdicts import scrub
from quarry.invocation import Invocation
from quarry.job import CHECK_AFTER, Job, Priority
from quarry.settings import JobSettings
from quarry.store.json_forms import invocation_json
from quarry.tenants.guard import Guard
from quarry.tenants.limits import Limits
from quarry.tenants.policy import PLAIN, Policy
from quarry.tenants.privacy import is_brief
from quarry.webhooks.addresses import checked as checked_url


@dataclass(frozen=True, slots=True)
class Admitted:
    """A submission that can be served; `content` is its invocation as it is stored, `flags` name patterns that its texts have."""

    submission: Submission
    invocation: Invocation
    content: bytes
    #: Where it may be answered: what the submission says, within what the tenant may; empty: anywhere.
    allowed_regions: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Telling:
    """Whether submissions may name a URL to be told at, and one of this machine; and whether every end is published."""

    webhooks: bool = False
    loopback: bool = False
    publish: bool = False


NOBODY: Final = Telling()


def read(body: object, limits: JobSettings, routes: Routes, policy: Policy = PLAIN, telling: Telling = NOBODY) -> Admitted:
    """A submission, checked, and what it asks of a model.

    Raises:
        InvalidSubmission: fields are wrong; each is named.
        ContentRefused: texts hold what the tenant's policy forbids.
        ModelNotAllowed: no route and no target has that model, or none that the tenant may use.
        PayloadTooLarge: what would be sent to the model is more than a job may carry.
    """
    submission = checked(Submission, body)
    sent = {name: value for name in SENT if (value := getattr(submission, name)) is not None}
    faults = (
        *_bounds(submission, limits, policy),
        *_privacy(submission, policy),
        *_one_body(submission),
        *_regions(submission),
        *_webhook(submission, policy, telling),
        *(FieldFault(path_of(steps), what) for steps, what in islice(beyond(sent, policy.guard.bounds), FAULTS_MAX)),
    )
    if faults:
        raise InvalidSubmission(*faults)
    invocation = _invocation(submission, min(limits.max_tokens, _most_tokens(limits, policy)))
    if fault := _too_long(invocation, submission, policy.limits):
        raise InvalidSubmission(fault)
    if policy.guard.guardrails and (steps := narrowing(invocation)):
        raise InvalidSubmission(FieldFault(path_of(steps), "cannot be given: the tenant's own guardrail looks at everything"))
    regions = _within(policy.limits.regions, submission)
    request = Request(invocation, allowed_regions=regions, guardrails=policy.guard.guardrails)
    _check_served(_route(routes, submission.model or DEFAULT_ROUTE, policy.limits), request, submission)
    content = invocation_json(invocation).encode()
    if len(content) > limits.payload_max_bytes:
        raise PayloadTooLarge(f"the payload has {len(content):,} bytes; a job may carry {limits.payload_max_bytes:,}")
    return Admitted(submission, invocation, content, regions, _screened(sent, policy.guard))


def job_of(
    admitted: Admitted,
    *,
    tenant: str,
    request_id: str,
    limits: JobSettings,
    now: datetime,
    policy: Policy = PLAIN,
    telling: Telling = NOBODY,
) -> Job:
    """The job, not yet recorded. The sweep looks at it soon, in case no message follows."""
    submission = admitted.submission
    store_content = submission.store_content is not False and policy.privacy.store_content
    return Job(
        request_id=request_id,
        tenant=tenant,
        invocation=admitted.invocation,
        model=submission.model or DEFAULT_ROUTE,
        created_at=now,
        deadline_at=now + timedelta(seconds=submission.deadline_seconds or limits.deadline_seconds),
        available_at=now,
        max_attempts=submission.max_attempts or limits.max_attempts,
        priority=Priority(submission.priority or Priority.NORMAL),
        custom_id=submission.custom_id,
        metadata=submission.metadata or {},
        stream=submission.stream or False,
        store_content=store_content,
        brief=is_brief(policy.privacy, store_content=store_content),
        allowed_regions=admitted.allowed_regions,
        flags=admitted.flags,
        check_at=now + CHECK_AFTER,
        webhook_url=submission.webhook_url,
        publish=telling.publish,
    )


def _bounds(submission: Submission, limits: JobSettings, policy: Policy) -> Iterator[FieldFault]:
    native = dialects.output_bound(submission.native) if isinstance(submission.native, dict) else None
    path, bound = ("max_tokens", submission.max_tokens or 0) if native is None else (f"native.{native[0]}", native[1])
    most = _most_tokens(limits, policy)
    if bound > most:
        yield FieldFault(path, f"should be less than or equal to {most}")


def _most_tokens(limits: JobSettings, policy: Policy) -> int:
    """What a job may ask to be answered."""
    return min(limits.max_tokens_limit, policy.limits.max_tokens or limits.max_tokens_limit)


def _screened(sent: Mapping[str, Any], guard: Guard) -> tuple[str, ...]:
    """The names of patterns that are to be flagged, in the order of the policy; those that are not to be are refused."""
    texts = (each for name, value in sent.items() for each in texts_in(value, (name,)))
    found = list(findings(guard.forbidden, "input", texts))
    refused = {(path_of(each.steps), each.forbidden.name): None for each in found if each.forbidden.action == "refuse"}
    if refused:
        raise ContentRefused(*(FieldFault(path, f"holds what is forbidden: {name}") for path, name in list(refused)[:FAULTS_MAX]))
    return tuple(dict.fromkeys(each.forbidden.name for each in found))


def _privacy(submission: Submission, policy: Policy) -> Iterator[FieldFault]:
    if submission.store_content and not policy.privacy.store_content:
        yield FieldFault("store_content", "cannot be true: no content of this tenant is stored")
    if submission.stream and (submission.store_content is False or not policy.privacy.store_content):
        yield FieldFault("stream", "cannot be true where content is not stored: a text on its way goes through the table")


def _regions(submission: Submission) -> Iterator[FieldFault]:
    for i, region in enumerate(submission.allowed_regions or ()):
        if region not in (known := regions_of("ec2")):
            meant = "".join(f"; did you mean {near}?" for near in get_close_matches(region, known, n=1))
            yield FieldFault(f"allowed_regions[{i}]", f"is no AWS region that is known here{meant}")


def _webhook(submission: Submission, policy: Policy, telling: Telling) -> Iterator[FieldFault]:
    """As far as can be told without asking anybody: names are resolved when they are called."""
    if submission.webhook_url is None:
        return
    if not telling.webhooks:
        yield FieldFault("webhook_url", "is not taken here: webhooks are switched off")
    elif not policy.webhooks.are_signed:
        yield FieldFault("webhook_url", "is not taken here: there is no secret to sign with")
    else:
        try:
            checked_url(submission.webhook_url, policy.webhooks.rules(loopback=telling.loopback))
        except ValueError as error:
            yield FieldFault("webhook_url", str(error))


def _too_long(invocation: Invocation, submission: Submission, limits: Limits) -> FieldFault | None:
    """What is wrong with the length of the input, by the same estimate by which the limiter reserves."""
    most, tokens = limits.max_input_tokens, input_tokens(invocation)
    if most is None or tokens <= most:
        return None
    [path] = (name for name in ("prompt", "messages", "native") if getattr(submission, name) is not None)
    return FieldFault(path, f"has about {tokens:,.0f} tokens with all that goes with it, by an estimate; {most:,} are allowed")


def _within(bound: Collection[str] | None, submission: Submission) -> tuple[str, ...]:
    """The regions where the job may be answered: those that it names, within those of its tenant. Empty: anywhere."""
    named = tuple(dict.fromkeys(submission.allowed_regions or ()))
    if bound is None:
        return named
    allowed = tuple(each for each in named or bound if each in bound)
    if not allowed:
        raise InvalidSubmission(FieldFault("allowed_regions", f"none of these is allowed; there are {', '.join(bound)}"))
    return allowed


def _route(routes: Routes, model: str, limits: Limits) -> Route:
    """The route that is meant. What the tenant may not use is not there, and no answer names it."""
    if limits.routes is None:
        return routes.resolve(model)
    served = [name for name in sorted(limits.routes) if _is_served(routes, name)]
    if model not in served:
        raise ModelNotAllowed(f"no route and no target serves this model; the routes are: {', '.join(served)}")
    return routes.resolve(model)


def _is_served(routes: Routes, model: str) -> bool:
    try:
        return bool(routes.resolve(model))
    except ModelNotAllowed:
        return False


def _check_served(route: Route, request: Request, submission: Submission) -> None:
    """Refuse what no target of the route may serve, or can: no time would mend that."""
    able, barred = candidates(route, request)
    if able:
        return
    abroad = [error for error in barred if isinstance(error, ResidencyForbids)]
    others = [error for error in barred if error not in abroad]
    path = "allowed_regions" if submission.allowed_regions else "model"
    faults = [FieldFault(path, f"no target may serve it: {_told(abroad)}")] if abroad else []
    raise InvalidSubmission(*faults, *([FieldFault("model", f"no target can serve it: {_told(others)}")] if others else []))


def _told(errors: Sequence[Exception]) -> str:
    return scrub("; ".join(str(error) for error in errors))


def _one_body(submission: Submission) -> Iterator[FieldFault]:
    given = [name for name in ("prompt", "messages", "native") if getattr(submission, name) is not None]
    if not given:
        yield FieldFault("prompt", "one of `prompt`, `messages` and `native` is needed")
    for name in given[1:]:
        yield FieldFault(name, f"cannot be given together with `{given[0]}`")
    if given == ["native"]:
        yield from _native_faults(submission)


def _native_faults(submission: Submission) -> Iterator[FieldFault]:
    if not isinstance(submission.native, dict):
        yield FieldFault("native", "must be an object")
    if submission.model is None:
        yield FieldFault("model", "is needed with `native`: each family of models has a format of its own")
    for name in CONVERSE_FIELDS:
        if getattr(submission, name) is not None:
            yield FieldFault(name, "cannot be given together with `native`: say it in the body")


def _invocation(submission: Submission, max_tokens: int) -> Invocation:
    """What is asked of a model; `max_tokens` is what holds where nothing is said."""
    if submission.native is not None:
        bound = dialects.output_bound(submission.native)
        # Not sent: the body speaks for itself. It says how long an answer may take.
        return Invocation(native=submission.native, max_tokens=max(bound[1], 1) if bound else max_tokens)
    prompt = [{"role": "user", "content": [{"text": submission.prompt}]}]
    messages = prompt if submission.prompt is not None else _blocks_in(submission.messages)
    system = [] if submission.system is None else _as_blocks(submission.system)
    further = {} if submission.converse is None else submission.converse
    faults = converse.faults(messages=messages, system=system, converse=further)
    if faults:
        raise InvalidSubmission(*faults)
    return Invocation(
        messages=tuple(messages),
        system=tuple(system),
        max_tokens=submission.max_tokens or max_tokens,
        temperature=submission.temperature,
        top_p=submission.top_p,
        stop_sequences=tuple(submission.stop_sequences or ()),
        converse=further,
    )


def _blocks_in(messages: Any) -> Any:
    """Messages whose plain `content` has become a block; what is no list of messages is left for the check to name."""
    if not isinstance(messages, list):
        return messages
    return [
        {**message, "content": _as_blocks(message["content"])} if isinstance(message, dict) and "content" in message else message
        for message in messages
    ]


def _as_blocks(content: Any) -> Any:
    return [{"text": content}] if isinstance(content, str) else content

"""From a submission's body to a job: everything that can be refused is refused here, before anything is stored. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final

from producer.faults import checked
from producer.requests import CONVERSE_FIELDS, Submission
from quarry import dialects
from quarry.aws import regions_of
from quarry.errors import FieldFault, InvalidSubmission, PayloadTooLarge, ResidencyForbids
from quarry.inference import converse
from quarry.inference.candidates import Request, candidates
from quarry.inference.routes import DEFAULT_ROUTE, Route, Routes
from quarry.inference.verdicts import scrub
from quarry.invocation import Invocation
from quarry.job import CHECK_AFTER, Job, Priority
from quarry.settings import JobSettings
from quarry.store.item import invocation_json
from quarry.tenants.policy import PLAIN, Policy
from quarry.webhooks.addresses import checked as checked_url


@dataclass(frozen=True, slots=True)
class Admitted:
    """A submission that can be served; `content` is its invocation as it is stored."""

    submission: Submission
    invocation: Invocation
    content: bytes


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
        ModelNotAllowed: no route and no target has that model.
        PayloadTooLarge: what would be sent to the model is more than a job may carry.
    """
    submission = checked(Submission, body)
    faults = (
        *_bounds(submission, limits, policy),
        *_one_body(submission),
        *_regions(submission),
        *_webhook(submission, policy, telling),
    )
    if faults:
        raise InvalidSubmission(*faults)
    invocation = _invocation(submission, limits)
    _check_served(routes.resolve(submission.model or DEFAULT_ROUTE), invocation, submission)
    content = invocation_json(invocation).encode()
    if len(content) > limits.payload_max_bytes:
        raise PayloadTooLarge(f"the payload has {len(content):,} bytes; a job may carry {limits.payload_max_bytes:,}")
    return Admitted(submission, invocation, content)


def job_of(
    admitted: Admitted, *, tenant: str, request_id: str, limits: JobSettings, now: datetime, telling: Telling = NOBODY
) -> Job:
    """The job, not yet recorded. The sweep looks at it soon, in case no message follows."""
    submission = admitted.submission
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
        allowed_regions=tuple(dict.fromkeys(submission.allowed_regions or ())),
        check_at=now + CHECK_AFTER,
        webhook_url=submission.webhook_url,
        publish=telling.publish,
    )


def _bounds(submission: Submission, limits: JobSettings, policy: Policy) -> Iterator[FieldFault]:
    native = dialects.output_bound(submission.native) if isinstance(submission.native, dict) else None
    path, bound = ("max_tokens", submission.max_tokens or 0) if native is None else (f"native.{native[0]}", native[1])
    most = min(limits.max_tokens_limit, policy.limits.max_tokens or limits.max_tokens_limit)
    if bound > most:
        yield FieldFault(path, f"should be less than or equal to {most}")


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


def _check_served(route: Route, invocation: Invocation, submission: Submission) -> None:
    """Refuse what no target of the route may serve, or can: no time would mend that."""
    able, barred = candidates(route, Request(invocation, allowed_regions=tuple(submission.allowed_regions or ())))
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


def _invocation(submission: Submission, limits: JobSettings) -> Invocation:
    if submission.native is not None:
        bound = dialects.output_bound(submission.native)
        # Not sent: the body speaks for itself. It says how long an answer may take.
        return Invocation(native=submission.native, max_tokens=max(bound[1], 1) if bound else limits.max_tokens)
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
        max_tokens=submission.max_tokens or limits.max_tokens,
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

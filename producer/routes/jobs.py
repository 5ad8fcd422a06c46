"""`/v1/jobs`."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response

from producer import answers, idempotency, quotas
from producer.documents import json_body, problems
from producer.explanations import ExplanationView
from producer.faults import checked
from producer.following import EVENT, EVENTS, Events
from producer.lookup import no_such_job
from producer.problems import item_error
from producer.progress import ID_PATTERN, Place
from producer.requests import Bulk, GetQuery, ListQuery, LookupIds, NoQuery, Submission
from producer.routes.context import Caller, Verbs, gone
from producer.submit import Accepted
from quarry.erasure.eraser import Erased
from quarry.errors import FieldFault, InvalidSubmission, RateLimited, StoreUnavailable, SubmissionUndecided
from quarry.store.json_forms import json_text
from quarry.telemetry.acts import Act

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

#: Of a request without a body.
_READING: Final = problems(503)
#: Of a request with one.
_POSTING: Final = problems(400, 413, 415, 503)
_LOCATION: Final = {"Location": {"description": "Where to ask for the job.", "schema": {"type": "string"}}}
_REPLAYED: Final = {
    "Idempotent-Replayed": {"description": "`true`: the key had made this job already.", "schema": {"type": "string"}}
}


class Answer(JSONResponse):
    """JSON, whatever a model answered."""

    def render(self, content: Any) -> bytes:
        """As UTF-8."""
        return json_text(content).encode()


Key = Annotated[
    str | None,
    Header(
        alias=idempotency.HEADER,
        pattern=idempotency.PATTERN,
        description="Same key and body, within 24 h: the same job.",
    ),
]
LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID", pattern=ID_PATTERN, description="Go on after that event: nothing is told twice, nothing is left out."
    ),
]
Unqueried = Annotated[NoQuery, Query()]


@router.post(
    "",
    status_code=202,
    response_model=None,
    responses={
        **problems(400, 409, 413, 415, 429, 503),
        202: {
            "model": answers.JobView,
            "description": "Accepted: the job is durable.",
            "headers": _LOCATION | _REPLAYED | quotas.DOCUMENTED,
        },
    },
    openapi_extra=json_body(Submission),
)
async def submit(request: Request, caller: Caller, verbs: Verbs, _: Unqueried, key: Key = None) -> JSONResponse:
    """Submit a job."""
    async with verbs.bodies.read(request, verbs.limits.body_max_bytes) as body:
        try:
            accepted = await verbs.submitter.submit(caller.tenant, body, key)
        except SubmissionUndecided as error:
            verbs.witness.saw(Act.JOB_SUBMITTED, caller, request, request_id=error.request_id, outcome="undecided")
            raise
    outcome = "replayed" if accepted.replayed else "accepted"
    verbs.witness.saw(Act.JOB_SUBMITTED, caller, request, request_id=accepted.job.request_id, outcome=outcome)
    headers = {"Location": f"{request.scope.get('root_path', '')}/v1/jobs/{accepted.job.request_id}"}
    headers |= quotas.headers(verbs.submitter.limiter.quotas(caller.tenant))
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer(await verbs.lookup.show(accepted.job), 202, headers)


@router.post(
    "/bulk",
    status_code=202,
    response_model=None,
    responses={
        **problems(400, 413, 415, 429, 503),
        202: {"model": answers.BulkView, "description": "Each job was judged by itself.", "headers": quotas.DOCUMENTED},
    },
    openapi_extra=json_body(Bulk),
)
async def submit_many(request: Request, caller: Caller, verbs: Verbs, _: Unqueried) -> JSONResponse:
    """Submit up to 500 jobs. One that is refused does not refuse the others."""
    if idempotency.HEADER in request.headers:
        raise InvalidSubmission(FieldFault(idempotency.HEADER, f"give each job its own `{idempotency.FIELD}`"))
    async with verbs.bodies.read(request, verbs.limits.bulk_body_max_bytes) as body:
        bodies: list[Any] = checked(Bulk, body.parse()).jobs
        verdicts = await verbs.submitter.submit_many(caller.tenant, bodies, large=body.large)
    if refused := _all_over_a_limit(verdicts):
        raise refused
    ids = [each for each in map(_made, verdicts) if each]
    if ids:
        verbs.witness.saw(
            Act.JOBS_SUBMITTED, caller, request, count=len(ids), refused_count=len(verdicts) - len(ids),
            first_request_id=ids[0], last_request_id=ids[-1],
        )  # fmt: skip
    rows = [_bulk_row(*each) for each in zip(bodies, verdicts, strict=True)]
    return Answer({"jobs": rows}, 202, quotas.headers(verbs.submitter.limiter.quotas(caller.tenant)))


@router.post(
    "/lookup",
    response_model=None,
    responses={**_POSTING, 200: {"model": answers.LookupView, "description": "What was found, in order."}},
    openapi_extra=json_body(LookupIds),
)
async def look_up(request: Request, caller: Caller, verbs: Verbs, _: Unqueried) -> JSONResponse:
    """Look jobs up by their ids, up to 100. Where their results are too large together, jobs come without theirs, and say so."""
    async with verbs.bodies.read(request, verbs.limits.body_max_bytes) as body:
        wanted = checked(LookupIds, body.parse())
    return Answer(await verbs.lookup.look_up(caller.tenant, wanted.request_ids))


@router.get("", response_model=None, responses={**_READING, 200: {"model": answers.JobPageView, "description": "A page."}})
async def list_(caller: Caller, verbs: Verbs, query: Annotated[ListQuery, Query()]) -> JSONResponse:
    """List jobs, newest first, without content. A job may take a moment to appear."""
    return Answer(await verbs.lookup.list(caller.tenant, query))


@router.get(
    "/{request_id}",
    response_model=None,
    responses={**problems(404, 503), 200: {"model": answers.JobView, "description": "The job, at whatever stage."}},
)
async def get(request: Request, request_id: str, caller: Caller, verbs: Verbs, query: Annotated[GetQuery, Query()]) -> JSONResponse:
    """Get a job; with `wait_seconds`, as soon as it is terminal."""
    if query.wait_seconds > verbs.limits.wait_max_seconds:
        raise InvalidSubmission(FieldFault("wait_seconds", f"should be less than or equal to {verbs.limits.wait_max_seconds}"))
    job = await verbs.lookup.wait(caller.tenant, request_id, query.wait_seconds, partial(gone, request))
    return Answer(await verbs.lookup.show(job))


@router.get(
    "/{request_id}/explanation",
    response_model=None,
    responses={**problems(404, 503), 200: {"model": ExplanationView, "description": "What happened to it so far."}},
)
async def explain(request_id: str, caller: Caller, verbs: Verbs, _: Unqueried) -> JSONResponse:
    """Explain a job: what happened when and why, where the time went, what was paid, and what there is to do."""
    return Answer(await verbs.lookup.explain(caller.tenant, request_id))


@router.get(
    "/{request_id}/events",
    status_code=200,
    response_class=Events,
    response_model=None,
    responses={
        **problems(404, 503),
        200: {"description": EVENTS, "content": {"text/event-stream": {"schema": EVENT}}},
        204: {"description": "`done` was told already, by `Last-Event-ID`; a browser then asks no more."},
    },
)
async def events(request_id: str, caller: Caller, verbs: Verbs, _: Unqueried, last_event_id: LastEventId = None) -> Response:
    """Follow a job: its statuses, and for one that was submitted with `stream`, its text as it comes."""
    if not verbs.limits.followers:
        raise HTTPException(501)
    place = Place.read(last_event_id) if last_event_id else None
    job = await verbs.lookup.get(caller.tenant, request_id)
    if verbs.following.knows_the_end(job, place):
        return Response(status_code=204)
    return Events(await verbs.following.follow(job, place))


@router.post(
    "/{request_id}/cancel",
    status_code=202,
    response_model=None,
    responses={
        **problems(404, 409, 503),
        202: {"model": answers.JobView, "description": "It is cancelled, or will be: see `cancel_requested`."},
        200: {"model": answers.JobView, "description": "It was cancelled already."},
    },
)
async def cancel(request: Request, request_id: str, caller: Caller, verbs: Verbs, _: Unqueried) -> JSONResponse:
    """Cancel a job: at once while it waits, and soon while it is worked."""
    try:
        job, already = await verbs.canceller.cancel(caller.tenant, request_id)
    except StoreUnavailable as error:
        if error.applied is not False:
            verbs.witness.saw(Act.JOB_CANCELLED, caller, request, request_id=request_id, status="undecided")
        raise
    if not already:
        verbs.witness.saw(Act.JOB_CANCELLED, caller, request, request_id=request_id, status=job.status.value)
    return Answer(await verbs.lookup.show(job), 200 if already else 202)


@router.delete(
    "/{request_id}",
    status_code=204,
    response_model=None,
    responses={
        **problems(404, 503),
        204: {"description": "Nothing of it is left; nor was there, if it had been erased before."},
        202: {
            "model": answers.ErasureView,
            "description": "It will be gone within seconds, whatever happens; nobody sees it any more.",
        },
    },
)
async def erase(request: Request, request_id: str, caller: Caller, verbs: Verbs, _: Unqueried) -> Response:
    """Erase a job: all that was asked and answered, wherever it lies. One that is worked is stopped first."""
    try:
        erased = await verbs.eraser.erase(caller.tenant, request_id)
    except StoreUnavailable as error:
        if error.applied is not False:
            verbs.witness.saw(Act.JOB_ERASED, caller, request, request_id=request_id, status="undecided")
        raise
    if erased is Erased.UNKNOWN:
        raise no_such_job()
    verbs.witness.saw(Act.JOB_ERASED, caller, request, request_id=request_id, status=erased.value)
    if erased is Erased.ERASING:
        return Answer({"request_id": request_id, "erased": False}, 202)
    return Response(status_code=204)


def _bulk_row(body: Any, verdict: Accepted | Exception) -> dict[str, Any]:
    if isinstance(verdict, Accepted):
        job = verdict.job
        return {"request_id": job.request_id, "status": job.status.value, "custom_id": job.custom_id}
    custom_id = body.get("custom_id") if isinstance(body, dict) else None
    return {"error": item_error(verdict), "custom_id": custom_id if isinstance(custom_id, str) else None}


def _all_over_a_limit(verdicts: Sequence[Accepted | Exception]) -> RateLimited | None:
    """The last of these refusals, if there is nothing but these: whoever waits as long finds room for the first of them."""
    refused = [each for each in verdicts if isinstance(each, RateLimited)]
    return refused[-1] if len(refused) == len(verdicts) else None


def _made(verdict: Accepted | Exception) -> str | None:
    """The job of a submission that was, or may have been, accepted."""
    if isinstance(verdict, Accepted):
        return verdict.job.request_id
    return verdict.request_id if isinstance(verdict, SubmissionUndecided) else None

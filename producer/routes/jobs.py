"""`/v1/jobs`."""

from typing import Any

from fastapi import APIRouter, Request, Response

from producer.schemas import Submission, job_out
from quarry.errors import JobNotFound
from quarry.ids import is_request_id

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
TENANT = "default"


@router.post("", status_code=202)
async def submit(submission: Submission, request: Request, response: Response) -> dict[str, Any]:
    """Submit one job."""
    state = request.app.state
    job = await state.submitter.submit(TENANT, submission)
    response.headers["Location"] = f"/v1/jobs/{job.request_id}"
    return job_out(job, state.clock.now())


@router.get("/{request_id}")
async def get(request_id: str, request: Request) -> dict[str, Any]:
    """One job, at every stage."""
    state = request.app.state
    job = await state.store.get(TENANT, request_id) if is_request_id(request_id) else None
    if job is None:
        raise JobNotFound("no such job")
    return job_out(job, state.clock.now())

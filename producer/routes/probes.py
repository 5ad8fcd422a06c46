"""`/livez` and `/readyz` on the public port."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from producer.answers import Alive, Ready, Unready
from producer.routes.context import Verbs

router = APIRouter(tags=["probes"])


@router.get("/livez", response_model=None, responses={200: {"model": Alive, "description": "Alive."}})
async def livez() -> JSONResponse:
    """Whether the process answers."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/readyz",
    response_model=None,
    responses={200: {"model": Ready, "description": "Ready."}, 503: {"model": Unready, "description": "Not ready."}},
)
async def readyz(verbs: Verbs) -> JSONResponse:
    """Whether the process should get requests: queue and store answer, and it is not stopping."""
    reason = await verbs.health.asked()
    return JSONResponse({"status": "unready", "reason": reason}, 503) if reason else JSONResponse({"status": "ready"})

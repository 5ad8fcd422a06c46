"""`/livez` and `/readyz` on the public port."""

from fastapi import APIRouter

router = APIRouter(tags=["probes"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Alive: the process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz() -> dict[str, str]:
    """Ready: queue and table were there at the start."""
    return {"status": "ready"}

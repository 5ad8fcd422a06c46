"""Sending jobs' messages, each on the lane of its priority."""

from quarry.envelope import Envelope
from quarry.errors import QueueUnavailable
from quarry.job import Job
from quarry.queue.base import Lanes


async def announce(lanes: Lanes, *jobs: Job) -> list[QueueUnavailable | None]:
    """Put a message for each job on its lane; what came of each, in order, as `JobQueue.send` tells it."""
    results: dict[str, QueueUnavailable | None] = {}
    for lane in {job.priority for job in jobs}:
        theirs = [job for job in jobs if job.priority == lane]
        sent = await lanes[lane].send([Envelope(job.request_id, job.tenant, job.generation, job.traceparent) for job in theirs])
        results |= {job.request_id: each for job, each in zip(theirs, sent, strict=True)}
    return [results[job.request_id] for job in jobs]

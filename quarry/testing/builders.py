"""Readable data for tests: each builder gives something valid, and takes what the test is about."""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from quarry.envelope import Envelope
from quarry.ids import new_request_id, new_token
from quarry.invocation import Completion, Invocation, Target, Usage
from quarry.job import CHECK_AFTER, Claimed, Job, Lease, advance
from quarry.keys.key import ApiKey, carried, minted
from quarry.queue.base import Delivery
from quarry.testing.clock import START

#: When everything happens, unless a test says otherwise: the instant at which a `FakeClock` starts.
NOW: Final = START


def an_invocation(prompt: str = "Say hello.", **changes: Any) -> Invocation:
    """A request of one user message."""
    return replace(Invocation(messages=({"role": "user", "content": [{"text": prompt}]},)), **changes)


def a_job(**changes: Any) -> Job:
    """A job that was just submitted, with an id of its own; its other instants follow `created_at`."""
    created_at = changes.pop("created_at", NOW)
    job = Job(
        request_id=changes.pop("request_id", None) or new_request_id(created_at),
        tenant="default",
        invocation=an_invocation(),
        model="default",
        created_at=created_at,
        deadline_at=created_at + timedelta(days=1),
        available_at=created_at,
        max_attempts=3,
        check_at=created_at + CHECK_AFTER,
    )
    return replace(job, **changes)


def a_key(**changes: Any) -> tuple[ApiKey, str]:
    """A key of a member, made at `NOW` for a year, with an id of its own; and what its holder carries."""
    lifetime: timedelta | None = changes.pop("lifetime", timedelta(days=365))
    created_at = changes.pop("created_at", NOW)
    key, text = minted("default", "a test", ("member",), lifetime, now=created_at, random=secrets.token_bytes)
    key = replace(key, **changes)
    return key, carried(key.key_id, text.split("_", 2)[2])


def a_lease(token: str | None = None, **changes: Any) -> Lease:
    """A lease with a token of its own, for a minute from `NOW`."""
    return replace(Lease(token or new_token(), "worker-1", NOW + timedelta(seconds=60)), **changes)


def a_claimed_job(lease: Lease | None = None, **changes: Any) -> Job:
    """A job that a worker claimed at `NOW`."""
    return advance(a_job(**changes), Claimed(lease or a_lease()), NOW)


def an_envelope(job: Job | None = None, **changes: Any) -> Envelope:
    """The envelope of a job (of one that was never recorded, if none is given)."""
    job = job or a_job()
    return replace(Envelope(job.request_id, job.tenant, job.generation), **changes)


def a_delivery(content: Job | Envelope | str | None = None, **changes: Any) -> Delivery:
    """The first receipt of a message: a job's envelope, an envelope, or a raw body. No queue knows its receipt."""
    match content:
        case str():
            body = content
        case Envelope():
            body = content.to_wire()
        case _:
            body = an_envelope(content).to_wire()
    return replace(Delivery(new_token(), body, new_token(), 1, NOW), **changes)


def a_completion(text: str = "Hello.", **changes: Any) -> Completion:
    """An answer that ended by itself."""
    completion = Completion(
        content=({"text": text},),
        stop_reason="end_turn",
        filtered=False,
        usage=Usage(input_tokens=12, output_tokens=3, total_tokens=15),
        served_by=Target("bedrock", "us-east-1", "amazon.nova-lite-v1:0"),
        provider_request_id="11111111-2222-3333-4444-555555555555",
    )
    return replace(completion, **changes)

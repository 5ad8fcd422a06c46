"""Content that is too large for the record: loading it before the call, and setting it apart before the record."""

from dataclasses import replace
from typing import Final

from quarry.invocation import Invocation
from quarry.job import Event, Job, StoredObject, Succeeded
from quarry.store.json_forms import invocation_from_json, result_json
from quarry.store.payloads import INLINE_MAX_BYTES, Payloads
from worker.outcome import size_bytes

#: What an answer may take while it is held, by the tokens that were asked for. Our own choice: some text has four bytes a token,
#: some has twice that.
_BYTES_PER_TOKEN: Final = 8
#: The same where the tokens are not known before the payload is loaded: 64,000 of them.
_RESULT_BYTES: Final = 64_000 * _BYTES_PER_TOKEN


def weight_of(job: Job) -> int:
    """How many bytes of content a job will probably hold while it is worked."""
    if job.payload:
        return job.payload.size_bytes + _RESULT_BYTES
    return INLINE_MAX_BYTES + job.invocation.max_tokens * _BYTES_PER_TOKEN


async def invocation_of(job: Job, payloads: Payloads) -> Invocation:
    """What the job asks of a model, from wherever it is.

    Raises:
        PayloadLost: nobody will ever know.
        PayloadsUnavailable: try again.
    """
    return invocation_from_json(await payloads.get(job.payload)) if job.payload else job.invocation


def to_set_apart(event: Event | None, *, store_content: bool = True) -> bytes | None:
    """An answer that is too large for the record, or may not be in it, as it is put beside it; None for everything else."""
    if isinstance(event, Succeeded) and (not store_content or size_bytes(event.completion) > INLINE_MAX_BYTES):
        return result_json(event.completion).encode()
    return None


def set_apart(event: Succeeded, stored: StoredObject) -> Succeeded:
    """An answer as the record keeps it, once its content was put aside."""
    return replace(event, completion=replace(event.completion, content=()), stored=stored)

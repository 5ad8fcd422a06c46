"""Submitting and reading what is too large for the record."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from producer.answers import FoundJob, JobView, NoSuchJob
from producer.lookup import LOOKUP_RESULTS_MAX_BYTES
from producer.results import SHOWN_MAX_BYTES
from producer.routes.jobs import Answer
from quarry.errors import IdempotencyConflict, PayloadLost, PayloadsUnavailable, SubmissionUndecided
from quarry.invocation import Invocation, result_document
from quarry.job import Job, Succeeded, advance
from quarry.store.json_forms import invocation_from_json, invocation_json, result_json
from quarry.store.payloads import INLINE_MAX_BYTES
from quarry.testing import NOW, a_claimed_job, a_completion, an_invocation
from tests.unit.producer.conftest import Producer

LARGE = "x" * 100_000


async def stored_answer(producer: Producer, text: str) -> Job:
    """A completed job whose answer lies beside its record."""
    job, answer = a_claimed_job(), a_completion(text)
    stored = await producer.payloads.put(job.tenant, job.request_id, "result", result_json(answer).encode())
    return producer.store.put(advance(job, Succeeded(a_completion(content=()), stored=stored), NOW))


@pytest.mark.parametrize("large", [True, False])
async def test_a_large_payload_lies_beside_its_record(producer: Producer, large: bool) -> None:
    """And the record says where; whether it was checked in a thread makes no difference."""
    accepted = await producer.submitter.submit("default", {"prompt": LARGE, "max_tokens": 7}, large=large)
    [job] = producer.store.jobs
    assert accepted.job == job
    assert job.invocation == Invocation()
    assert job.payload
    asked = invocation_from_json(await producer.payloads.get(job.payload))
    assert (asked.messages[0]["content"][0]["text"], asked.max_tokens) == (LARGE, 7)


async def test_the_bound_of_what_the_record_carries(producer: Producer) -> None:
    """It is counted as it is stored; the bound itself is carried."""
    room = INLINE_MAX_BYTES - len(invocation_json(an_invocation("")))
    assert (await producer.submit(prompt="y" * room)).job.payload is None
    payload = (await producer.submit(prompt="y" * (room + 1))).job.payload
    assert payload
    assert payload.size_bytes == INLINE_MAX_BYTES + 1


async def test_while_the_bucket_is_away_nothing_is_stored(producer: Producer) -> None:
    """Whether the object is there or not, no record points to it: the submission was refused, and that is certain."""
    for applied in (False, True):
        producer.payloads.fail_next("put", applied=applied, known=False)
        with pytest.raises(PayloadsUnavailable):
            await producer.submit(prompt=LARGE)
    assert (producer.store.jobs, producer.queue.visible_count) == ([], 0)
    assert producer.count("quarry_submissions_total", outcome="payloads_unavailable") == 2
    await producer.submit(prompt="small")


async def test_a_large_replay_puts_nothing(producer: Producer) -> None:
    """The bucket may be away; the job is there. Another body is a conflict as ever."""
    first = await producer.submit("k", prompt=LARGE)
    producer.payloads.fail_next("put", times=9)
    again = await producer.submit("k", prompt=LARGE)
    assert (again.replayed, again.job.request_id) == (True, first.job.request_id)
    with pytest.raises(IdempotencyConflict):
        await producer.submit("k", prompt=LARGE + "x")
    assert len(producer.payloads.objects) == 1


async def test_two_large_submissions_with_one_key_are_one_job(producer: Producer) -> None:
    """However they meet: the one that comes second leaves an object to which nothing points, and it expires."""
    first, second = await asyncio.gather(producer.submit("k", prompt=LARGE), producer.submit("k", prompt=LARGE))
    assert first.job.request_id == second.job.request_id
    assert sorted((first.replayed, second.replayed)) == [False, True]
    assert len(producer.store.jobs) == 1


async def test_a_large_record_whose_fate_is_unknown_is_undecided(producer: Producer) -> None:
    """As a small one."""
    producer.store.fail_next("create", applied=True)
    with pytest.raises(SubmissionUndecided) as caught:
        await producer.submit(prompt=LARGE)
    assert producer.store.job(caught.value.request_id).payload


async def test_a_large_answer_is_shown_or_linked(producer: Producer) -> None:
    """Up to 256 KiB, as stored, it is fetched; above, its URL is told, and until when it can be opened."""
    frame = len(result_json(a_completion("")))
    for text, shown in (("y" * ((SHOWN_MAX_BYTES - frame) // 2), True), ("y" * ((SHOWN_MAX_BYTES - frame) // 2 + 1), False)):
        job = await stored_answer(producer, text)
        view = await producer.lookup.show(job)
        JobView.model_validate_json(json.dumps(view), strict=True)
        assert job.result_object
        if shown:
            assert view["result"] == result_document(a_completion(text))
        else:
            assert job.result_object.key in view["result"].pop("url")
            expires_at = (producer.clock.now() + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            assert view["result"] == {"url_expires_at": expires_at, "size_bytes": job.result_object.size_bytes}
        assert (view["usage"]["output_tokens"], view["served_by"]["provider"]) == (3, "bedrock")
    assert SHOWN_MAX_BYTES == 256 * 1024


async def test_a_bucket_that_is_away_is_told_to_the_reader(producer: Producer) -> None:
    """And a lost object too; a list needs neither."""
    job = await stored_answer(producer, LARGE)
    producer.payloads.fail_next("get")
    with pytest.raises(PayloadsUnavailable):
        await producer.lookup.show(job)
    producer.payloads.objects.clear()
    with pytest.raises(PayloadLost):
        await producer.lookup.show(job)


async def test_a_lookup_shows_large_answers_within_its_bound(producer: Producer) -> None:
    """Five mebibytes of what is shown; a URL costs nothing; a lost one is an error of that row alone."""
    many = [await stored_answer(producer, "y" * 100_000) for _ in range(30)]
    linked, lost = await stored_answer(producer, "z" * 2**20), await stored_answer(producer, "q" * 20_000)
    assert lost.result_object
    del producer.payloads.objects[lost.result_object.key]
    wanted = [lost, *many, linked]
    rows: list[dict[str, Any]] = (await producer.lookup.look_up("default", [job.request_id for job in wanted]))["jobs"]
    assert [row["request_id"] for row in rows] == [job.request_id for job in wanted]
    NoSuchJob.model_validate_json(json.dumps(rows[0]), strict=True)
    assert rows[0]["error"]["code"] == "content_lost"
    assert set(rows[-1]["result"]) == {"url", "url_expires_at", "size_bytes"}
    shown = [row for row in rows[1:-1] if row["result"]]
    assert all(row["result_omitted"] for row in rows[1:-1] if row not in shown)
    assert many[0].result_object
    assert len(shown) == (LOOKUP_RESULTS_MAX_BYTES - lost.result_object.size_bytes) // many[0].result_object.size_bytes
    for row in rows[1:]:
        FoundJob.model_validate_json(json.dumps(row), strict=True)


async def test_a_lookup_fails_whole_while_the_bucket_is_away(producer: Producer) -> None:
    """It says nothing about the jobs."""
    job = await stored_answer(producer, LARGE)
    producer.payloads.fail_next("get")
    with pytest.raises(PayloadsUnavailable):
        await producer.lookup.look_up("default", [job.request_id])


def test_half_of_a_pair_can_be_shown() -> None:
    """A model that was cut off may end on one; it has no UTF-8, and is escaped."""
    assert json.loads(bytes(Answer({"text": "a\ud83d"}).body)) == {"text": "a\ud83d"}

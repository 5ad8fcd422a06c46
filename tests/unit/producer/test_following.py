"""Event streams, at their pace."""

import asyncio
import json
from contextlib import aclosing

import pytest
from starlette.types import Message

from producer.following import Events
from producer.progress import Place
from quarry.errors import Overloaded
from quarry.job import Job, Succeeded, advance
from quarry.store.base import Mark, Piece
from quarry.testing import a_claimed_job, a_completion, a_job, a_lease
from tests.unit.producer.conftest import Producer

TEXT = "It is so."


@pytest.fixture
def job(producer: Producer) -> Job:
    """A job that is worked, and streamed."""
    return producer.store.put(a_claimed_job(a_lease("one"), stream=True))


class Listening:
    """Reads a stream in a task of its own."""

    def __init__(self, producer: Producer, job: Job) -> None:
        self.sent: list[str] = []
        self._producer, self._job = producer, job
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        source = await self._producer.following.follow(self._job, None)
        async with aclosing(source):  # type: ignore[type-var]
            async for each in source:
                self.sent.append(each)

    @property
    def names(self) -> list[str]:
        lines = "".join(self.sent).splitlines()
        return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


async def test_text_is_told_soon(producer: Producer, job: Job) -> None:
    """Within a quarter of a second of its being written; the end likewise, and with it the stream ends."""
    listening = Listening(producer, job)
    await producer.clock.advance(200)
    assert listening.names == ["status"]
    await producer.store.add_text(job, Piece(Mark(job.revision, 1, 0), "one", "It is"), producer.clock.now())
    await producer.clock.advance(0.26)
    assert listening.names == ["status", "text"]
    producer.store.put(advance(job, Succeeded(a_completion(TEXT)), producer.clock.now()))
    await producer.clock.advance(0.26)
    assert listening.names[-1] == "done"
    assert listening.task.done()
    assert producer.count("quarry_http_followers") == 0
    data = [line.removeprefix("data: ") for line in "".join(listening.sent).splitlines() if line.startswith("data: ")]
    assert json.loads(data[-1])["result"]["text"] == TEXT


async def test_who_hears_nothing_is_told_that_we_are_here(producer: Producer, job: Job) -> None:
    """By a comment, each quarter of a minute; after five minutes they are let go."""
    listening = Listening(producer, job)
    await producer.clock.advance(299)
    assert 18 <= listening.sent.count(":\n\n") <= 19
    assert not listening.task.done()
    await producer.clock.advance(2)
    assert listening.task.done()
    assert listening.names == ["status"]


async def test_a_process_that_stops_lets_everybody_go(producer: Producer, job: Job) -> None:
    """At once; whoever comes then is told how it stands."""
    listening = Listening(producer, job)
    await producer.clock.advance(1)
    producer.following.close()
    await producer.clock.settle()
    assert listening.task.done()
    late = Listening(producer, job)
    await producer.clock.settle()
    assert (late.task.done(), late.names) == (True, ["status"])


@pytest.mark.parametrize("is_worked", [True, False])
async def test_a_job_that_is_erased_ends_its_streams(producer: Producer, is_worked: bool) -> None:
    """Whether it is gone at once or its worker has to stop first. Nothing is told of it: who comes back finds nothing."""
    job = producer.store.put(a_claimed_job(a_lease("one"), stream=True) if is_worked else a_job(stream=True))
    listening = Listening(producer, job)
    await producer.clock.advance(1)
    await producer.eraser.erase("default", job.request_id)
    await producer.clock.advance(2)
    assert listening.task.done()
    assert listening.names == ["status"]
    assert producer.count("quarry_http_followers") == 0


async def test_a_store_that_is_away_is_waited_for(producer: Producer, job: Job) -> None:
    """The stream goes on when it is back."""
    listening = Listening(producer, job)
    await producer.clock.advance(1)
    producer.store.put(advance(job, Succeeded(a_completion(TEXT)), producer.clock.now()))
    producer.store.fail_next("look", times=3)
    producer.store.fail_next("get", times=2)
    await producer.clock.advance(4)
    assert not listening.task.done()
    await producer.clock.advance(4)
    assert listening.names == ["status", "text", "done"]


async def test_no_more_follow_than_may(producer: Producer, job: Job) -> None:
    """Ten, here; also where all of them come before the first has been sent anything."""
    jobs = [producer.store.put(a_job(tenant=tenant)) for tenant in ("mine", "theirs")]
    streams = [await producer.following.follow(each, None) for each in jobs for _ in range(5)]
    assert producer.count("quarry_http_followers") == 10
    with pytest.raises(Overloaded):
        await producer.following.follow(job, None)
    await streams.pop().aclose()  # type: ignore[attr-defined]
    streams.append(await producer.following.follow(job, None))
    for each in streams:
        await each.aclose()  # type: ignore[attr-defined]
    assert producer.count("quarry_http_followers") == 0


async def test_one_tenant_does_not_take_all_places(producer: Producer, job: Job) -> None:
    """Half of them: the others find room. Whoever goes makes room for their own."""
    other = producer.store.put(a_job(tenant="other"))
    followers = [Listening(producer, job) for _ in range(5)]
    await producer.clock.settle()
    with pytest.raises(Overloaded):
        await producer.following.follow(job, None)
    assert await producer.following.follow(other, None)
    followers[0].task.cancel()
    await producer.clock.settle()
    assert await producer.following.follow(job, None)
    producer.following.close()
    await producer.clock.settle()


async def test_a_place_that_was_taken_and_not_used_is_given_back(producer: Producer, job: Job) -> None:
    """Its caller went before the answer began, and nobody holds the stream any more."""
    for _ in range(20):
        await producer.following.follow(job, None)
        await producer.clock.settle()
    assert producer.count("quarry_http_followers") <= 1


async def test_nothing_is_looked_at_before_what_was_told_is_sent(producer: Producer, job: Job) -> None:
    """Whoever reads slowly costs one look's worth of memory."""
    looks, sent, go_on = 0, 0, asyncio.Event()
    look = producer.store.look

    async def counted(tenant: str, request_id: str, since: Mark) -> object:
        nonlocal looks
        looks += 1
        return await look(tenant, request_id, since)

    producer.store.look = counted  # type: ignore[method-assign,assignment]

    async def send(message: Message) -> None:
        nonlocal sent
        sent += 1
        if sent > 2:  # the head, the hello, and then a status
            await go_on.wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    response = Events(await producer.following.follow(job, None))
    scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.3"}}
    serving = asyncio.create_task(response(scope, receive, send))
    await producer.clock.advance(60)
    assert (looks, sent) == (1, 3)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert producer.count("quarry_http_followers") == 0


async def test_who_was_told_the_end_is_not_told_again(producer: Producer) -> None:
    """An end that nobody has written yet, a deadline that passed, is one: browsers come back at once, and would for minutes."""
    job = producer.store.put(a_job())
    told, untold = Place(done=True), Place(revision=job.revision)
    assert not producer.following.knows_the_end(job, told)
    await producer.clock.advance((job.deadline_at - producer.clock.now()).total_seconds() + 1)
    assert producer.following.knows_the_end(job, told)
    assert not producer.following.knows_the_end(job, untold)
    assert not producer.following.knows_the_end(job, None)

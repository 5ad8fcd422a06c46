"""What a model says is written beside its job as it comes, and nothing of that touches the job."""

import asyncio

from quarry.errors import ModelFailed, ProviderUnavailable
from quarry.job import Job, JobStatus
from quarry.store.base import Mark, Piece
from quarry.testing.provider import Hold
from tests.unit.worker.conftest import Bench
from worker import speech

BEGINNING = Mark(0, 0, 0)


async def pieces(bench: Bench, job: Job) -> list[Piece]:
    seen = await bench.store.look(job.tenant, job.request_id, BEGINNING)
    assert seen is not None
    return list(seen.pieces)


async def said(bench: Bench, job: Job) -> list[str]:
    return [piece.text for piece in await pieces(bench, job)]


async def test_what_is_said_is_kept_while_the_call_goes_on(bench: Bench) -> None:
    """At once, under the token and the claim of the attempt."""
    job, hold = await bench.submitted(stream=True), Hold("It is so.", said="It is")
    bench.provider.play(hold)
    working = asyncio.create_task(bench.work())
    await hold.reached.wait()
    await bench.clock.settle()
    held = bench.store.job(job.request_id)
    assert held.lease is not None
    assert await pieces(bench, job) == [Piece(Mark(held.revision, 1, 0), held.lease.token, "It is")]
    hold.release.set()
    await working
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
    assert await said(bench, job) == ["It is"]  # the rest is in the result


async def test_a_job_that_is_not_streamed_says_nothing(bench: Bench) -> None:
    """Nor is its call a stream."""
    job = await bench.submitted()
    await bench.work()
    assert (await pieces(bench, job), bench.provider.calls[0].streamed) == ([], False)


async def test_text_is_gathered_for_half_a_second(bench: Bench) -> None:
    """However many pieces come: the first is written at once, and then what has come meanwhile."""
    job = await bench.submitted(stream=True)
    held = await bench.steps.claimer.claim(await bench.delivery())
    async with speech.Speech(bench.store, bench.clock, bench.metrics).voice(held) as voice:
        assert voice is not None
        voice.begin()
        for _ in range(40):
            voice.hear("word ")
            await bench.clock.advance(0.05)
    texts = await said(bench, job)
    assert (len(texts), texts[0], set("".join(texts).split())) == (5, "word ", {"word"})
    marks = [piece.mark.offset for piece in await pieces(bench, job)]
    assert marks == [sum(map(len, texts[:i])) for i in range(5)]


async def test_a_write_that_fails_is_repeated_as_it_was(bench: Bench) -> None:
    """With the same text, or a reader who saw the first try would miss what was added; meanwhile the call goes on."""
    job = await bench.submitted(stream=True)
    held = await bench.steps.claimer.claim(await bench.delivery())
    bench.store.fail_next("add_text", applied=True)
    bench.store.fail_next("add_text", times=2)
    async with speech.Speech(bench.store, bench.clock, bench.metrics).voice(held) as voice:
        assert voice is not None
        voice.begin()
        voice.hear("one ")
        await bench.clock.advance(0.1)
        assert await said(bench, job) == ["one "]
        voice.hear("two")
        await bench.clock.advance(10)
    assert await said(bench, job) == ["one ", "two"]
    assert bench.count("quarry_text_writes_total", outcome="failed") == 3
    assert bench.count("quarry_text_writes_total", outcome="written") == 2


async def test_a_job_is_answered_though_nothing_can_be_written(bench: Bench) -> None:
    """While only that fails."""
    job = await bench.submitted(stream=True)
    bench.store.fail_next("add_text", times=1000)
    await bench.work()
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED


async def test_each_call_says_its_own(bench: Bench) -> None:
    """Within one attempt, as a later call of the same claim; in a later attempt, under a later claim."""
    held_back = Hold(ModelFailed("broke"), said="void"), Hold("It is so.", said="It is")
    bench.provider.play(ProviderUnavailable("503"), *held_back)
    job = await bench.submitted(stream=True)
    for hold in held_back:
        working = asyncio.create_task(bench.work())
        await bench.clock.advance(10)
        assert hold.reached.is_set()
        hold.release.set()
        await working
        await bench.clock.advance(30)
    (first, void), (second, answer) = [(each.mark, each.text) for each in await pieces(bench, job)]
    assert (first.call, second.call, second.claim > first.claim) == (2, 1, True)
    assert (void, answer) == ("void", "It is")


async def test_what_is_written_of_an_answer_is_bounded(bench: Bench) -> None:
    """The rest is in the result; the next call has a bound of its own."""
    job = await bench.submitted(stream=True)
    held = await bench.steps.claimer.claim(await bench.delivery())
    async with speech.Speech(bench.store, bench.clock, bench.metrics).voice(held) as voice:
        assert voice is not None
        for _ in range(2):
            voice.begin()
            voice.hear("x" * (speech.TEXT_CHARACTERS_MAX - 10))
            voice.hear("y" * 30)
            await bench.clock.advance(60)
    kept = await pieces(bench, job)
    assert [sum(len(each.text) for each in kept if each.mark.call == call) for call in (1, 2)] == [speech.TEXT_CHARACTERS_MAX] * 2
    assert max(len(each.text) for each in kept) * 12 < 400_000

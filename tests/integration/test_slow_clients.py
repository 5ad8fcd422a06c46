"""Who is slow, or stands still, keeps nobody else out: a connection ends where it is waited for too long."""

import json

import pytest
from starlette.responses import PlainTextResponse

from producer.body import Pace
from producer.connection import Limits
from tests.support.served import calling, run, served

POST = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"prompt": "x" * 10_000})
#: Limits that a test can wait for. Who is to be served gets more time: the machine may halt for a moment, reader and server alike.
SHORT = Limits(connections=100, head_seconds=0.2, parting_seconds=0.2)
LONGER = Limits(connections=100, head_seconds=1, parting_seconds=1)
BRISK = Pace(bytes_per_second=50_000, behind_seconds=0.2)
STEADY = Pace(bytes_per_second=10_000, behind_seconds=1.5)


def is_late(answer: bytes) -> None:
    """The answer is a problem, `request_timeout`."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 "), answer
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    assert b"\r\nconnection: close" in head
    assert json.loads(body)["code"] == "request_timeout"


def test_a_head_that_does_not_end_is_cut() -> None:
    """408, and the connection is closed; bytes that trickle in do not make it longer.

    Red when: `producer/connection.py`, after `def _expect_head(`: `self._limits.head_seconds, self._end_waiting` ->
    `3600, self._end_waiting`
    """

    async def scenario() -> None:
        async with served(SHORT) as port, calling(port) as caller:
            caller.say("GET /livez HTTP/1.1\r\nX-Slow: ")
            is_late(await caller.trickle())

    run(scenario())


def test_who_says_nothing_is_hung_up_on() -> None:
    """Without an answer: nothing was asked.

    Red when: `producer/connection.py`, after `self._refuse(self._refusals.crowded)`: `self._expect_head()` -> `pass`
    """

    async def scenario() -> None:
        async with served(SHORT) as port, calling(port) as caller:
            assert await caller.end() == b""

    run(scenario())


def test_the_next_head_has_its_time_too() -> None:
    """On a connection that is kept: from its first byte on, wherever that came.

    Red when: `producer/connection.py`: `elif self._head_timer is None and self.conn.trailing_data[0]:` -> `elif False:`
    """

    async def scenario() -> None:
        for first in ("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /l"):
            async with served(LONGER) as port, calling(port) as caller:
                caller.say(first)
                assert (await caller.hear())[0].startswith(b"HTTP/1.1 200 ")
                caller.say("GET /livez HT")
                is_late(await caller.end())

    run(scenario())


def test_a_kept_connection_may_rest() -> None:
    """Only a head that has begun is waited for no longer than that.

    Red when: `producer/connection.py`, after `super().handle_events()`: `self._stop_head_timer()` -> `pass`
    """

    async def scenario() -> None:
        async with served(LONGER) as port, calling(port) as caller:
            caller.say("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            await caller.hear()
            assert await caller.heard(1.3) == b""
            caller.say("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await caller.hear())[0].startswith(b"HTTP/1.1 200 ")

    run(scenario())


def test_a_body_that_stands_still_is_cut() -> None:
    """408, and what was held for it is free.

    Red when: `producer/body.py`: `async with asyncio.timeout_at(due):` -> `async with asyncio.timeout_at(None):`
    """

    async def scenario() -> None:
        async with served(SHORT, BRISK) as port, calling(port) as caller:
            caller.say(f"{POST}Content-Length: 20000000\r\n\r\n" + "x" * 100_000)
            is_late(await caller.end())

    run(scenario())


def test_a_body_that_trickles_is_cut() -> None:
    """However regularly its bytes come.

    Red when: `producer/body.py`: `due + len(chunk) / pace.bytes_per_second` -> `due + 1`
    """

    async def scenario() -> None:
        async with served(SHORT, BRISK) as port, calling(port) as caller:
            caller.say(f"{POST}Content-Length: 20000\r\n\r\n")
            is_late(await caller.trickle())

    run(scenario())


def test_who_is_slow_and_honest_is_served() -> None:
    """A body that keeps the pace may take longer than any halt may last.

    Red when: `producer/body.py`: `due = min(due + len(chunk) / pace.bytes_per_second` -> `due = min(due`
    """

    async def scenario() -> None:
        async with served(LONGER, STEADY) as port, calling(port) as caller:
            caller.say(f"{POST}Content-Length: {20 * len(BODY)}\r\n\r\n")
            content = BODY + " " * (19 * len(BODY))
            for start in range(0, len(content), 2_500):
                caller.say(content[start : start + 2_500])
                if answer := await caller.heard(0.025):
                    break
            assert (answer or await caller.heard(10)).startswith(b"HTTP/1.1 202 ")

    run(scenario())


def test_a_long_poll_is_no_slow_client() -> None:
    """Who waits for us is not waited for.

    Red when: `producer/connection.py`, after `super().handle_events()`: `self._stop_head_timer()` -> `pass`
    """

    async def scenario() -> None:
        async with served(LONGER, STEADY) as port, calling(port) as caller:
            caller.say(f"{POST}Content-Length: {len(BODY)}\r\n\r\n{BODY}")
            _, body = await caller.hear()
            caller.say(f"GET /v1/jobs/{json.loads(body)['request_id']}?wait_seconds=1.3 HTTP/1.1\r\nHost: x\r\n\r\n")
            head, body = await caller.hear()
            assert head.startswith(b"HTTP/1.1 200 ")
            assert json.loads(body)["status"] == "queued"

    run(scenario())


ASSET = "GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"


def test_an_answer_that_nobody_reads_ends() -> None:
    """The connection is cut, and its room is free, however much was still to be sent.

    Red when: `producer/connection.py`: `call_later(self._limits.answer_seconds, self._end_answering, unsent)` ->
    `call_later(3600, self._end_answering, unsent)`
    """

    async def scenario() -> None:
        async with served(Limits(connections=1, answer_seconds=0.2)) as port, calling(port) as deaf:
            deaf.say(ASSET * 20)
            for _ in range(200):
                async with calling(port) as other:
                    other.say("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                    head, _ = await other.hear()
                    if head.startswith(b"HTTP/1.1 200 "):
                        return
                    assert head.startswith(b"HTTP/1.1 503 ")
                    await other.heard(0.02)
                    await other.end()
            raise AssertionError("the connection is still there")

    run(scenario())


def test_who_reads_slowly_reads_to_the_end() -> None:
    """A large answer may take longer than anybody may stand still.

    Red when: `producer/connection.py`: `before - self.transport.unsent < min(before, self._limits.answer_bytes)` -> `before`
    """

    async def scenario() -> None:
        limits, large = Limits(connections=10, answer_seconds=0.8), PlainTextResponse("x" * 16_000_000)
        async with served(limits, beside=large) as port, calling(port, buffer=65_536) as slow:
            slow.say("GET /beside/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            got = 0
            while piece := await slow.sip(0.01):
                got += len(piece)
            assert got > 16_000_000

    run(scenario())


def test_who_reads_steadily_may_read_for_long() -> None:
    """Each answer has its own time, not all those of a connection together.

    Red when: `producer/connection.py`, after `super().resume_writing()`: `if self._answer_timer:` -> `if False:`
    """

    async def scenario() -> None:
        async with served(Limits(connections=10, answer_seconds=0.4)) as port, calling(port, buffer=65_536) as steady:
            steady.say(ASSET * 60)
            answers = 0
            while answers < 60:
                piece = await steady.sip(0.002)
                assert piece, "the connection was cut"
                answers += piece.count(b"HTTP/1.1 200 OK\r\n")

    run(scenario())


def test_connections_are_bounded() -> None:
    """One more is told so, by a problem, and closed; when another has ended there is room again.

    Red when: `producer/connection.py`: `elif len(self.connections) > self._limits.connections:` -> `elif False:`
    """

    async def scenario() -> None:
        ask = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        async with served(Limits(connections=2)) as port, calling(port) as first:
            async with calling(port) as second, calling(port) as third:
                third.say(ask)
                head, _, body = (await third.end()).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nretry-after: 2\r\n" in head
                assert json.loads(body)["code"] == "overloaded"
                for each in (first, second):
                    each.say(ask)
                    assert (await each.hear())[0].startswith(b"HTTP/1.1 200 ")
            for _ in range(100):
                async with calling(port) as fourth:
                    fourth.say(ask)
                    if (await fourth.hear())[0].startswith(b"HTTP/1.1 200 "):
                        return
            raise AssertionError("the room of those who left is not free")

    run(scenario())


def test_what_comes_after_the_answer_is_not_read_for_ever() -> None:
    """A body too large is refused at its head. Who sends it all the same can read the answer, and is then cut.

    Red when: `producer/connection.py`: `call_later(self._parting_seconds, self._transport.abort)` -> `call_later(3600, id)`
    """

    async def scenario() -> None:
        async with served(LONGER) as port, calling(port) as caller:
            caller.say(f"{POST}Content-Length: 900000000\r\n\r\n")
            head, body = await caller.hear()
            assert head.startswith(b"HTTP/1.1 413 ")
            assert b"\r\nconnection: close\r\n" in head
            assert json.loads(body)["code"] == "payload_too_large"
            with pytest.raises(ConnectionError):
                await caller.push()

    run(scenario())

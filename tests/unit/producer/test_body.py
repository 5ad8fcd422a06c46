"""Bodies in flight: bounded all together, and no byte is forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from fastapi import Request

from producer.body import LARGE_MIN_BYTES, SMALL_MAX_BYTES, Bodies
from quarry.errors import NotJson, Overloaded, PayloadTooLarge

MB = 1_000_000


def request(size_bytes: int, *, declared: bool = True, content: bytes | None = None, more: asyncio.Event | None = None) -> Request:
    """A request whose body is a text of that size, in pieces that wait for `more`."""
    body = content or b'"' + b"x" * (size_bytes - 2) + b'"'
    headers = [(b"content-type", b"application/json")] + ([(b"content-length", str(len(body)).encode())] if declared else [])

    async def pieces() -> AsyncIterator[dict[str, object]]:
        for start in range(0, len(body), 65_536):
            rest = start + 65_536 < len(body)
            if more:
                await more.wait()
            yield {"type": "http.request", "body": body[start : start + 65_536], "more_body": rest}

    source = pieces()
    return Request({"type": "http", "method": "POST", "headers": headers}, lambda: anext(source))


async def fits(bodies: Bodies, size_bytes: int, *, declared: bool = True) -> bool:
    """Whether there is room for a body now."""
    try:
        async with bodies.read(request(size_bytes, declared=declared), 100 * MB):
            return True
    except Overloaded:
        return False


@pytest.mark.parametrize("declared", [True, False])
async def test_large_bodies_are_bounded_together(declared: bool) -> None:
    """What does not fit is refused, whether its length was declared or not, until one ends."""
    bodies = Bodies(3 * MB)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            body = await stack.enter_async_context(bodies.read(request(MB, declared=declared), 100 * MB))
            assert body.parse() == "x" * (MB - 2)
        assert not await fits(bodies, MB, declared=declared)
    assert await fits(bodies, 3 * MB, declared=declared)


async def test_small_bodies_always_fit() -> None:
    """A crowd of large ones keeps no small one out."""
    bodies = Bodies(MB)
    async with bodies.read(request(MB), 100 * MB):
        assert await fits(bodies, SMALL_MAX_BYTES)
        assert not await fits(bodies, SMALL_MAX_BYTES + 1)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_larger_than_the_bound_is_served_alone(declared: bool) -> None:
    """It could not be served at all otherwise."""
    bodies = Bodies(MB)
    async with bodies.read(request(5 * MB, declared=declared), 100 * MB):
        assert not await fits(bodies, 100_000)
    async with bodies.read(request(100_000), 100 * MB):
        assert not await fits(bodies, 5 * MB, declared=declared)
    assert await fits(bodies, MB)


async def test_what_is_declared_counts_before_it_comes() -> None:
    """Many slow uploads must not find out together that there is no room."""
    bodies, more = Bodies(3 * MB), asyncio.Event()
    reading = bodies.read(request(2 * MB, more=more), 100 * MB)
    task = asyncio.ensure_future(reading.__aenter__())
    await asyncio.sleep(0)
    assert not await fits(bodies, 2 * MB)
    task.cancel()
    await asyncio.wait({task})
    assert await fits(bodies, 3 * MB)


@pytest.mark.parametrize(("refused", "error"), [
    (lambda: request(2 * MB), PayloadTooLarge),
    (lambda: request(2 * MB, declared=False), PayloadTooLarge),
    (lambda: request(0, content=b"[" * 500_000), NotJson),
])  # fmt: skip
async def test_what_is_refused_counts_no_more(refused: object, error: type[Exception]) -> None:
    """Whatever was wrong with it."""
    bodies = Bodies(MB)
    for _ in range(3):
        with pytest.raises(error):
            async with bodies.read(refused(), MB) as body:  # type: ignore[operator]
                body.parse()
    async with bodies.read(request(MB), MB):
        assert not await fits(bodies, MB)


async def test_what_is_worth_a_thread() -> None:
    """By its size."""
    bodies = Bodies(3 * MB)
    for size, large in ((LARGE_MIN_BYTES - 1, False), (LARGE_MIN_BYTES, True)):
        async with bodies.read(request(size), 100 * MB) as body:
            assert body.large is large

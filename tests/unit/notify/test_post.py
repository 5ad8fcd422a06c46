"""Posting to the address that was checked: as it was written, whatever kind of host it names."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from quarry.webhooks.addresses import Address, Rules, checked
from worker.notify.post import Answered, Unanswered, poster

NAMES: Final = ("hooks.example.com", "xn--bcher-kva.example.com", "xn--ls8h.la", "xn--fa-hia.de", "a--b.example.com")


@asynccontextmanager
async def listening(host: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Its port, and the requests that it has heard."""
    heard: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, host, 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()


async def posted(address: Address) -> tuple[Answered | Unanswered, list[str]]:
    """What came of it, and the names that were looked up: each leads to this machine."""
    asked: list[str] = []

    async def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with poster(look_up, Rules(loopback=True), connections=1, timeout_seconds=5) as post:
        return await post.post(address, b"{}", {}), asked


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_called_as_it_was_written(name: str) -> None:
    """In its ASCII form: that is looked up, and that the receiver is asked for."""
    async with listening("127.0.0.1") as (port, heard):
        answer, asked = await posted(Address("http", name, port, "//a%2Fb/../c", "x=%20"))
    assert (answer, asked) == (Answered(204), [name])
    assert heard[0].startswith(f"POST //a%2Fb/../c?x=%20 HTTP/1.1\r\nHost: {name}:{port}\r\n".encode())


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "0:0:0:0:0:0:0:1"])
async def test_an_address_of_ipv6_is_called(host: str) -> None:
    """In any of its forms, without asking a name server."""
    async with listening("::1") as (port, heard):
        address = checked(f"http://[{host}]:{port}/x", Rules(loopback=True))
        assert await posted(address) == (Answered(204), [])
    assert f"Host: [{host}]:{port}\r\n".encode() in heard[0]


@pytest.mark.parametrize("host", ["a@127.0.0.1", "a/b", "127.0.0.1:1", "a#b", "a?b", "::1]@[::2", ""])
async def test_what_the_client_reads_otherwise_is_not_called(host: str) -> None:
    """None of these passes the check at submission; it is the second lock of the same door."""
    async with listening("127.0.0.1") as (port, heard):
        assert await posted(Address("http", host, port, "/", "")) == (Unanswered("broken_off"), [])
    assert heard == []

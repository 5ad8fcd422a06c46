"""The port of probes and metrics: what it answers, and that it quotes nobody."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, Counter

from quarry.errors import ConfigurationError
from quarry.telemetry.probes import serve_probes

ANSWERS = {
    "GET /livez HTTP/1.1": (200, "alive"),
    "GET /readyz HTTP/1.1": (503, "not yet"),
    "GET /metrics HTTP/1.1": (200, "seen_total 0.0"),
    "HEAD /metrics HTTP/1.1": (200, ""),
    "POST /metrics HTTP/1.1": (405, ""),
    "GET /canary HTTP/1.1": (404, ""),
    "GET /canary HTTP/9.9": (400, ""),
    "canary": (400, ""),
    "GET / HTTP/1.1\r\nContent-Length: canary": (400, ""),
    "GET / HTTP/1.1\r\ncanary": (400, ""),
    f"GET / HTTP/1.1\r\nX-A: {'canary' * 2000}": (400, ""),
}


@pytest.mark.parametrize(("request_line", "expected"), ANSWERS.items(), ids=[each[:40] for each in ANSWERS])
async def test_it_answers_and_quotes_nobody(request_line: str, expected: tuple[int, str]) -> None:
    """Whatever it is asked, nothing of that is in its answer."""
    registry = CollectorRegistry()
    Counter("seen", "-", registry=registry)
    async with serve_probes(registry, lambda: "not yet", host="127.0.0.1", port=0, variable="X") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{request_line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await asyncio.wait_for(reader.read(), 5)).decode().partition("\r\n\r\n")
        writer.close()
    assert (int(head.split()[1]), "canary" in head + body) == (expected[0], False), head
    assert expected[1] in body
    assert bool(body) == bool(expected[1])


@pytest.mark.parametrize(
    ("host", "why"), [("127.0.0.1", "Address already in use"), ("192.0.2.1", "Cannot assign requested address")]
)
async def test_an_address_that_cannot_be_had_is_told_with_its_setting(host: str, why: str) -> None:
    """A second worker on the same machine: mostly the first mistake that somebody makes with two."""
    registry = CollectorRegistry()
    async with serve_probes(registry, lambda: None, host="127.0.0.1", port=0, variable="X") as port:
        with pytest.raises(ConfigurationError) as refused:
            async with serve_probes(registry, lambda: None, host=host, port=port, variable="QUARRY_WORKER__METRICS_PORT"):
                pass
    assert str(refused.value) == f"QUARRY_WORKER__METRICS_PORT: {host}:{port} cannot be used: {why}"

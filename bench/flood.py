"""Wrong keys, as fast as an API answers them.

    python -m bench.flood PORT KIND SECONDS

Two hundred connections, on each of which ten requests are under way at a time. What comes back is counted, not read.
"""

import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bench.stand_in_aws import KEY

_CONNECTIONS: Final = 200
_UNDER_WAY: Final = 10
_REFUSAL: Final = b"HTTP/1.1 401 "


def _unknown() -> str:
    return f"quarry_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"


def _wrong_secret() -> str:
    """For a key that there is."""
    return f"{KEY.rpartition('_')[0]}_{secrets.token_urlsafe(32)}"


def _malformed() -> str:
    return f"quarry_{secrets.token_hex(8)}"


_ONE: Final[Mapping[str, Callable[[], str]]] = {"malformed": _malformed, "wrong secret": _wrong_secret, "unknown ids": _unknown}
#: What can be sent: one of these, or all by turns.
KINDS: Final = ("malformed", "wrong secret", "unknown ids", "mixed")


def _keys(kind: str) -> Iterator[str]:
    makers = itertools.cycle(_ONE.values() if kind == "mixed" else (_ONE[kind],))
    return (make() for make in makers)


class _Attacker(asyncio.Protocol):
    def __init__(self, keys: Iterator[str]) -> None:
        self._keys = keys
        self._rest = b""
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send(_UNDER_WAY)

    def data_received(self, data: bytes) -> None:
        # Where an answer's first bytes are cut in two, the second part shows them whole.
        got = (self._rest + data).count(_REFUSAL)
        self._rest = (self._rest + data)[1 - len(_REFUSAL) :]
        self.answered += got
        self._send(got)

    def _send(self, count: int) -> None:
        lines = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 0\r\nAuthorization: Bearer "
        self._transport.write("".join(f"{lines}{next(self._keys)}\r\n\r\n" for _ in range(count)).encode())


async def flood(port: int, kind: str, seconds: float) -> tuple[int, float]:
    """How many were answered, in how many seconds."""
    loop, keys = asyncio.get_running_loop(), _keys(kind)
    began = time.monotonic()
    pairs = [await loop.create_connection(lambda: _Attacker(keys), "127.0.0.1", port) for _ in range(_CONNECTIONS)]
    await asyncio.sleep(seconds)
    taken = time.monotonic() - began
    for transport, _ in pairs:
        transport.abort()
    return sum(attacker.answered for _, attacker in pairs), taken


if __name__ == "__main__":
    answered, taken = asyncio.run(flood(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
    sys.stdout.write(json.dumps({"answered": answered, "seconds": taken}))

"""The gate in front of the network: connections to hosts that callers choose lead to checked addresses only.

    URL ── read strictly ── name ── resolved once ── every address checked ── connected to one of them
           (`quarry/webhooks/addresses.py`)                                   └─ each socket once more, by its address

A name is resolved anew for each delivery, and what it resolved to is what is connected to: a name server that answers otherwise a
moment later changes nothing. One address that may not be called refuses the name. Redirects are never followed, proxies of the
environment never used, connections never shared.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from quarry.webhooks.addresses import IPAddress

#: Finds a name's addresses. Raises OSError where it has none.
LookUp: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
#: Whether an address may be called.
Permits: TypeAlias = Callable[[IPAddress], bool]

_FLAGS: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class AddressRefused(OSError):
    """A name leads to no address that may be called. Whether it is there at all is not told: inner names are nobody's business."""


class SystemLookUp:
    """The machine's own resolver, in threads of its own: a name server that is silent must not hold up the worker's others."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def close(self) -> None:
        """Ask for no more; what is being asked is left to itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedResolver(AbstractResolver):
    """Resolves names to addresses of which every one may be called."""

    def __init__(self, look_up: LookUp, permits: Permits) -> None:
        self._look_up = look_up
        self._permits = permits

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """As aiohttp asks.

        Raises:
            AddressRefused: it has no address, or one that may not be called.
        """
        try:
            found = await self._look_up(host, port)
        except (OSError, UnicodeError) as error:
            raise AddressRefused("the name leads to no address that may be called") from error
        if not found or not all(permitted(each, self._permits) for each in found):
            raise AddressRefused("the name leads to no address that may be called")
        return [
            ResolveResult(hostname=host, host=each, port=port, family=_family(each), proto=0, flags=_FLAGS)
            for each in found
            if family in (socket.AF_UNSPEC, _family(each))
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def gated_connector(look_up: LookUp, permits: Permits, connections: int, **further: Any) -> TCPConnector:
    """Connections that lead to permitted addresses only, each for one request."""

    def opened(address: tuple[Any, ...]) -> socket.socket:
        # The last look, at the very address of the connection: an address in a URL never passes the resolver.
        family, kind, proto, _, where = address
        if not permitted(str(where[0]), permits):
            raise AddressRefused("the address is not one that may be called")
        return socket.socket(family, kind, proto)

    return TCPConnector(
        resolver=CheckedResolver(look_up, permits),
        use_dns_cache=False,
        socket_factory=opened,
        force_close=True,
        limit=connections,
        **further,
    )


def permitted(address: str, permits: Permits) -> bool:
    """Whether a resolved address may be called. One with a zone is of some network of ours."""
    try:
        return permits(ipaddress.ip_address(address))
    except ValueError:
        return False


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET

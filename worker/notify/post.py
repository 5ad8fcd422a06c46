"""One try to deliver a webhook: a POST whose answer's status is all that is looked at."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address
from ssl import SSLContext
from typing import Final

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from quarry import __version__
from quarry.webhooks.addresses import Address, Rules, may_be_called
from worker.notify.gate import AddressRefused, LookUp, gated_connector

#: Header lines of an answer, each and together. Our own choice: nothing of them is of use but Retry-After.
_HEADER_MAX_BYTES: Final = 8_190
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"quarry/{__version__}"}


@dataclass(frozen=True, slots=True)
class Answered:
    """A receiver's answer. `retry_after`: how long it wants to be left alone."""

    status_code: int
    retry_after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There was none: why, in a word."""

    error: str


class Poster:
    """Posts to receivers."""

    def __init__(self, session: ClientSession, timeout_seconds: float) -> None:
        self._session = session
        self._timeout = ClientTimeout(total=timeout_seconds)

    async def post(self, address: Address, body: bytes, headers: Mapping[str, str]) -> Answered | Unanswered:
        """Post to an address that was checked; whatever the receiver does, it returns in time."""
        try:
            async with self._session.post(
                _url(address), data=body, headers={**_HEADERS, **headers}, allow_redirects=False, timeout=self._timeout
            ) as answer:
                # The body is nobody's business, and may be endless.
                return Answered(answer.status, _retry_after(answer.headers.get("Retry-After", "")))
        except TimeoutError:
            return Unanswered("timed_out")
        except ClientConnectorError as error:
            return Unanswered("address_refused" if isinstance(error.os_error, AddressRefused) else "not_connected")
        except (ClientError, OSError, ValueError):
            return Unanswered("broken_off")


@asynccontextmanager
async def poster(
    look_up: LookUp, rules: Rules, *, connections: int, timeout_seconds: float, trust: SSLContext | bool = True
) -> AsyncIterator[Poster]:
    """For the length of the block. `rules` are the process's; a tenant's were asked when the address was checked. `trust`: whose
    certificates are believed, by default those that the machine believes.
    """
    connector = gated_connector(look_up, lambda ip: may_be_called(ip, rules), connections, ssl=trust)
    async with ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        max_line_size=_HEADER_MAX_BYTES,
        max_field_size=_HEADER_MAX_BYTES,
    ) as session:
        yield Poster(session, timeout_seconds)


def _url(address: Address) -> URL:
    """As the client takes it, from the parts that were checked, not from the caller's text."""
    host = f"[{address.host}]" if isinstance(address.ip, IPv6Address) else address.host
    built = URL.build(
        scheme=address.scheme, host=host, port=address.port, path=address.path, query_string=address.query, encoded=True
    )
    # Parsed, since what was built only remembers what it was given. Not `host`, which is decoded: `xn--...` is what is looked up.
    url = URL(str(built), encoded=True)
    if url.raw_host != address.host or url.port != address.port:
        raise ValueError("the client reads the address otherwise than we do")
    return url


def _retry_after(value: str) -> timedelta:
    """In seconds; a date is taken for none."""
    return timedelta(seconds=int(value)) if value.isascii() and value.isdigit() and len(value) <= 6 else timedelta(0)

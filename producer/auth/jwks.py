"""The keys of an issuer, kept: fetched ahead of need, held on to while the issuer is away, never fetched more often by a flood."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import Key, KeySet

from quarry.clock import Clock
from quarry.errors import IssuerUnavailable
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger

_log = get_logger(__name__)

#: Our own choices. Between tries while the issuer does not answer.
_RETRY_SECONDS: Final = 5.0
#: Between fetches that an unknown key id brings about, whoever sends it.
_UNKNOWN_SECONDS: Final = 30.0
#: How long keys are good while the issuer is away: an outage of a day locks nobody out, a withdrawn key does not live for ever.
_OLDEST_SECONDS: Final = 86_400.0


class SigningKeys:
    """The issuer's keys. `fetch` gets them, or raises IssuerUnavailable; `seconds` go by between fetches."""

    def __init__(self, fetch: Callable[[], Awaitable[KeySet]], clock: Clock, seconds: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._seconds = seconds
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._tried_at = self._sought_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._is_lost = False

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Fetch within the block, before anybody needs it."""
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            tasks = {keeping, self._fetching} if self._fetching else {keeping}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _keep(self) -> None:
        while True:
            await self._refreshed()
            await self._clock.sleep(_RETRY_SECONDS if self._is_lost else self._seconds)

    async def freshen(self) -> None:
        """Fetch, where that is due: what `kept` does in a process that runs on."""
        pause = _RETRY_SECONDS if self._is_lost else self._seconds
        if self._fetching or self._clock.monotonic() - self._tried_at >= pause:
            await self._refreshed()

    async def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """The key of that id for that algorithm; without an id, the only key. None where there is none.

        Raises:
            IssuerUnavailable: there are no keys, or only too old ones.
        """
        if self._held() is None:
            await self.freshen()
        key = self._known(key_id, algorithm)
        if key is None and key_id is not None and self._may_seek():
            await self._refreshed()
            key = self._known(key_id, algorithm)
        return key

    def _held(self) -> KeySet | None:
        return self._keys if self._clock.monotonic() - self._fetched_at <= _OLDEST_SECONDS else None

    def _known(self, key_id: str | None, algorithm: str) -> Key | None:
        keys = self._held()
        if keys is None:
            raise IssuerUnavailable("there are no keys of the issuer")
        try:
            return keys.get_by_kid(key_id, {"alg": algorithm, "use": "sig"})
        except InvalidKeyIdError:
            return None

    def _may_seek(self) -> bool:
        """Whether to ask the issuer for a key that is not known. Who comes while it is being asked waits for the same answer."""
        if self._fetching:
            return True
        if self._clock.monotonic() - self._sought_at < _UNKNOWN_SECONDS:
            return False
        self._sought_at = self._clock.monotonic()
        return True

    async def _refreshed(self) -> None:
        """Fetch, once for all who wait: nobody's going away ends it for the others."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh())
        await asyncio.shield(self._fetching)

    async def _refresh(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched_at = self._clock.monotonic()
        except BaseException as error:  # whatever it is, there are no new keys: also where a function cut off a slow fetch
            if not self._is_lost:
                _log.error(Event.DEPENDENCY_LOST, dependency="issuer", error=f"{type(error).__name__}: {error}")
            self._is_lost = True
            if not isinstance(error, Exception):
                raise
        else:
            if self._is_lost:
                _log.info(Event.DEPENDENCY_REGAINED, dependency="issuer")
            self._is_lost = False
        finally:
            self._tried_at = self._clock.monotonic()
            self._fetching = None

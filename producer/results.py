"""Results that are too large for the record: fetched where they can be shown, else the URL under which they can be had."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any, Final

from producer.answers import link_out
from quarry.clock import Clock
from quarry.job import StoredObject
from quarry.store.payloads import Payloads

#: A larger result is not shown, but where it can be had.
SHOWN_MAX_BYTES: Final = 256 * 1024
#: What can be signed for at least.
_URL_LEAST: Final = timedelta(seconds=1)
#: Fetches under way at once. Our own choice.
_FETCHES: Final = 16


class Results:
    """Shows results that lie in the store of objects. `url_life` is how long a URL can be opened."""

    def __init__(self, payloads: Payloads, clock: Clock, url_life: timedelta) -> None:
        self._payloads = payloads
        self._clock = clock
        self._url_life = url_life
        self._fetching = asyncio.Semaphore(_FETCHES)

    async def show(self, stored: StoredObject, until: datetime | None = None) -> dict[str, Any]:
        """The `result` of a job whose answer is there: whole, or where it can be had, but not after `until`.

        Raises:
            PayloadLost: it is gone.
            PayloadsUnavailable: try again.
        """
        if stored.size_bytes > SHOWN_MAX_BYTES:
            # It is signed with the second in which that happens.
            now = self._clock.now().replace(microsecond=0)
            life = min(self._url_life, max(until - now, _URL_LEAST)) if until else self._url_life
            return link_out(await self._payloads.url(stored, life), now + life, stored.size_bytes)
        async with self._fetching:
            result: dict[str, Any] = json.loads(await self._payloads.get(stored))
        return result

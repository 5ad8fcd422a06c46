"""The port of the keys: `dynamodb.py` is the real one, `quarry.testing.keys` the fake; one contract suite holds both."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from quarry.keys.key import ApiKey

#: How many keys one read takes. Source: BatchGetItem in the DynamoDB service model of botocore 1.43.117 (November 2026).
KEYS_AT_ONCE: Final = 100


class KeyStore(Protocol):
    """Where keys are kept."""

    async def create(self, key: ApiKey) -> None:
        """Write a new key. Repeating it is harmless, whatever has happened to the key since.

        Raises:
            RecordRefused: another key has its id.
            StoreUnavailable: it may or may not have been written.
        """

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        """Up to `KEYS_AT_ONCE` keys by id; those that do not exist are left out. Read consistently.

        Raises:
            StoreUnavailable: try again.
        """

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        """The keys of a tenant, or of all (None), the oldest first, those that are over included: for 90 days.

        Raises:
            StoreUnavailable: try again.
        """

    async def end(self, key_id: str, *, at: datetime, revoked: bool) -> bool:
        """Let a key end: by revoking it, from now on, `at` being what is noted; or by expiry at that instant. What was revoked
        stays so, since when it was, and no end is moved further out. False: there is no such key.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def touch(self, key_id: str, at: datetime) -> None:
        """Note that a key was used, where no later use is noted already. Of no effect where there is none.

        Raises:
            StoreUnavailable: it does not matter.
        """

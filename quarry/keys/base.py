"""The port of the keys: `dynamodb.py` is the real one, `quarry.testing.keys` the fake; one contract suite holds both."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from quarry.keys.key import ApiKey


class KeyStore(Protocol):
    """Where keys are kept."""

    async def create(self, key: ApiKey) -> None:
        """Write a new key. Repeating it is harmless.

        Raises:
            StoreUnavailable: it may or may not have been written.
        """

    async def get_many(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        """Up to 100 keys by id; those that do not exist are left out. Read consistently.

        Raises:
            StoreUnavailable: try again.
        """

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        """The keys of a tenant, or of all (None), the oldest first, those that are over included.

        Raises:
            StoreUnavailable: try again.
        """

    async def end(self, key_id: str, *, at: datetime, revoked: bool) -> bool:
        """Let a key end at an instant: by revoking it, or by expiry, which never moves it further out. False: there is none.

        Raises:
            StoreUnavailable: unknown; repeating is harmless.
        """

    async def touch(self, key_id: str, at: datetime) -> None:
        """Note that a key was used, where no later use is noted already. Of no effect where there is none.

        Raises:
            StoreUnavailable: it does not matter.
        """

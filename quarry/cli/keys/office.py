"""The composition root of the verbs on keys."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from quarry.aws import dynamodb_client
from quarry.cli.audit import OperatorAudit, operator_audit
from quarry.clock import Clock, CorrectedClock
from quarry.keys.base import KeyStore
from quarry.keys.dynamodb import DynamoKeys
from quarry.settings import load_settings
from quarry.store.dynamodb import DynamoStore

if TYPE_CHECKING:
    from quarry.settings import Settings

#: What a verb does with the keys; returns the exit code.
Work: TypeAlias = Callable[[KeyStore, Clock, "Settings", OperatorAudit], Awaitable[int]]


def carry_out(work: Work) -> int:
    """Do it with the keys of the table that the settings name.

    Raises:
        ConfigurationError: there is no such table.
    """
    return asyncio.run(_with_keys(load_settings(), work))


async def _with_keys(settings: "Settings", work: Work) -> int:
    # Before anything is done: what cannot be recorded should not be begun.
    clock, audit = CorrectedClock(), operator_audit(settings)
    async with dynamodb_client(settings.region, 2, observe=clock.observe) as client:
        # From its answer on, the clock is right: ends are judged by the clocks of other machines.
        await DynamoStore(client, settings.store.table, timedelta(days=settings.job.retention_days)).check()
        return await work(DynamoKeys(client, settings.store.table), clock, settings, audit)

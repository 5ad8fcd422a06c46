"""The ECS agent, spoken to as its own code and AWS's documentation have it: each answer that it may give, and none at all."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quarry.settings import EcsEndpoints
from tests.support.ecs_agent import CLUSTER, EcsAgent
from worker.agent import Agent, AgentRefused, TaskIdentity, opened_agent


@pytest.fixture
def stub() -> EcsAgent:
    return EcsAgent(revision="7")


@pytest_asyncio.fixture
async def agent(stub: EcsAgent) -> AsyncIterator[Agent]:
    """Ours, talking to the stub."""
    with stub.serving():
        async with opened_agent(stub.endpoints) as opened:
            yield opened


async def test_a_task_is_protected_and_released(agent: Agent, stub: EcsAgent) -> None:
    """A release says nothing of minutes."""
    await agent.protect(15)
    assert stub.is_protected
    await agent.release()
    assert not stub.is_protected
    assert [(put.enabled, put.minutes) for put in stub.puts] == [(True, 15), (False, None)]


@pytest.mark.parametrize("minutes", [0, 2881])
async def test_ecs_takes_a_minute_to_two_days(agent: Agent, minutes: int) -> None:
    """Others it refuses: the stub has teeth."""
    with pytest.raises(AgentRefused, match="InvalidParameterException"):
        await agent.protect(minutes)


@pytest.mark.parametrize(
    ("status", "body", "reason", "detail"),
    [
        (200, {"failure": {"Arn": "a", "Detail": None, "Reason": "TASK_NOT_VALID"}}, "TASK_NOT_VALID", None),
        (200, {"failure": {"Arn": "a", "Detail": "d", "Reason": "DEPLOYMENT_BLOCKED"}}, "DEPLOYMENT_BLOCKED", "d"),
        (400, {"requestID": "1", "error": {"Arn": "a", "Code": "ThrottlingException", "Message": "Rate exceeded"}},
         "ThrottlingException", "Rate exceeded"),
        (403, {"error": {"Code": "AccessDeniedException", "Message": "no role"}}, "AccessDeniedException", "no role"),
        (504, {"error": {"Arn": "a", "Code": "RequestCanceled", "Message": "Timed out"}}, "RequestCanceled", "Timed out"),
        (200, {"protection": {"ExpirationDate": None, "ProtectionEnabled": False, "TaskArn": "a"}}, "not confirmed", None),
        (200, {}, "not confirmed", None),
        (500, {"error": "?"}, "not confirmed", None),
    ],
)  # fmt: skip
async def test_what_is_not_a_protection_is_a_refusal(
    agent: Agent, stub: EcsAgent, status: int, body: dict[str, object], reason: str, detail: str | None
) -> None:
    """A failure comes with status 200."""
    stub.instead = status, body
    with pytest.raises(AgentRefused) as refusal:
        await agent.protect(15)
    assert (refusal.value.reason, refusal.value.detail) == (reason, detail)


async def test_an_agent_that_is_not_there_refuses() -> None:
    """Nor does one that talks otherwise break anything."""
    for uri in ("http://127.0.0.1:1/api/x", "nonsense"):
        async with opened_agent(EcsEndpoints(uri, None)) as opened:
            with pytest.raises(AgentRefused):
                await opened.protect(15)
            with pytest.raises(AgentRefused, match="no metadata"):
                await opened.identity()


async def test_the_metadata_tell_service_and_revision(agent: Agent, stub: EcsAgent) -> None:
    """On Fargate the family stands for the service."""
    assert await agent.identity() == TaskIdentity(f"{CLUSTER}/quarry-worker", "7")
    stub.service = "workers"
    assert await agent.identity() == TaskIdentity(f"{CLUSTER}/workers", "7")
    stub.revision = ""
    with pytest.raises(AgentRefused, match="no revision"):
        await agent.identity()

"""The ECS agent beside a worker: it has the task protected from being chosen where ECS stops tasks, and says what the task is.

Sources, as of November 2026: docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html and
.../task-metadata-endpoint-v4-fargate-response.html; for statuses and field names the agent itself
(github.com/aws/amazon-ecs-agent, ecs-agent/tmds/handlers/taskprotection/v1).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from quarry.settings import EcsEndpoints

#: The agent asks ECS on our behalf, and tries again by itself. Nothing waits for it. Our own choice.
_TIMEOUT_SECONDS: Final = 10.0
#: What an answer has in place of a protection: an error, with its own status, or what ECS did not do, in an answer of 200.
_REFUSALS: Final = ("error", "Code", "Message"), ("failure", "Reason", "Detail")


class AgentRefused(Exception):
    """The agent did not do it. `reason` is ECS's word for why, or the name of what went wrong on the way; `detail` says more."""

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class TaskIdentity:
    """Which service a task is of, and which revision of its task definition it was started from."""

    service: str
    revision: str


class Agent:
    """The agent's two endpoints."""

    def __init__(self, session: ClientSession, endpoints: EcsEndpoints) -> None:
        self._session = session
        self._state = f"{endpoints.agent.rstrip('/')}/task-protection/v1/state"
        self._task = f"{endpoints.metadata.rstrip('/')}/task" if endpoints.metadata else None

    async def protect(self, minutes: int) -> None:
        """Have the task protected for so long (1 to 2880) from now.

        Raises:
            AgentRefused: it is as it was before, as far as we know.
        """
        await self._put({"ProtectionEnabled": True, "ExpiresInMinutes": minutes})

    async def release(self) -> None:
        """Have the task protected no more.

        Raises:
            AgentRefused: as for `protect`.
        """
        await self._put({"ProtectionEnabled": False})

    async def identity(self) -> TaskIdentity:
        """What the task is.

        Raises:
            AgentRefused: nobody says.
        """
        if self._task is None:
            raise AgentRefused("no metadata endpoint")
        told = await self._asked("GET", self._task)
        # On Fargate the service is not told (see the source above): there the family of its task definitions stands for it.
        service, revision = told.get("ServiceName") or told.get("Family"), told.get("Revision")
        if not (service and revision):
            raise AgentRefused("no revision in the metadata")
        return TaskIdentity(f"{told.get('Cluster', '')}/{service}", str(revision))

    async def _put(self, wish: Mapping[str, Any]) -> None:
        told = await self._asked("PUT", self._state, wish)
        for kind, reason, detail in _REFUSALS:
            if isinstance(said := told.get(kind), dict):
                raise AgentRefused(str(said.get(reason)), said.get(detail))
        protection = told.get("protection")
        if not isinstance(protection, dict) or protection.get("ProtectionEnabled") is not wish["ProtectionEnabled"]:
            raise AgentRefused("not confirmed")

    async def _asked(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            async with self._session.request(method, url, json=body) as answer:
                # Errors come as JSON too, under their status.
                told = await answer.json(content_type=None)
        except (ClientError, OSError, ValueError) as error:
            raise AgentRefused(type(error).__name__) from error
        if not isinstance(told, dict):
            raise AgentRefused(f"status {answer.status}")
        return told


@asynccontextmanager
async def opened_agent(endpoints: EcsEndpoints) -> AsyncIterator[Agent]:
    """The agent of this task."""
    async with ClientSession(timeout=ClientTimeout(total=_TIMEOUT_SECONDS)) as session:
        yield Agent(session, endpoints)

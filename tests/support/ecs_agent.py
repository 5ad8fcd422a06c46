"""A stub of the ECS agent's two endpoints for a container: the state of task protection, and the task's metadata.

The emulator of AWS has neither. Answers have the shapes, names and statuses of the agent's own code, read in November 2026
(github.com/aws/amazon-ecs-agent, ecs-agent/tmds/handlers/taskprotection/v1), and of
docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html. It cannot show what ECS does about it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from quarry.settings import EcsEndpoints
from tests.support.loopback import served_beside

CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/quarry"
TASK = "arn:aws:ecs:us-east-1:123456789012:task/quarry/1234567890abcdef0"
#: ECS's bounds of `ExpiresInMinutes`, and what it takes where that is left out.
LEAST_MINUTES, MOST_MINUTES, USUAL_MINUTES = 1, 2880, 120


@dataclass(frozen=True, slots=True)
class Put:
    """One request to change the protection."""

    at: float
    enabled: bool
    minutes: int | None


@dataclass
class EcsAgent:
    """One task's agent."""

    revision: str = "1"
    #: Which is told where that is not Fargate.
    service: str | None = None
    url: str = ""
    puts: list[Put] = field(default_factory=list)
    is_protected: bool = False
    #: What is answered instead, and how: (status, body).
    instead: tuple[int, dict[str, Any]] | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What ECS puts into the container's environment."""
        return {"ECS_AGENT_URI": f"{self.url}/api/f00d", "ECS_CONTAINER_METADATA_URI_V4": f"{self.url}/v4/f00d"}

    @property
    def endpoints(self) -> EcsEndpoints:
        """The same, as settings have it."""
        return EcsEndpoints(*self.environ.values())

    def fails(self, reason: str, detail: str | None = None) -> None:
        """ECS does not do it: an answer of 200 with a failure."""
        self.instead = 200, {"failure": {"Arn": TASK, "Detail": detail, "Reason": reason}}

    def errs(self, code: str, message: str, status: int = 400) -> None:
        """ECS's API refuses the agent."""
        self.instead = status, {"requestID": "12345-abc-6789-0123-abc", "error": {"Arn": TASK, "Code": code, "Message": message}}

    def app(self) -> web.Application:
        """The two endpoints."""
        app = web.Application()
        app.add_routes([
            web.put("/api/f00d/task-protection/v1/state", self._put),
            web.get("/v4/f00d/task", self._task),
        ])  # fmt: skip
        return app

    @contextmanager
    def serving(self) -> Iterator["EcsAgent"]:
        """Answer on loopback for the length of the block."""
        with served_beside(self.app()) as self.url:
            yield self

    async def _put(self, request: web.Request) -> web.Response:
        wish = await request.json()
        if set(wish) - {"ProtectionEnabled", "ExpiresInMinutes"} or not isinstance(wish.get("ProtectionEnabled"), bool):
            return _invalid("Invalid request: does not contain 'ProtectionEnabled' field")
        enabled, minutes = wish["ProtectionEnabled"], wish.get("ExpiresInMinutes")
        if minutes is not None and not LEAST_MINUTES <= minutes <= MOST_MINUTES:
            return _invalid("expiresInMinutes must be between 1 and 2880")
        self.puts.append(Put(time.monotonic(), enabled, minutes))
        if self.instead:
            status, body = self.instead
            return web.json_response(body, status=status)
        self.is_protected = enabled
        until = datetime.now(UTC) + timedelta(minutes=minutes or USUAL_MINUTES)
        expires = {"ExpirationDate": until.strftime("%Y-%m-%dT%H:%M:%SZ")} if enabled else {"ExpirationDate": None}
        return web.json_response({"protection": {**expires, "ProtectionEnabled": enabled, "TaskArn": TASK}})

    async def _task(self, _request: web.Request) -> web.Response:
        told = {"Cluster": CLUSTER, "TaskARN": TASK, "Family": "quarry-worker", "Revision": self.revision, "LaunchType": "FARGATE"}
        return web.json_response(told | ({"ServiceName": self.service} if self.service else {}))


def _invalid(message: str) -> web.Response:
    error = {"Arn": TASK, "Code": "InvalidParameterException", "Message": message}
    return web.json_response({"error": error}, status=400)

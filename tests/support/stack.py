"""A Quarry of one's own on emulated AWS: names that no other test uses, real processes for API and worker."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import httpx

from quarry.job import Priority
from quarry.provision import provision
from quarry.settings import QueueSettings, load_settings
from tests.support.function import Environment, LocalSandbox
from tests.support.http_api import HttpApi, served_by
from tests.support.processes import Process, clean_environ, eventually, fetched, free_port, quarry, serving
from tests.support.routing import route, target

if TYPE_CHECKING:
    from tests.support.simulator import Simulator

REGION = "us-east-1"
#: Jobs of one bulk submission.
BULK_MAX = 500
TERMINAL = {"completed", "failed", "cancelled", "expired"}


@dataclass
class Stack:
    """Settings and clients of one test's Quarry."""

    aws_url: str
    directory: Path
    name: str = field(default_factory=lambda: f"q{uuid.uuid4().hex[:12]}")
    env: dict[str, str] = field(default_factory=dict)
    _probes: dict[Process, str] = field(default_factory=dict)
    api: httpx.Client | None = None
    http_api: HttpApi | None = None
    #: What `use` routes to.
    model: str = "amazon.nova-lite-v1:0"

    def environ(self, **extra: str) -> dict[str, str]:
        """The environment of this stack's processes."""
        settings = {
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "QUARRY_ENVIRONMENT": "local",
            "QUARRY_QUEUE__NAME": self.name,
            "QUARRY_STORE__TABLE": self.name,
            "QUARRY_STORE__BUCKET": self.name,
            "QUARRY_API__METRICS_PORT": "0",
            # Short polls, so that a worker stops soon.
            "QUARRY_WORKER__DRAIN_SECONDS": "8",
        }
        return clean_environ(**(settings | self.env | extra))

    def client(self, service: str) -> Any:
        """A boto3 client of the emulated AWS."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.aws_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's
        )

    def routes(self, *, provider: str = "echo", model: str = "echo", region: str = REGION) -> str:
        """Write a routes.toml with one target; returns its path."""
        path = self.directory / "routes.toml"
        path.write_text(route(target(region, provider=provider, model=model)))
        return str(path)

    def declare(self, routes: str) -> Path:
        """Have jobs routed by this text of a routes.toml; returns its path."""
        path = self.directory / "declared.toml"
        path.write_text(routes)
        self.env["QUARRY_ROUTES_FILE"] = str(path)
        return path

    def use(self, simulator: "Simulator") -> None:
        """Have jobs answered by the Bedrock simulator."""
        self.env["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = simulator.url
        self.env["QUARRY_ROUTES_FILE"] = self.routes(provider="bedrock", model=self.model)

    @contextmanager
    def running_api(self, **env: str) -> Iterator[httpx.Client]:
        """A client of an API process."""
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        log = self.directory / "api.log"
        with ExitStack() as stack:
            stack.enter_context(serving(quarry("api", "--port", str(port)), self.environ(**env), log, f"{base}/readyz"))
            self.api = stack.enter_context(httpx.Client(base_url=base, timeout=40))
            yield self.api

    @contextmanager
    def running_function(self, stage: str = "$default", **env: str) -> Iterator[httpx.Client]:
        """A client of the API as a Lambda function behind an HTTP API."""
        log = self.directory / "api.log"

        def start() -> Environment:
            return Environment(lambda runtime: LocalSandbox(runtime, self.environ(**env), log))

        with served_by(start, stage) as self.http_api, httpx.Client(base_url=self.http_api.url, timeout=40) as self.api:
            yield self.api

    @contextmanager
    def running_worker(self, name: str = "worker", **env: str) -> Iterator[Process]:
        """A worker process."""
        port = str(free_port())
        log, base = self.directory / f"{name}.log", f"http://127.0.0.1:{port}"
        environ = self.environ(**(env | {"QUARRY_WORKER__METRICS_PORT": port}))
        with serving(quarry("worker"), environ, log, f"{base}/livez") as process:
            self._probes[process] = base
            yield process

    def probes(self, worker: Process) -> str:
        """The URL of a worker's probes and metrics."""
        return self._probes[worker]

    def metrics(self, worker: Process) -> str:
        """A worker's metrics, as text."""
        return fetched(f"{self._probes[worker]}/metrics").text

    def readiness(self, worker: Process) -> tuple[int, str]:
        """A worker's `/readyz`: status and body."""
        answer = fetched(f"{self._probes[worker]}/readyz")
        return answer.status_code, answer.text

    def send(self, body: str) -> None:
        """Put a raw message on the normal lane."""
        queue = self.client("sqs")
        queue.send_message(QueueUrl=queue.get_queue_url(QueueName=self.name)["QueueUrl"], MessageBody=body)

    def lane_counts(self, lane: Priority) -> tuple[int, int]:
        """Messages of one lane: (visible or delayed, in flight)."""
        queue = self.client("sqs")
        url = queue.get_queue_url(QueueName=QueueSettings(name=self.name).name_of(lane))["QueueUrl"]
        counts = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        waiting = int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesDelayed"])
        return waiting, int(counts["ApproximateNumberOfMessagesNotVisible"])

    def queue_counts(self) -> tuple[int, int]:
        """Messages of all lanes: (visible or delayed, in flight)."""
        waiting, in_flight = zip(*map(self.lane_counts, Priority), strict=True)
        return sum(waiting), sum(in_flight)

    def queue_is_empty(self) -> bool:
        """Whether every message of every lane has been settled."""
        return self.queue_counts() == (0, 0)

    def dead_letters(self) -> list[dict[str, Any]]:
        """What lies in the dead-letter queue; it stays there."""
        queue = self.client("sqs")
        url = queue.get_queue_url(QueueName=f"{self.name}-dlq")["QueueUrl"]
        found: list[dict[str, Any]] = []
        while True:
            answer = queue.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=30
            )
            if not answer.get("Messages"):
                break
            found += answer["Messages"]
        for message in found:
            queue.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        return found

    def item(self, request_id: str, tenant: str = "default") -> dict[str, Any]:
        """The job's raw item in the table."""
        key = {"pk": {"S": f"{tenant}#{request_id}"}, "sk": {"S": "job"}}
        answer = self.client("dynamodb").get_item(TableName=self.name, Key=key, ConsistentRead=True)
        item: dict[str, Any] = answer["Item"]
        return item

    def submit(self, **body: Any) -> str:
        """Submit a job; returns its request id."""
        assert self.api is not None
        answer = self.api.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        request_id: str = answer.json()["request_id"]
        return request_id

    def submit_many(self, count: int, **body: Any) -> list[str]:
        """Submit as many jobs, each with a prompt of its own; returns their request ids, in order."""
        assert self.api is not None
        accepted: list[str] = []
        for first in range(0, count, BULK_MAX):
            jobs = [{"prompt": f"Job {i}"} | body for i in range(first, min(first + BULK_MAX, count))]
            answer = self.api.post("/v1/jobs/bulk", json={"jobs": jobs})
            assert answer.status_code == 202, answer.text
            accepted += [job["request_id"] for job in answer.json()["jobs"] if job.get("status")]
        assert len(accepted) == count
        return accepted

    def job(self, request_id: str) -> dict[str, Any]:
        """The job as the API shows it."""
        assert self.api is not None
        answer = self.api.get(f"/v1/jobs/{request_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def finished(self, request_id: str, seconds: float = 30.0) -> dict[str, Any]:
        """The job once it is terminal."""

        def terminal() -> dict[str, Any] | None:
            job = self.job(request_id)
            return job if job["status"] in TERMINAL else None

        return eventually(terminal, seconds=seconds, what=lambda: f"a terminal state: {json.dumps(self.job(request_id))}")


def provisioned(aws_url: str, directory: Path) -> Stack:
    """Its queues, table and bucket are there; nothing runs yet.

    They are made in this process: to start one takes longer than all of its work.
    """
    made = Stack(aws_url, directory)
    with patch.dict(os.environ, made.environ(), clear=True):
        provision(load_settings())
    return made

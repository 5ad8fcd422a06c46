"""SQS and DynamoDB for the systems side by side: in memory, so that no emulator's pace is measured, with what counts for them:
delays, visibility, long polls, dead letters, each write applied. Conditions are granted.

    python -m bench.peers.stand_in PORT RECEIVES_MAX

`RECEIVES_MAX` holds for the peers' queue. It notes for each job when it was submitted and when its result was recorded.
"""

import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from bench.peers import work
from bench.peers.expressions import apply
from bench.peers.queue import Message, Queue
from bench.stand_in_aws import Connection
from quarry.clock import SystemClock
from quarry.envelope import Envelope
from quarry.ids import new_request_id
from quarry.store.item import to_item
from quarry.testing.builders import a_job, an_invocation

#: How long a message may have been visible before a waiting poll gets it.
_TICK_SECONDS: Final = 0.01


@dataclass(slots=True)
class Life:
    """When, by this process's monotonic clock."""

    submitted_at: float
    claimed_at: float | None = None
    completed_at: float | None = None


@dataclass(slots=True)
class _Poll:
    answer: asyncio.Future[bytes]
    queue: str
    most: int
    visibility: float
    until: float


class StandIn:
    """Queues, one table, and the lives of the jobs."""

    def __init__(self, port: int, receives_max: int) -> None:
        self._url = f"http://127.0.0.1:{port}/000000000000/"
        self._queues: defaultdict[str, Queue] = defaultdict(Queue, {work.QUEUE: Queue(receives_max)})
        self._rows: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._lives: dict[str, Life] = {}
        self._calls: Counter[str] = Counter()
        self._polls: list[_Poll] = []
        self._answers: dict[str, Callable[[Any], Any]] = {
            "AmazonSQS.GetQueueUrl": lambda request: {"QueueUrl": self._url + request["QueueName"]},
            "AmazonSQS.GetQueueAttributes": self._attributes,
            "AmazonSQS.SendMessage": self._send,
            "AmazonSQS.SendMessageBatch": self._send_batch,
            "AmazonSQS.DeleteMessage": self._delete,
            "AmazonSQS.DeleteMessageBatch": lambda request: self._each(request, self._delete),
            "AmazonSQS.ChangeMessageVisibility": self._change,
            "AmazonSQS.ChangeMessageVisibilityBatch": lambda request: self._each(request, self._change),
            "DynamoDB_20120810.DescribeTable": lambda _: {"Table": {}},
            "DynamoDB_20120810.UpdateItem": self._update,
            "DynamoDB_20120810.GetItem": lambda request: {"Item": self._rows[_key(request)]},
            "DynamoDB_20120810.PutItem": lambda _: {},
            "DynamoDB_20120810.DeleteItem": lambda _: {},
            "DynamoDB_20120810.Query": lambda _: {"Items": [], "Count": 0},
            "Bench.Register": self._register,
            "Bench.SubmitToQuarry": self._submit_to_quarry,
            "Bench.Counts": lambda _: self._counts(),
            "Bench.Lives": lambda _: {name: asdict(life) for name, life in self._lives.items()},
        }

    def answer(self, target: str, body: bytes) -> bytes | asyncio.Future[bytes]:
        """The answer to one request; a long poll's comes later."""
        if not target:
            return b"{}"
        if not target.startswith("Bench."):
            self._calls[target.partition(".")[2]] += 1
        if target == "AmazonSQS.ReceiveMessage":
            return self._receive(json.loads(body))
        if target not in self._answers:
            raise NotImplementedError(target)
        return json.dumps(self._answers[target](json.loads(body))).encode()

    def _counts(self) -> dict[str, Any]:
        lives = self._lives.values()
        return {
            "submitted": len(lives),
            "claimed": sum(life.claimed_at is not None for life in lives),
            "completed": sum(life.completed_at is not None for life in lives),
            "queued": sum(len(queue) for queue in self._queues.values()),
            "dead": sum(queue.dead for queue in self._queues.values()),
            "calls": dict(self._calls),
        }

    # The queue.

    def _queue(self, request: Mapping[str, Any]) -> Queue:
        return self._queues[request["QueueUrl"].rpartition("/")[2]]

    def _attributes(self, request: Any) -> Any:
        queue = self._queue(request)
        known = {"VisibilityTimeout": str(work.VISIBILITY_SECONDS), "ApproximateNumberOfMessages": str(len(queue))}
        if queue.receives_max is not None:
            known["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": "dead", "maxReceiveCount": queue.receives_max})
        return {"Attributes": known}

    def _send(self, request: Any) -> Any:
        queue, delay = self._queue(request), request.get("DelaySeconds", 0)
        number = queue.send(request["MessageBody"], request.get("MessageAttributes", {}), time.monotonic(), delay)
        return {"MessageId": str(number), "MD5OfMessageBody": "0" * 32}

    def _send_batch(self, request: Any) -> Any:
        sent = [{"Id": each["Id"], **self._send({**each, "QueueUrl": request["QueueUrl"]})} for each in request["Entries"]]
        return {"Successful": sent, "Failed": []}

    def _each(self, request: Any, do: Callable[[Any], Any]) -> Any:
        for entry in request["Entries"]:
            do({**entry, "QueueUrl": request["QueueUrl"]})
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}

    def _delete(self, request: Any) -> Any:
        self._queue(request).delete(request["ReceiptHandle"])
        return {}

    def _change(self, request: Any) -> Any:
        self._queue(request).change(request["ReceiptHandle"], request["VisibilityTimeout"], time.monotonic())
        return {}

    def _receive(self, request: Any) -> asyncio.Future[bytes]:
        poll = _Poll(
            asyncio.get_running_loop().create_future(),
            request["QueueUrl"].rpartition("/")[2],
            request.get("MaxNumberOfMessages", 1),
            request.get("VisibilityTimeout", work.VISIBILITY_SECONDS),
            time.monotonic() + request.get("WaitTimeSeconds", 0),
        )
        self._polls.append(poll)
        self._serve()
        return poll.answer

    async def keep_serving(self) -> None:
        """Answer the long polls whose messages became visible, or whose time is up."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._serve()

    def _serve(self) -> None:
        now, waiting = time.monotonic(), []
        for poll in self._polls:
            found = self._queues[poll.queue].receive(poll.most, poll.visibility, now)
            if found or now >= poll.until:
                poll.answer.set_result(json.dumps({"Messages": [_wire(message) for message in found]} if found else {}).encode())
            else:
                waiting.append(poll)
        self._polls = waiting

    # The table.

    def _update(self, request: Any) -> Any:
        name = _key(request)
        row = self._rows[name]
        apply(row, request)
        life = self._lives.get(name)
        status = row.get("status", {}).get("S")
        if life and status == "processing" and life.claimed_at is None:
            life.claimed_at = time.monotonic()
        if life and status == "completed" and life.completed_at is None:
            life.completed_at = time.monotonic()
        return {"Attributes": row}

    # The jobs.

    def _register(self, request: Any) -> Any:
        for name in request["ids"]:
            self._rows[name] = {"pk": {"S": name}, "status": {"S": "queued"}}
            self._lives[name] = Life(time.monotonic())
        return {}

    def _submit_to_quarry(self, request: Any) -> Any:
        now = SystemClock().now()
        for _ in range(request["count"]):
            request_id = new_request_id(now)
            invocation = an_invocation(work.PROMPT, max_tokens=work.MAX_TOKENS)
            job = a_job(request_id=request_id, created_at=now, deadline_at=now + timedelta(hours=1), invocation=invocation)
            item = to_item(job, 0)
            name = item["pk"]["S"]
            self._rows[name] = item
            self._lives[name] = Life(time.monotonic())
            self._queues[request["queue"]].send(Envelope(request_id, "default").to_wire(), {}, time.monotonic())
        return {}


def _key(request: Mapping[str, Any]) -> str:
    # Rows that are no jobs (heartbeats, the sweep's role) have sort keys of their own.
    sort = request["Key"].get("sk", {"S": "job"})["S"]
    name: str = request["Key"]["pk"]["S"]
    return name if sort == "job" else f"{name}/{sort}"


def _wire(message: Message) -> dict[str, Any]:
    wall = time.time() - time.monotonic()
    return {
        "MessageId": str(message.number),
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MessageAttributes": message.attributes,
        "Attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int((wall + message.sent_at) * 1000)),
        },
    }


async def serve(port: int, receives_max: int) -> None:
    """Until killed."""
    stand_in = StandIn(port, receives_max)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stand_in), "127.0.0.1", port)
    async with server, asyncio.TaskGroup() as tasks:
        tasks.create_task(stand_in.keep_serving())
        tasks.create_task(server.serve_forever())


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))

"""A stand-in for SQS and DynamoDB that neither worker nor API can saturate: it takes every job and message, hands out so many
jobs, grants every claim, takes every record, and knows one API key. What it is asked it does not check; for that there are the
tests, on emulated AWS.

    python -m bench.stand_in_aws PORT JOBS
"""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Protocol

from quarry.clock import SystemClock
from quarry.envelope import Envelope
from quarry.ids import new_request_id
from quarry.keys.expressions import to_item as key_item
from quarry.keys.key import ApiKey, carried, digest_of
from quarry.store.item import to_item
from quarry.testing.builders import a_job, an_invocation

_KEY_ID, _SECRET, _SALT = "0123456789abcdef", "s" * 43, "salt"
#: The key that it knows, as its holder carries it.
KEY: Final = carried(_KEY_ID, _SECRET)
_PROMPT: Final = "Summarise this ticket in one sentence. " + "The printer on the third floor is out of paper again. " * 10


class Answers(Protocol):
    """What a connection asks."""

    def answer(self, target: str, body: bytes) -> bytes | asyncio.Future[bytes]:
        """The body to answer with, now or later."""
        ...


class StandIn:
    """The jobs, and what became of them."""

    def __init__(self, jobs: int) -> None:
        self._left = jobs
        self._recorded = self._deleted = self._keys_read = self._written = 0
        now = SystemClock().now()
        self._now = now
        job = a_job(created_at=now, deadline_at=now + timedelta(hours=1), invocation=an_invocation(_PROMPT, max_tokens=100))
        self._item = to_item(job, 0)
        self._key = key_item(ApiKey(_KEY_ID, "default", "bench", ("member",), _SALT, digest_of(_SALT, _SECRET), now))
        self._answers: dict[str, Callable[[Any], Any]] = {
            "AmazonSQS.GetQueueUrl": lambda request: {"QueueUrl": f"http://127.0.0.1/{request['QueueName']}"},
            "AmazonSQS.ReceiveMessage": self._receive,
            "AmazonSQS.DeleteMessageBatch": self._delete,
            "AmazonSQS.ChangeMessageVisibilityBatch": self._change,
            "DynamoDB_20120810.DescribeTable": lambda _: {"Table": {}},
            "DynamoDB_20120810.UpdateItem": self._update,
            "AmazonSQS.SendMessageBatch": _sent,
            "DynamoDB_20120810.BatchExecuteStatement": self._execute,
            "DynamoDB_20120810.BatchGetItem": self._read_keys,
            "DynamoDB_20120810.Query": lambda _: {"Items": [], "Count": 0},
        }

    def answer(self, target: str, body: bytes) -> bytes | asyncio.Future[bytes]:
        """The answer to one request, now or later; without a target it is one of S3, or of ours for the counts."""
        if not target:
            return json.dumps(self._counts()).encode()
        known = self._answers.get(target)
        self._written += target.endswith(("PutItem", "DeleteItem", "WriteItem", "WriteItems"))
        request = json.loads(body)
        answer = known(request) if known else {}
        said = json.dumps(answer).encode()
        if answer != {"Messages": []}:
            return said
        # Who finds an empty lane has to wait, as at SQS.
        later = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(request["WaitTimeSeconds"], later.set_result, said)
        return later

    def _counts(self) -> dict[str, int]:
        """What happened so far. `written`: items, but for the notes on when the one key was used."""
        counts = {"left": self._left, "recorded": self._recorded, "deleted": self._deleted}
        return counts | {"keys_read": self._keys_read, "written": self._written}

    def _read_keys(self, request: Any) -> Any:
        [(table, asked)] = request["RequestItems"].items()
        self._keys_read += len(asked["Keys"])
        return {"Responses": {table: [self._key for key in asked["Keys"] if key["pk"] == self._key["pk"]]}, "UnprocessedKeys": {}}

    def _execute(self, request: Any) -> Any:
        self._written += len(request["Statements"])
        return {"Responses": [{} for _ in request["Statements"]]}

    def _receive(self, request: Any) -> Any:
        # All of them are on the normal lane, whose queue's name alone has no suffix.
        is_normal = "-" not in request["QueueUrl"].rpartition("/")[2]
        count = min(self._left, request["MaxNumberOfMessages"]) if is_normal else 0
        self._left -= count
        return {"Messages": [self._message() for _ in range(count)]}

    def _message(self) -> dict[str, Any]:
        request_id = new_request_id(self._now)
        attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(self._now.timestamp() * 1000))}
        body = Envelope(request_id, "default").to_wire()
        # As long as a real receipt handle.
        return {"MessageId": request_id, "ReceiptHandle": request_id * 11, "Body": body, "Attributes": attributes}

    def _delete(self, request: Any) -> Any:
        self._deleted += len(request["Entries"])
        return {"Successful": [{"Id": each["Id"]} for each in request["Entries"]], "Failed": []}

    def _change(self, request: Any) -> Any:
        # What a worker has no slot for comes again.
        self._left += sum(each["VisibilityTimeout"] == 0 for each in request["Entries"])
        return {"Successful": [{"Id": each["Id"]} for each in request["Entries"]], "Failed": []}

    def _update(self, request: Any) -> Any:
        if request["Key"]["pk"] == self._key["pk"]:
            return {}
        self._written += 1
        values = request["ExpressionAttributeValues"]
        if ":owner" not in values or request["Key"]["pk"]["S"].startswith("#"):  # no claim of a job, but of a role
            self._recorded += ":status" in values
            return {}
        request_id = request["Key"]["pk"]["S"].partition("#")[2]
        claimed = {
            "request_id": {"S": request_id},
            "status": {"S": "processing"},
            "attempts": {"N": "1"},
            "revision": {"N": "1"},
            "lease_token": values[":token"],
            "lease_owner": values[":owner"],
            "lease_expires_at": values[":until"],
            "check_at": values[":check_at"],
            "started_at": values[":now"],
            "open_attempts": values[":this"],
        }
        return {"Attributes": self._item | request["Key"] | claimed}


def _sent(request: Any) -> Any:
    done = [{"Id": each["Id"], "MessageId": each["Id"], "MD5OfMessageBody": "0" * 32} for each in request["Entries"]]
    return {"Successful": done, "Failed": []}


class Connection(asyncio.Protocol):
    """One connection of HTTP/1.1, as much of it as AWS's SDK speaks."""

    def __init__(self, stand_in: Answers) -> None:
        self._stand_in = stand_in
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            lines = self._received[:end].decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            self._answer(lines[0].startswith("HEAD"), self._stand_in.answer(headers.get("x-amz-target", ""), body))

    def _answer(self, head: bool, body: bytes | asyncio.Future[bytes]) -> None:
        if isinstance(body, asyncio.Future):
            body.add_done_callback(lambda done: self._answer(head, done.result()))
            return
        start = f"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(start.encode() + (b"" if head else body))


async def serve(port: int, jobs: int) -> None:
    """Until killed."""
    stand_in = StandIn(jobs)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stand_in), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))

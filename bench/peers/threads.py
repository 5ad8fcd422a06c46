"""A thread for each message: the worker that is written by hand with boto3, with and without botocore's adaptive mode.

    python -m bench.peers.threads work|submit

Receive up to ten by long poll, a thread pool, a write before and after the call, delete at the end: as in AWS's own samples
(https://docs.aws.amazon.com/code-library/latest/ug/python_3_sqs_code_examples.html). `BENCH_RETRIES` says who retries a throttle:

- `backoff`: the worker itself, exponential with random jitter, as Bedrock's own troubleshooting asks for
  (https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html; the pattern:
  https://docs.aws.amazon.com/prescriptive-guidance/latest/cloud-design-patterns/retry-backoff.html). The SDK then does not
  (`total_max_attempts` 1), so that one throttle is not retried twice over. Calls go to the regions in turn.
- `adaptive`: botocore, which also slows its client down
  (https://docs.aws.amazon.com/boto3/latest/guide/retries.html). The rate is kept by client, so the threads share one a region.

What is still throttled after that is left on the queue, and comes back when its visibility ends.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.peers import work

#: Tries of one delivery, and the longest wait between two. Up to 20 s: as botocore's own standard mode waits at most.
_TRIES: Final = 10
_WAIT_MAX_SECONDS: Final = 20.0


class Worker:
    """One process."""

    def __init__(self) -> None:
        self._concurrency = work.concurrency()
        self._adaptive = os.environ["BENCH_RETRIES"] == "adaptive"
        pool = Config(max_pool_connections=self._concurrency)
        retries: Any = {"mode": "adaptive", "total_max_attempts": _TRIES} if self._adaptive else {"total_max_attempts": 1}
        self._sqs = boto3.client("sqs", config=pool)
        self._table = boto3.client("dynamodb", config=pool)
        self._models = [
            boto3.client("bedrock-runtime", region_name=region, config=pool.merge(Config(retries=retries)))
            for region in work.regions()
        ]
        self._next_model = cycle(self._models)
        self._queue: str = self._sqs.get_queue_url(QueueName=work.QUEUE)["QueueUrl"]
        self._free = threading.Semaphore(self._concurrency)
        self._stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())

    def run(self) -> None:
        """Until SIGTERM."""
        with ThreadPoolExecutor(self._concurrency) as pool:
            while not self._stopping.is_set():
                slots = self._take_slots()
                messages = self._receive(slots)
                for _ in range(slots - len(messages)):
                    self._free.release()
                for message in messages:
                    pool.submit(self._process, message)

    def _take_slots(self) -> int:
        """As many as are free, up to ten; at least one, which is waited for."""
        self._free.acquire()
        slots = 1
        while slots < 10 and self._free.acquire(blocking=False):
            slots += 1
        return slots

    def _receive(self, most: int) -> list[Any]:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=most, WaitTimeSeconds=5, VisibilityTimeout=work.VISIBILITY_SECONDS
        )
        found: list[Any] = answer.get("Messages", [])
        return found

    def _process(self, message: Any) -> None:
        try:
            job = json.loads(message["Body"])
            self._table.update_item(**work.claim(job["id"]))
            answer = self._ask(job["prompt"])
            self._table.update_item(**work.completion_of(job["id"], answer))
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        except ClientError as error:
            sys.stderr.write(f"left on the queue: {error}\n")
        finally:
            self._free.release()

    def _ask(self, prompt: str) -> Any:
        tries = 1 if self._adaptive else _TRIES
        for number in range(tries):
            try:
                return next(self._next_model).converse(**work.question(prompt))
            except ClientError as error:
                if error.response["Error"]["Code"] != "ThrottlingException" or number == tries - 1:
                    raise
                time.sleep(random.uniform(0, min(_WAIT_MAX_SECONDS, 2.0**number)))  # noqa: S311 - jitter
        raise AssertionError


def send(ids: Sequence[str]) -> None:
    """Put jobs on the queue."""
    sqs = boto3.client("sqs")
    bodies = [json.dumps({"id": job_id, "prompt": work.PROMPT}) for job_id in ids]
    entries: Any = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    sqs.send_message_batch(QueueUrl=sqs.get_queue_url(QueueName=work.QUEUE)["QueueUrl"], Entries=entries)


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        work.submit(send)
    else:
        Worker().run()

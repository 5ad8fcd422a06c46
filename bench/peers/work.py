"""The work, the same for every system: one job is one message, two writes to the job's row, one Converse call between them.

Peers' modules import nothing else of ours, and this imports nothing that is not in the standard library.
"""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

QUEUE: Final = "bench-jobs"
TABLE: Final = "bench-jobs"
MODEL: Final = "amazon.nova-lite-v1:0"
PROMPT: Final = "Summarise this ticket in one sentence. " + "The printer on the third floor is out of paper again. " * 10
MAX_TOKENS: Final = 100
#: How long a received message stays hidden: well over the longest wait of any peer's retries inside one delivery.
VISIBILITY_SECONDS: Final = 300


def concurrency() -> int:
    """Calls in flight, at most."""
    return int(os.environ["BENCH_CONCURRENCY"])


def regions() -> list[str]:
    """Where the model may be called."""
    return os.environ["BENCH_REGIONS"].split(",")


def aws() -> str:
    """Where SQS and DynamoDB are. Bedrock's address is in `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, which the SDKs read themselves."""
    return os.environ["AWS_ENDPOINT_URL"]


def claim(job_id: str) -> dict[str, Any]:
    """The first write, before each call: the job is being worked. Refused for one that is done, so that a duplicate is not paid."""
    return {
        "TableName": TABLE,
        "Key": {"pk": {"S": job_id}},
        "UpdateExpression": "SET #status = :processing, #started_at = :now, #attempts = if_not_exists(#attempts, :none) + :one",
        "ConditionExpression": "#status <> :completed",
        "ExpressionAttributeNames": {"#status": "status", "#started_at": "started_at", "#attempts": "attempts"},
        "ExpressionAttributeValues": {
            ":processing": {"S": "processing"},
            ":completed": {"S": "completed"},
            ":now": {"N": str(int(time.time() * 1000))},
            ":none": {"N": "0"},
            ":one": {"N": "1"},
        },
    }


def completion(job_id: str, text: str, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """The second write, after the answer: the result."""
    return {
        "TableName": TABLE,
        "Key": {"pk": {"S": job_id}},
        "UpdateExpression": "SET #status = :status, #finished_at = :now, #result = :result, #usage = :usage",
        "ExpressionAttributeNames": {
            "#status": "status",
            "#finished_at": "finished_at",
            "#result": "result",
            "#usage": "usage",
        },
        "ExpressionAttributeValues": {
            ":status": {"S": "completed"},
            ":now": {"N": str(int(time.time() * 1000))},
            ":result": {"S": text},
            ":usage": {"M": {"input": {"N": str(input_tokens)}, "output": {"N": str(output_tokens)}}},
        },
    }


def question(prompt: str) -> dict[str, Any]:
    """The arguments of `converse`."""
    return {
        "modelId": MODEL,
        "messages": [{"role": "user", "content": [{"text": prompt}]}],
        "inferenceConfig": {"maxTokens": MAX_TOKENS},
    }


def completion_of(job_id: str, answer: Any) -> dict[str, Any]:
    """The second write for what `converse` answered."""
    usage = answer["usage"]
    return completion(job_id, answer["output"]["message"]["content"][0]["text"], usage["inputTokens"], usage["outputTokens"])


def submit(send: Callable[[Sequence[str]], None]) -> None:
    """Put jobs on the queue, ten at a time or paced one by one: `… submit IDS_FROM IDS_TO JOBS_A_SECOND` (0: at once)."""
    first, last, rate = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    for ids in _paced(first, last, rate) if rate else _at_once(first, last):
        send(ids)


def _at_once(first: int, last: int) -> Iterator[list[str]]:
    names = [f"job-{number}" for number in range(first, last)]
    _register(names)
    for start in range(0, len(names), 10):
        yield names[start : start + 10]


def _paced(first: int, last: int, rate: float) -> Iterator[list[str]]:
    began = time.monotonic()
    for number in range(first, last):
        time.sleep(max(0.0, began + (number - first) / rate - time.monotonic()))
        _register([f"job-{number}"])
        yield [f"job-{number}"]


def _register(names: Sequence[str]) -> None:
    """Tell the stand-in that these are submitted now."""
    headers = {"x-amz-target": "Bench.Register"}
    request = urllib.request.Request(aws(), json.dumps({"ids": names}).encode(), headers)  # noqa: S310 - loopback
    urllib.request.urlopen(request, timeout=30).read()  # noqa: S310 - loopback

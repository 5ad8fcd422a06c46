"""LiteLLM's Router in an asyncio consumer of SQS.

    python -m bench.peers.litellm_router; jobs are put on the queue by `bench.peers.threads submit`

The Router with one deployment a region under one model name, tuned as its documentation has it:

- `simple-shuffle`, which it recommends for production; the limits are not known, so none are given:
  https://docs.litellm.ai/docs/routing#advanced---routing-strategies-%EF%B8%8F
- retries of rate limit errors with a wait, `num_retries` and `retry_after`: https://docs.litellm.ai/docs/routing#retries
- a deployment that throttles is left alone for `cooldown_time`, one second here, since a quota refills all the time:
  https://docs.litellm.ai/docs/routing#cooldowns
- https://docs.litellm.ai/docs/providers/bedrock for the Converse route, the region and the endpoint;
- uvloop, which LiteLLM's own proxy runs on.

What the Router refuses in the end is given back to the queue with a wait (full jitter, growing with the deliveries), which is the
consumer's business, not LiteLLM's.
"""

import asyncio
import json
import os
import random
import signal
from contextlib import AsyncExitStack
from typing import Any

import litellm
import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from litellm import Router
from litellm.exceptions import RateLimitError
from litellm.types.router import RouterRateLimitError

from bench.peers import work

_WAIT_MAX_SECONDS = 60.0


def router() -> Router:
    """The Router as it is measured."""
    litellm.suppress_debug_info = True
    deployments = [
        {
            "model_name": "default",
            "litellm_params": {
                "model": f"bedrock/converse/{work.MODEL}",
                "aws_region_name": region,
                "aws_bedrock_runtime_endpoint": os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
            },
        }
        for region in work.regions()
    ]
    return Router(model_list=deployments, routing_strategy="simple-shuffle", num_retries=10, retry_after=1, cooldown_time=1)


class Consumer:
    """Takes messages while it has slots, and works each in a task."""

    def __init__(self, sqs: Any, table: Any) -> None:
        self._sqs, self._table = sqs, table
        self._router = router()
        self._slots = asyncio.Semaphore(work.concurrency())
        self._url = f"{work.aws()}/000000000000/{work.QUEUE}"

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._slots.acquire()
                self._slots.release()
                for message in await self._receive():
                    await self._slots.acquire()
                    tasks.create_task(self._process(message))

    async def _receive(self) -> list[Any]:
        answer = await self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=5,
            VisibilityTimeout=work.VISIBILITY_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        found: list[Any] = answer.get("Messages", [])
        return found

    async def _process(self, message: Any) -> None:
        handle = {"QueueUrl": self._url, "ReceiptHandle": message["ReceiptHandle"]}
        try:
            job = json.loads(message["Body"])
            await self._table.update_item(**work.claim(job["id"]))
            answer = await self._router.acompletion(
                model="default", messages=[{"role": "user", "content": job["prompt"]}], max_tokens=work.MAX_TOKENS
            )
            usage = answer.usage
            text = answer.choices[0].message.content
            await self._table.update_item(**work.completion(job["id"], text, usage.prompt_tokens, usage.completion_tokens))
            await self._sqs.delete_message(**handle)
        except (RateLimitError, RouterRateLimitError):
            longest = min(_WAIT_MAX_SECONDS, 2.0 ** int(message["Attributes"]["ApproximateReceiveCount"]))
            wait = random.uniform(0, longest)  # noqa: S311 - jitter
            await self._sqs.change_message_visibility(**handle, VisibilityTimeout=round(wait))
        finally:
            self._slots.release()


async def main() -> None:
    """Until SIGTERM."""
    pool = AioConfig(max_pool_connections=work.concurrency())
    async with AsyncExitStack() as running:
        clients = [get_session().create_client(name, region_name="us-east-1", config=pool) for name in ("sqs", "dynamodb")]
        consumer = Consumer(*[await running.enter_async_context(client) for client in clients])
        consuming = asyncio.create_task(consumer.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, consuming.cancel)
        await asyncio.wait([consuming])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

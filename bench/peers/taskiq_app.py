"""Taskiq with the SQS broker of taskiq-aio-sqs.

    python -m taskiq worker bench.peers.taskiq_app:broker …; python -m bench.peers.taskiq_app submit

Tuned as the documentation has it, versions 0.13 and 2.1:

- acknowledged after the work (`--ack-type when_executed`), as many tasks at once as the other peers have slots
  (`--max-async-tasks`), one process, since one event loop is enough for that and the others have one too:
  https://taskiq-python.github.io/guide/cli.html
- uvloop, which it takes when it is there, and orjson: the extras `uv` and `orjson`, https://pypi.org/project/taskiq/
- the smart retry middleware with growing delays and jitter, and so many tries that nothing is lost to throttling; no delay is over
  20 s, since longer ones left quota unused:
  https://taskiq-python.github.io/available-components/middlewares.html#smart-retry-middleware
- ten messages a receive, long polls, a visibility timeout over the longest task:
  https://pypi.org/project/taskiq-aio-sqs/

Clients of aiobotocore, one a region for the process; the SDK does not retry a throttle, the middleware does.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqState
from taskiq.middlewares import SmartRetryMiddleware
from taskiq_aio_sqs import SQSBroker

from bench.peers import work

broker = SQSBroker(
    endpoint_url=work.aws(),
    sqs_queue_name=work.QUEUE,
    region_name="us-east-1",
    max_number_of_messages=10,
    wait_time_seconds=5,
    visibility_timeout=work.VISIBILITY_SECONDS,
).with_middlewares(
    SmartRetryMiddleware(default_retry_count=1000, default_delay=1, use_jitter=True, use_delay_exponent=True, max_delay_exponent=20)
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _start(state: TaskiqState) -> None:
    state.running = AsyncExitStack()
    session, pool = get_session(), work.concurrency()

    async def opened(service: Any, region: str, **config: Any) -> Any:
        client = session.create_client(service, region_name=region, config=AioConfig(max_pool_connections=pool, **config))
        return await state.running.enter_async_context(client)

    state.table = await opened("dynamodb", "us-east-1")
    once = {"total_max_attempts": 1}
    state.next_model = cycle([await opened("bedrock-runtime", region, retries=once) for region in work.regions()])


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def _stop(state: TaskiqState) -> None:
    await state.running.aclose()


@broker.task("answer", retry_on_error=True)
async def answer(job_id: str, prompt: str, context: Context = TaskiqDepends()) -> None:  # noqa: B008 - taskiq's way
    """One job."""
    state = context.state
    await state.table.update_item(**work.claim(job_id))
    found = await next(state.next_model).converse(**work.question(prompt))
    await state.table.update_item(**work.completion_of(job_id, found))


async def _send(ids: Sequence[str]) -> None:
    await asyncio.gather(*(answer.kiq(job_id, work.PROMPT) for job_id in ids))


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        runner.run(broker.startup())
        work.submit(lambda ids: runner.run(_send(ids)))
        runner.run(broker.shutdown())

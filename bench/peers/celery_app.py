"""Celery on SQS, with the gevent pool.

    python -m celery -A bench.peers.celery_app worker --pool gevent …; python -m bench.peers.celery_app submit

Tuned as its documentation has it, version 5.7:

- `acks_late`, and one message a slot ahead (`worker_prefetch_multiplier` 1), so that no task waits behind another or dies with the
  worker: https://docs.celeryq.dev/en/stable/userguide/optimizing.html#reserve-one-task-at-a-time
- retries with exponential backoff and full jitter, and no end (`max_retries` None), so that nothing is lost to throttling:
  https://docs.celeryq.dev/en/stable/userguide/tasks.html#automatic-retry-for-known-exceptions
- a queue that exists already, its visibility timeout longer than the longest countdown, long polls and no pause between them:
  https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/sqs.html
- no results in Celery (they are written to the table, as in every peer), no events, gossip or mingling, which SQS does not serve:
  https://docs.celeryq.dev/en/stable/userguide/tasks.html#ignore-results-you-don-t-want
- the gevent pool for what waits for the network: https://docs.celeryq.dev/en/stable/userguide/concurrency/gevent.html

The SDK does not retry (`total_max_attempts` 1), so that one throttle is not retried twice over; calls go to the regions in turn.
"""

from collections.abc import Sequence
from itertools import cycle
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from celery import Celery

from bench.peers import work

_CONCURRENCY = work.concurrency()
_POOL = Config(max_pool_connections=_CONCURRENCY)
_ONCE = _POOL.merge(Config(retries={"total_max_attempts": 1}))

app = Celery("bench", broker=f"sqs://test:test@{urlsplit(work.aws()).netloc}//")
app.conf.update(
    task_default_queue=work.QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "wait_time_seconds": 5,
        "polling_interval": 0,
        "visibility_timeout": work.VISIBILITY_SECONDS,
        "predefined_queues": {
            work.QUEUE: {
                "url": f"{work.aws()}/000000000000/{work.QUEUE}",
                "access_key_id": "test",
                "secret_access_key": "test",
            }
        },
    },
)

_table = boto3.client("dynamodb", config=_POOL)
_models = [boto3.client("bedrock-runtime", region_name=region, config=_ONCE) for region in work.regions()]
_next_model = cycle(_models)
Throttled = _models[0].exceptions.ThrottlingException


@app.task(name="answer", autoretry_for=(Throttled,), max_retries=None, retry_backoff=1, retry_backoff_max=60, retry_jitter=True)
def answer(job_id: str, prompt: str) -> None:
    """One job."""
    _table.update_item(**work.claim(job_id))
    found = next(_next_model).converse(**work.question(prompt))
    _table.update_item(**work.completion_of(job_id, found))


def send(ids: Sequence[str]) -> None:
    """Put jobs on the queue."""
    for job_id in ids:
        answer.delay(job_id, work.PROMPT)


if __name__ == "__main__":
    work.submit(send)

"""The world of a service on the emulated AWS: depth of its queues, its tasks, and a clock that runs fast."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import Any, Final

from docker.errors import NotFound

from tests.support.cloudwatch import seen
from tests.support.containers import Container
from tests.support.emulated_ecs import EmulatedECS
from tests.support.scaling.loop import Loop, Metric

_COUNTS: Final = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
}


class Service:
    """What CloudWatch would publish, as it is at the end of a minute; and the service's number of tasks.

    `namespace` is where its workers write to; their minute, by their settings, is one of `seconds_a_minute`.
    """

    def __init__(self, aws: EmulatedECS, cluster: str, service: str, namespace: str, seconds_a_minute: float) -> None:
        self._aws, self._namespace, self._seconds = aws, namespace, seconds_a_minute
        self._sqs, self._ecs = aws.client("sqs"), aws.client("ecs")
        self._cluster, self._service = cluster, service
        self._urls: dict[str, str] = {}

    def published(self, metric: Metric) -> float | None:
        """SQS's counts, the running tasks, and what workers write into their logs; nothing else is published here."""
        dimensions = dict(metric.dimensions)
        match metric.namespace:
            case "AWS/SQS" if metric.name in _COUNTS:
                name = dimensions["QueueName"]
                url = self._urls.get(name) or self._urls.setdefault(name, self._sqs.get_queue_url(QueueName=name)["QueueUrl"])
                counts = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_COUNTS[metric.name]])["Attributes"]
                return float(counts[_COUNTS[metric.name]])
            case "ECS/ContainerInsights" if metric.name == "RunningTaskCount":
                return float(self._described(dimensions["ClusterName"], dimensions["ServiceName"])["runningCount"])
            case self._namespace if metric.stat == "Average":
                told = [value for task in self._aws.tasks(self._service).values() for value in self._told(task, metric)]
                return fmean(told) if told else None
        return None

    def _told(self, task: Container, metric: Metric) -> list[float]:
        """What this worker has written last, within the last two minutes: one minute may fall between two of its lines."""
        try:
            log = task.said_since(time.time() - 2 * self._seconds)
        except NotFound:
            return []
        lines = [
            each.total
            for each in seen(log)
            if (each.name.namespace, each.name.metric) == (metric.namespace, metric.name) and each.place == dict(metric.dimensions)
        ]
        return lines[-1:]

    def running(self) -> int:
        """Tasks that run now."""
        return int(self._described(self._cluster, self._service)["runningCount"])

    def desired(self) -> int:
        """Tasks that there should be."""
        return int(self._described(self._cluster, self._service)["desiredCount"])

    def scale(self, tasks: int) -> None:
        """Have so many."""
        self._ecs.update_service(cluster=self._cluster, service=self._service, desiredCount=tasks)

    def _described(self, cluster: str, service: str) -> Any:
        [described] = self._ecs.describe_services(cluster=cluster, services=[service])["services"]
        return described


@contextmanager
def running(loop: Loop, seconds_a_minute: float) -> Iterator[None]:
    """The loop at work beside a test, for the length of the block; what goes wrong in it goes wrong at the block's end."""
    stop, wrong = threading.Event(), []

    def work() -> None:
        due = time.monotonic()
        try:
            while not stop.wait(max(0.0, due - time.monotonic())):
                loop.minute()
                due += seconds_a_minute
        except Exception as error:  # noqa: BLE001 - raised where it is seen
            wrong.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if wrong:
        raise wrong[0]

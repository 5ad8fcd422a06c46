"""Publishing jobs' ends to the operator's own systems: an SNS topic, an EventBridge event bus, or both. Without content."""

from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import said
from quarry.clock import Clock
from quarry.job import Job
from quarry.notification import Notification, NotificationStatus, Try, retried, settled
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.webhooks.event import encoded, event, event_id, event_type

_log = get_logger(__name__)
#: What rules of EventBridge match by.
SOURCE: Final = "quarry"


class Publisher:
    """Publishes each end to all there are. Where one of them takes it and the other does not, both get it again."""

    def __init__(self, topic: tuple[Any, str] | None, bus: tuple[Any, str] | None, clock: Clock, draw: Callable[[], float]) -> None:
        """`topic`: a client of SNS and the ARN; `bus`: a client of EventBridge and the name."""
        self._topic = topic
        self._bus = bus
        self._clock = clock
        self._draw = draw

    async def tell(self, job: Job, notification: Notification) -> Notification:
        """As in `Teller`."""
        body = encoded(event(job)).decode()
        try:
            if self._topic:
                await self._publish(*self._topic, job, body)
            if self._bus:
                await self._put(*self._bus, job, body)
        except (BotoCoreError, ClientError) as error:
            _log.warning(Event.PUBLISHING_FAILED, request_id=job.request_id, error=said(error) or type(error).__name__)
            return retried(notification, Try(self._clock.now(), error="not_published"), self._draw())
        return settled(notification, NotificationStatus.DELIVERED, Try(self._clock.now()))

    async def _publish(self, client: Any, topic: str, job: Job, body: str) -> None:
        told = {"event_id": event_id(job), "type": event_type(job), "tenant": job.tenant}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
        await client.publish(TopicArn=topic, Message=body, MessageAttributes=attributes)

    async def _put(self, client: Any, bus: str, job: Job, body: str) -> None:
        entry = {"EventBusName": bus, "Source": SOURCE, "DetailType": event_type(job), "Detail": body}
        answer = await client.put_events(Entries=[entry])
        # It answers 200 with failures per entry.
        if answer["FailedEntryCount"]:
            code = answer["Entries"][0].get("ErrorCode", "unknown")
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "PutEvents")  # type: ignore[typeddict-item]

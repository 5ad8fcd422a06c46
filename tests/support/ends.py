"""Where an operator hears of jobs' ends, on emulated AWS: a topic and an event bus, each with a queue behind it that keeps them."""

from dataclasses import dataclass
from typing import Any

from tests.support.stack import Stack


@dataclass(frozen=True)
class Ends:
    """The queues behind the two."""

    sqs: Any
    topic_queue: str
    bus_queue: str

    def of_topic(self) -> list[str]:
        """The messages that came to the topic since the last look."""
        return _taken(self.sqs, self.topic_queue)

    def of_bus(self) -> list[str]:
        """The events that came to the bus: what was said of an end is the `detail` of one."""
        return _taken(self.sqs, self.bus_queue)


def listening(stack: Stack) -> Ends:
    """Make them, and let workers that start from now on publish there."""
    sns, events, sqs = (stack.client(each) for each in ("sns", "events", "sqs"))
    urls = {name: sqs.create_queue(QueueName=f"{stack.name}-{name}")["QueueUrl"] for name in ("topic", "bus")}
    arns = {n: sqs.get_queue_attributes(QueueUrl=u, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"] for n, u in urls.items()}
    topic = sns.create_topic(Name=stack.name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arns["topic"], Attributes={"RawMessageDelivery": "true"})
    events.create_event_bus(Name=stack.name)
    events.put_rule(Name=stack.name, EventBusName=stack.name, EventPattern='{"source": ["quarry"]}')
    events.put_targets(Rule=stack.name, EventBusName=stack.name, Targets=[{"Id": "1", "Arn": arns["bus"]}])
    stack.env |= {"QUARRY_EVENTS__SNS_TOPIC_ARN": topic, "QUARRY_EVENTS__EVENT_BUS_NAME": stack.name}
    return Ends(sqs, urls["topic"], urls["bus"])


def _taken(sqs: Any, url: str) -> list[str]:
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for each in messages:
            bodies.append(each["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return bodies

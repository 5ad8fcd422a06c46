"""Looking for a text that should be gone: in every item of the table, every version in the bucket, every message, every log."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from quarry.job import Priority
from quarry.settings import QueueSettings
from tests.support.stack import Stack


def forms_of(canary: str) -> set[bytes]:
    """How a text may be written: as it is, escaped as JSON (in JSON, in JSON), and in base64 at each of its three offsets."""
    texts = {canary}
    for _ in range(3):
        texts |= {json.dumps(each, ensure_ascii=is_ascii)[1:-1] for each in texts for is_ascii in (True, False)}
    forms = {each.encode() for each in texts}
    for shift in range(3):
        # What the neighbours on both sides have a part in is not the text's own.
        forms.add(base64.b64encode(b"\0" * shift + canary.encode())[4 if shift else 0 : -4])
    return forms


def places(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Everything that a stack has kept, by where it lies."""
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.name, ConsistentRead=True):
        for item in page["Items"]:
            yield f"table: {item['pk']['S']} {item['sk']['S']}", json.dumps(item, ensure_ascii=False).encode()
    yield from _versions(stack)
    for letter in stack.dead_letters():
        yield "dead letters", json.dumps(letter, ensure_ascii=False).encode()
    queue = stack.client("sqs")
    for lane in Priority:
        url = queue.get_queue_url(QueueName=QueueSettings(name=stack.name).name_of(lane))["QueueUrl"]
        for message in queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", ()):
            yield f"lane {lane}", json.dumps(message, ensure_ascii=False).encode()
    for log in sorted(Path(stack.directory).glob("*.log")):
        yield f"log: {log.name}", log.read_bytes()


def _versions(stack: Stack) -> Iterator[tuple[str, bytes]]:
    bucket = stack.client("s3")
    for page in bucket.get_paginator("list_object_versions").paginate(Bucket=stack.name):
        for version in page.get("Versions", ()):
            try:
                body = bucket.get_object(Bucket=stack.name, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
            except bucket.exceptions.ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchVersion":
                    continue  # deleted since it was listed
                raise
            yield f"bucket: {version['Key']} {version['VersionId']}", version["Key"].encode() + body


def found(stack: Stack, *canaries: str) -> list[str]:
    """Where any of the texts is, in any form."""
    forms = set[bytes]().union(*map(forms_of, canaries))
    return [where for where, content in places(stack) if any(form in content for form in forms)]

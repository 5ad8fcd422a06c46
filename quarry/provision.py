"""Makes queues, table and bucket at a local endpoint. Real accounts are Terraform's: this refuses them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import sync_config, sync_session
from quarry.errors import ConfigurationError
from quarry.job import Priority
from quarry.queue.base import REMINDER_VISIBILITY, visibility_for
from quarry.settings import QueueSettings, Settings
from quarry.store.item import LISTED
from quarry.store.payloads import expiration_days

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

#: Hosts that can only be an emulator.
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1", "host.docker.internal", "ministack"})
#: SQS's longest retention. Source: the SQS service model in botocore 1.43.117 (November 2026).
RETENTION_SECONDS: Final = 14 * 86_400
#: The budget that counts is the job's; this is a backstop, set high.
MAX_RECEIVE_COUNT: Final = 1000
_ATTRIBUTES: Final[Any] = [
    {"AttributeName": name, "AttributeType": "N" if name == "check_at" else "S"}
    for name in ("pk", "sk", "list_pk", "request_id", "check_pk", "check_at")
]


def provision(settings: Settings) -> list[str]:
    """Make what is missing; what exists is left as it is.

    Returns:
        One line for each thing: `made queue quarry-jobs`, `found table quarry-jobs`.

    Raises:
        ConfigurationError: the endpoint is not local, or does not answer.
    """
    session, config = sync_session(settings.region), sync_config()
    sqs: SQSClient = session.client("sqs", config=config)
    dynamodb: DynamoDBClient = session.client("dynamodb", config=config)
    s3: S3Client = session.client("s3", config=config)
    for client in (sqs, dynamodb, s3):
        _refuse_real_account(client.meta.endpoint_url)
    with _one_sentence(sqs.meta.endpoint_url):
        return [
            *_queues(sqs, settings.queue, int(visibility_for(settings.worker.lease_seconds).total_seconds())),
            _table(dynamodb, settings.store.table),
            _bucket(s3, settings.store.bucket, settings.region, expiration_days(settings.job.retention_days)),
        ]


def _refuse_real_account(endpoint: str) -> None:
    if urlsplit(endpoint).hostname not in LOCAL_HOSTS:
        raise ConfigurationError(
            f"`quarry provision` makes things at a local endpoint only, and would make them at {endpoint}; "
            "set AWS_ENDPOINT_URL to the emulator's address, or use Terraform for a real account"
        )


@contextmanager
def _one_sentence(endpoint: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise ConfigurationError(f"the emulated AWS at {endpoint} refused: {error}") from error
    except BotoCoreError as error:
        raise ConfigurationError(f"no emulated AWS answers at {endpoint} (AWS_ENDPOINT_URL): {type(error).__name__}") from error


def _queues(sqs: "SQSClient", settings: QueueSettings, visibility: int) -> Iterator[str]:
    dlq_arn, line = _queue(sqs, f"{settings.name}-dlq", {"MessageRetentionPeriod": str(RETENTION_SECONDS)})
    yield line
    for lane in Priority:
        attributes = {
            "VisibilityTimeout": str(visibility),
            "MessageRetentionPeriod": str(RETENTION_SECONDS),
            "RedrivePolicy": f'{{"deadLetterTargetArn":"{dlq_arn}","maxReceiveCount":"{MAX_RECEIVE_COUNT}"}}',
        }
        yield _queue(sqs, settings.name_of(lane), attributes)[1]
    yield from _webhooks(sqs, settings)


def _webhooks(sqs: "SQSClient", settings: QueueSettings) -> Iterator[str]:
    """The queue of reminders. What is on it for longer than its schedule lasts is of no use."""
    _, name, dlq = settings.webhooks
    dlq_arn, line = _queue(sqs, dlq, {"MessageRetentionPeriod": str(RETENTION_SECONDS)})
    yield line
    attributes = {
        "VisibilityTimeout": str(int(REMINDER_VISIBILITY.total_seconds())),
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
        "RedrivePolicy": f'{{"deadLetterTargetArn":"{dlq_arn}","maxReceiveCount":"{MAX_RECEIVE_COUNT}"}}',
    }
    yield _queue(sqs, name, attributes)[1]


def _queue(sqs: "SQSClient", name: str, attributes: dict[str, str]) -> tuple[str, str]:
    try:
        url, verb = sqs.get_queue_url(QueueName=name)["QueueUrl"], "found"
    except sqs.exceptions.QueueDoesNotExist:
        url, verb = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], "made"  # type: ignore[arg-type]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn, f"{verb} queue {name}"


def _table(dynamodb: "DynamoDBClient", name: str) -> str:
    try:
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=_keys("pk", "sk"),
            AttributeDefinitions=_ATTRIBUTES,
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_tenant",
                    "KeySchema": _keys("list_pk", "request_id"),
                    "Projection": {
                        "ProjectionType": "INCLUDE",
                        "NonKeyAttributes": [each for each in LISTED if each != "request_id"],
                    },
                },
                {
                    "IndexName": "by_check",
                    "KeySchema": _keys("check_pk", "check_at"),
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["tenant", "request_id"]},
                },
            ],
        )  # fmt: skip
    except dynamodb.exceptions.ResourceInUseException:
        return f"found table {name}"
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"})
    return f"made table {name}"


def _keys(partition: str, sort: str) -> Any:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def _bucket(s3: "S3Client", name: str, region: str, days: int) -> str:
    # us-east-1 is the one region that must not be named here.
    where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=name, **where)
    except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        return f"found bucket {name}"
    # Objects to which no record points (any more) are nobody's: only their age tells.
    rule: Any = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": days}}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    return f"made bucket {name}"

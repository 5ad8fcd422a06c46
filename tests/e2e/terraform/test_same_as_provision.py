"""Terraform and `quarry provision` make the same queues, table and bucket: what is tested at an emulator is what runs on AWS."""

import json
from collections.abc import Iterator
from typing import Any, Final
from unittest.mock import patch

import boto3
import pytest

from quarry.job import Priority
from quarry.provision import provision
from quarry.settings import load_settings
from tests.support.emulator import emulated_aws
from tests.support.processes import ROOT
from tests.support.terraform import Root

pytestmark = pytest.mark.terraform

#: What each of them is called, by who makes it.
BY_TERRAFORM: Final = "by-terraform"
BY_US: Final = "by-us"
#: What differs because it is named, dated, counted, or added for a real account.
_QUEUES_OWN: Final = {
    "QueueArn",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "RedriveAllowPolicy",
    "Policy",
    "SqsManagedSseEnabled",
}
#: The provider knows no more than 256 KiB before its version 6, and sets them; SQS itself has 1 MiB by now. An envelope has some
#: hundred bytes.
_QUEUES_OWN_SIZE: Final = "MaximumMessageSize"
_QUEUES_COUNTS: Final = "ApproximateNumberOfMessages"
_ROOT: Final = f"""
provider "aws" {{
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  max_retries                 = 2
}}
module "queues" {{
  source        = "../modules/queues"
  name          = "{BY_TERRAFORM}"
  lease_seconds = 90
}}
module "job_table" {{
  source              = "../modules/job_table"
  name                = "{BY_TERRAFORM}"
}}
module "payload_bucket" {{
  source         = "../modules/payload_bucket"
  name           = "{BY_TERRAFORM}"
  retention_days = 30
}}
"""
LANES: Final = [*(f"-{lane}" if lane is not Priority.NORMAL else "" for lane in Priority), "-dlq", "-webhooks", "-webhooks-dlq"]


class Made:
    """Both, side by side in one emulator."""

    def __init__(self, url: str) -> None:
        self._url = url

    def client(self, service: str) -> Any:
        """A boto3 client of it."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            endpoint_url=self._url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's
        )

    def queue(self, name: str) -> dict[str, Any]:
        """A queue's attributes; its dead-letter queue by name."""
        sqs = self.client("sqs")
        attributes = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], AttributeNames=["All"])[
            "Attributes"
        ]
        found = {
            key: value
            for key, value in attributes.items()
            if key not in {*_QUEUES_OWN, _QUEUES_OWN_SIZE} and not key.startswith(_QUEUES_COUNTS)
        }
        if "RedrivePolicy" in found:
            policy = json.loads(found["RedrivePolicy"])
            to = policy["deadLetterTargetArn"].rpartition(":")[2].removeprefix(name.rpartition("by-")[0])
            found["RedrivePolicy"] = (to.replace(BY_TERRAFORM, BY_US), int(policy["maxReceiveCount"]))
        return found

    def table(self, name: str) -> dict[str, Any]:
        """A table's keys, indexes, billing and time to live."""
        dynamodb = self.client("dynamodb")
        table = dynamodb.describe_table(TableName=name)["Table"]
        return {
            "keys": table["KeySchema"],
            "attributes": sorted((each["AttributeName"], each["AttributeType"]) for each in table["AttributeDefinitions"]),
            "billing": table["BillingModeSummary"]["BillingMode"],
            "ttl": dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
            "indexes": {
                each["IndexName"]: (
                    each["KeySchema"], each["Projection"]["ProjectionType"], sorted(each["Projection"]["NonKeyAttributes"])
                )
                for each in table["GlobalSecondaryIndexes"]
            },
        }  # fmt: skip

    def expiration(self, bucket: str) -> int:
        """After how many days a bucket's objects go."""
        [rule] = self.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert (rule["Status"], rule["Filter"]["Prefix"]) == ("Enabled", "")
        days: int = rule["Expiration"]["Days"]
        return days


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Made by Terraform, and made by us from settings that say the same."""
    directory = tmp_path_factory.mktemp("same")
    with emulated_aws(directory) as url:
        root = Root(ROOT / "terraform", "same", directory / "terraform", {"AWS_ENDPOINT_URL": url})
        root.directory.mkdir()
        (root.directory / "main.tf").write_text(_ROOT)
        root.init()
        root.apply()
        environment = {
            "AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "QUARRY_ENVIRONMENT": "local", "QUARRY_QUEUE__NAME": BY_US, "QUARRY_STORE__TABLE": BY_US, "QUARRY_STORE__BUCKET": BY_US,
            "QUARRY_WORKER__LEASE_SECONDS": "90", "QUARRY_JOB__RETENTION_DAYS": "30",
        }  # fmt: skip
        with patch.dict("os.environ", environment):
            provision(load_settings())
        yield Made(url)


@pytest.mark.parametrize("lane", LANES)
def test_queues_are_alike(made: Made, lane: str) -> None:
    """Visibility, retention, delay, size, and where dead letters go after how many receipts."""
    ours, theirs = made.queue(BY_US + lane), made.queue(BY_TERRAFORM + lane)
    assert theirs == ours
    assert {"VisibilityTimeout", "MessageRetentionPeriod"} <= set(theirs)
    assert ("RedrivePolicy" in theirs) == (not lane.endswith("-dlq"))


@pytest.mark.parametrize(("dead", "sources"), [("-dlq", LANES[:3]), ("-webhooks-dlq", ["-webhooks"])])
def test_only_the_lanes_send_dead_letters(made: Made, dead: str, sources: list[str]) -> None:
    """What Terraform adds: a dead-letter queue names its sources, all three lanes, or that of reminders."""
    sqs = made.client("sqs")
    url = sqs.get_queue_url(QueueName=BY_TERRAFORM + dead)["QueueUrl"]
    allowed = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["RedriveAllowPolicy"])
    assert allowed["redrivePermission"] == "byQueue"
    assert {arn.rpartition(":")[2] for arn in allowed["sourceQueueArns"]} == {BY_TERRAFORM + each for each in sources}


def test_tables_are_alike(made: Made) -> None:
    """Keys, attributes, both indexes with what they carry, billing, time to live."""
    assert made.table(BY_TERRAFORM) == made.table(BY_US)


def test_objects_go_at_the_same_age(made: Made) -> None:
    """An object that outlives its job costs; one that goes before it loses the job."""
    assert made.expiration(BY_TERRAFORM) == made.expiration(BY_US)

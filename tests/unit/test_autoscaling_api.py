"""The tests' own Application Auto Scaling, asked by the SDK."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.autoscaling import application_auto_scaling

TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/quarry/quarry-worker",
    "ScalableDimension": "ecs:service:DesiredCount",
}


@pytest.fixture
def client() -> Iterator[Any]:
    """A client of a service that nobody else asks."""
    with application_auto_scaling() as (_, url):
        made = boto3.client(
            "application-autoscaling",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - nobody's
        )
        yield made
        made.close()


def test_what_is_put_is_told_again_until_it_is_deleted(client: Any) -> None:
    """Target, policy and action come back as they were put; a second registration changes only what it names."""
    arn = client.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=5, Tags={"a": "b"})["ScalableTargetARN"]
    client.register_scalable_target(**TARGET, MaxCapacity=9)
    tracking = {"TargetValue": 10.0, "ScaleInCooldown": 300}
    client.put_scaling_policy(
        **TARGET, PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=tracking
    )
    client.put_scheduled_action(**TARGET, ScheduledActionName="s", Schedule="rate(1 day)", ScalableTargetAction={"MinCapacity": 2})

    [target] = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[TARGET["ResourceId"]])["ScalableTargets"]
    [policy] = client.describe_scaling_policies(**TARGET, PolicyNames=["p"])["ScalingPolicies"]
    [action] = client.describe_scheduled_actions(**TARGET)["ScheduledActions"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 9)
    assert policy["TargetTrackingScalingPolicyConfiguration"] == tracking
    assert action["ScalableTargetAction"] == {"MinCapacity": 2}
    client.tag_resource(ResourceARN=arn, Tags={"c": "d"})
    client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"c": "d"}

    client.delete_scaling_policy(**TARGET, PolicyName="p")
    client.delete_scheduled_action(**TARGET, ScheduledActionName="s")
    assert client.describe_scaling_policies(**TARGET)["ScalingPolicies"] == []
    assert client.describe_scheduled_actions(**TARGET)["ScheduledActions"] == []


def test_a_target_takes_its_policies_and_actions_along(client: Any) -> None:
    """Deregistered, a target is gone with all that was put on it, and what others have stays."""
    other = TARGET | {"ResourceId": "service/quarry/other"}
    for each in (TARGET, other):
        client.register_scalable_target(**each, MinCapacity=1, MaxCapacity=5)
        client.put_scaling_policy(**each, PolicyName="p")
        client.put_scheduled_action(**each, ScheduledActionName="s", Schedule="rate(1 day)")
    client.deregister_scalable_target(**TARGET)
    left = [
        client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"],
        client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"],
        client.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"],
    ]
    assert [[each["ResourceId"] for each in kind] for kind in left] == [[other["ResourceId"]]] * 3


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("register_scalable_target", {"MinCapacity": 1}, "ValidationException"),
        ("register_scalable_target", {"MinCapacity": 5, "MaxCapacity": 1}, "ValidationException"),
        ("deregister_scalable_target", {}, "ObjectNotFoundException"),
        ("put_scaling_policy", {"PolicyName": "p"}, "ObjectNotFoundException"),
        ("put_scheduled_action", {"ScheduledActionName": "s", "Schedule": "rate(1 day)"}, "ObjectNotFoundException"),
        ("delete_scaling_policy", {"PolicyName": "p"}, "ObjectNotFoundException"),
    ],
)
def test_what_the_service_refuses_is_refused(client: Any, operation: str, members: dict[str, Any], code: str) -> None:
    """Nothing can be put on a target that is not registered, and a floor is not above its ceiling."""
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**TARGET, **members)
    assert refused.value.response["Error"]["Code"] == code

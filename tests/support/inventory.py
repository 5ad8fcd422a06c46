"""What an account has, by the services' own lists: nothing may be left of what Terraform made."""

from typing import Any, Final

from tests.support.emulated_ecs import EmulatedECS

#: Service, operation, its arguments, the member with the list, and the member of each that names it; None where each is the name.
#: What belongs to one of these, and goes with it, has no row; nor have task definitions, which stay for a rollback.
_LISTS: Final[tuple[tuple[str, str, dict[str, Any], str, str | None], ...]] = (
    ("backup", "list_backup_plans", {}, "BackupPlansList", "BackupPlanId"),
    ("backup", "list_backup_vaults", {}, "BackupVaultList", "BackupVaultName"),
    ("cloudwatch", "describe_alarms", {}, "MetricAlarms", "AlarmName"),
    ("dynamodb", "list_tables", {}, "TableNames", None),
    ("ec2", "describe_security_groups", {}, "SecurityGroups", "GroupId"),
    ("ec2", "describe_subnets", {}, "Subnets", "SubnetId"),
    ("ec2", "describe_vpc_endpoints", {}, "VpcEndpoints", "VpcEndpointId"),
    ("ec2", "describe_vpcs", {}, "Vpcs", "VpcId"),
    ("ecs", "list_clusters", {}, "clusterArns", None),
    ("elbv2", "describe_load_balancers", {}, "LoadBalancers", "LoadBalancerName"),
    ("elbv2", "describe_target_groups", {}, "TargetGroups", "TargetGroupName"),
    ("iam", "list_roles", {}, "Roles", "RoleName"),
    ("logs", "describe_log_groups", {}, "logGroups", "logGroupName"),
    ("s3", "list_buckets", {}, "Buckets", "Name"),
    ("sns", "list_topics", {}, "Topics", "TopicArn"),
    ("sqs", "list_queues", {}, "QueueUrls", None),
    ("wafv2", "list_web_acls", {"Scope": "REGIONAL"}, "WebACLs", "Name"),
)

Inventory = dict[str, set[str]]


def inventory(aws: EmulatedECS) -> Inventory:
    """The names of what there is, by the operation that lists it."""
    found: Inventory = {}
    for service, operation, arguments, members, name in _LISTS:
        answer = getattr(aws.client(service), operation)(**arguments)
        found[f"{service} {operation}"] = {str(each if name is None else each[name]) for each in answer.get(members, [])}
    return found


def beyond(now: Inventory, before: Inventory) -> Inventory:
    """What there is now and was not before."""
    return {kind: names - before[kind] for kind, names in now.items() if names - before[kind]}

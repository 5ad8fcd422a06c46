"""The tables of the page on IAM permissions: what Terraform's module `roles` grants, statement by statement, and what it is for."""  # noqa: INP001 - beside a script, no package

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from docs.markdown import table

MODULE: Final = Path(__file__).resolve().parents[1] / "terraform" / "modules" / "roles"
_STATEMENT: Final = re.compile(
    r'Sid\s*=\s*"(?P<sid>\w+)"\s*Effect\s*=\s*"Allow"\s*Action\s*=\s*\[(?P<actions>[^]]*)\]\s*Resource\s*=\s*(?P<resource>.+)\n'
    r"(?P<condition>\s*Condition)?"
)
#: A component → the files that its statements are in.
_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "worker": ("worker", "execution", "main"),
    "producer": ("producer", "main"),
    "execution": ("execution",),
    "operator": ("operator", "main"),
}
#: What the module writes for a resource → what it is.
_RESOURCES: Final[Mapping[str, str]] = {
    "concat(local.lanes, local.dlqs)": "the lanes' queues, the dead-letter queue",
    "concat(local.lanes, local.dlqs, local.webhooks, local.webhook_dlqs)": "every queue",
    "concat(local.lanes, local.webhooks)": "the lanes' queues, and that of reminders",
    "concat(local.dlqs, local.webhook_dlqs)": "the dead-letter queues",
    "var.event_topic_arn == null ? [] : [var.event_topic_arn]": "`event_topic_arn`",
    "var.event_bus_arn == null ? [] : [var.event_bus_arn]": "`event_bus_arn`",
    "local.lanes": "the lanes' queues",
    "local.dlqs": "the dead-letter queue",
    "local.keys": "`kms_key_arns`",
    "[var.job_table_arn]": "the job table",
    '["${var.job_table_arn}/index/by_check"]': "its index `by_check`",
    '["${var.job_table_arn}/index/by_tenant"]': "its index `by_tenant`",
    "[var.payload_bucket_arn]": "the payload bucket",
    '["${local.objects}/payload-*.json"]': "`*/*/payload-*.json` in it",
    '["${local.objects}/payload-*.json", "${local.objects}/result-*.json"]': "`*/*/payload-*.json` and `*/*/result-*.json` in it",
    '["${local.objects}/result-*.json"]': "`*/*/result-*.json` in it",
    "sort(var.model_arns)": "`model_arns`",
    "sort(var.guardrail_arns)": "`guardrail_arns`",
    "sort(var.endpoint_arns)": "`endpoint_arns`",
    "sort(var.provider_secret_arns)": "`provider_secret_arns`",
    "sort(var.secret_arns)": "`secret_arns`",
    "local.tasks": "tasks of `cluster_name`",
    "sort(var.repository_arns)": "`repository_arns`",
    "local.log_streams": "streams of `log_group_arns`",
    'var.producer_platform == "lambda" ? local.log_streams : []': "streams of `log_group_arns`, on Lambda only",
    'length(var.repository_arns) > 0 ? ["*"] : []': "all: AWS knows no resource for it",
    "length(secrets) > 0 ? local.secret_keys : []": "`kms_key_arns`, `secret_key_arns`",
}
#: What a statement is for, in each component that has it; and, where it has a condition, in which cases it holds.
_FOR: Final[Mapping[str, str]] = {
    "worker FindQueues": "at the start, to find the queues by their names",
    "worker WorkLanes": "receive and settle; keep a message away while its job is worked; send again what waits long, or has "
    "lost its message. "
    "`GetQueueAttributes`: at the start, where `QUARRY_QUEUE__URL` names the queues",
    "worker BuryJobs": "bury what failed for good",
    "worker FindTable": "at the start, to see that the table is there",
    "worker WorkJobs": "claim, renew, record; the sweep; heartbeats; the text of streams. *Not where the partition holds keys of "
    "callers.*",
    "worker HearOfCancelsAndWorkers": "hear of cancels, and of other workers. *Only in those partitions: not what other jobs say.*",
    "worker TakeNotices": "remove a notice that was read. *Only there.*",
    "worker EraseJobs": "the sweep keeps what was promised to who [erases](privacy.md) a job. *Only partitions of tenants.*",
    "FindTexts": "find the text of streams, to erase it. *Only its keys, in partitions of tenants: not what it says.*",
    "FindContent": "find all versions of a job's objects, to erase them",
    "EraseContent": "[erase](privacy.md) payloads and results, version by version",
    "worker FindDueJobs": "the sweep looks for jobs that nobody holds, and for erasures",
    "worker FindBucket": "at the start, to see that the bucket is there; and S3 tells a missing object from a forbidden one only "
    "then",
    "worker ReadPayloads": "large prompts",
    "worker WriteResults": "large answers",
    "worker CallModels": "Converse and InvokeModel; ConverseStream. AWS has no actions of those names",
    "worker ApplyGuardrails": "guardrails of [tenants](guard.md#bedrocks-guardrails), and those that jobs name",
    "worker CallEndpoints": "routes to SageMaker",
    "worker ReadProviderKeys": "keys of other providers (`api_key_secret`), and secrets that sign webhooks (`secret_arn`)",
    "worker PublishEnds": "publish [ends of jobs](webhooks.md#topics-and-event-buses) to the topic",
    "worker PutEnds": "put them on the event bus",
    "worker ProtectTasks": "the ECS agent, on the worker's behalf: "
    "[keep the task](workers.md#protected-while-calls-run) while it makes paid calls",
    "producer FindQueues": "at the start, to find the queues by their names",
    "producer SendJobs": "submit. `GetQueueAttributes`: `/readyz` asks whether the queues are there",
    "producer FindTable": "at the start, to see that the table is there",
    "producer SubmitAndReadJobs": "submit (`PartiQLInsert`, which is what BatchExecuteStatement is authorised as); "
    "read; follow. *Only "
    "partitions of tenants.*",
    "producer SubmitOnceAndNotify": "jobs with an idempotency key; tell a worker of a cancel; tombstones of what was erased. "
    "*Not where keys of callers, heartbeats or roles are.*",
    "producer CancelJobsAndKnowCallers": "look up several jobs; cancel; know a caller by its key, and note the use. *Not "
    "where notices, heartbeats or "
    "roles are.*",
    "producer WithdrawAndEraseJobs": "take back a job that could not be sent; [erase](privacy.md) one. *Only "
    "partitions of tenants.*",
    "producer ListJobs": "list a tenant's jobs",
    "producer FindBucket": "at the start, to see that the bucket is there",
    "producer WritePayloads": "large prompts",
    "producer ReadResults": "large answers; a link to one can do what its signer can",
    "producer WriteLogs": "a function writes its own log; a task's is written by ECS",
    "execution LogInToRegistry": "log in to ECR",
    "execution PullImages": "pull the images",
    "execution WriteLogs": "write the containers' logs",
    "execution ReadSecrets": "put secrets into the containers' environment",
    "DecryptSecrets": "secrets under a key of yours. *Only through Secrets Manager.*",
    "operator FindQueues": "`quarry doctor`; the start of every command",
    "operator HandleDeadLetters": "`quarry dlq`: look at messages, put them back, remove them",
    "operator SendRedrivenJobs": "`quarry dlq redrive`",
    "operator FindTable": "`quarry doctor`; the start of every command",
    "operator RedriveJobsAndEndKeys": "`quarry dlq`; `quarry keys revoke` and `rotate`. *Not where notices, heartbeats or roles "
    "are.*",
    "operator ListKeys": "`quarry keys list`. *Only the keys of callers.*",
    "operator MakeKeys": "`quarry keys create` and `rotate`. *Only keys of callers, and only in a transaction.*",
    "operator FindJobs": "`quarry dlq list`, `quarry erase`, and what is chosen by filters",
    "operator EraseJobs": "`quarry erase`. *Only partitions of tenants.*",
    "operator PromiseErasures": "`quarry erase`: a tombstone, and word to who works the job. *Not where keys of "
    "callers, heartbeats or "
    "roles are.*",
    "operator FindBucket": "`quarry doctor`; the start of `quarry dlq`",
    "operator ShowAndRefreshPayloads": "`quarry dlq show --content`; a redriven job's payload is copied onto itself, so "
    "that it does not "
    "expire",
    "DecryptThroughServices": "read what is encrypted under a key of yours. *Only through SQS, S3 and DynamoDB.*",
    "EncryptThroughServices": "write it. *Only through SQS and S3.*",
}  # fmt: skip


def granted(component: str) -> Iterator[tuple[str, tuple[str, ...], str, bool]]:
    """The statements of a component: Sid, actions, resource as the module writes it, and whether there is a condition."""
    for name in _FILES[component]:
        for each in _STATEMENT.finditer((MODULE / f"{name}.tf").read_text(encoding="utf-8")):
            if component == "worker" and name == "execution" and each["sid"] != "DecryptSecrets":
                continue  # this one they share
            yield each["sid"], tuple(re.findall(r'"([^"]+)"', each["actions"])), each["resource"], bool(each["condition"])


def statements(component: str) -> str:
    """One row for each statement of a component."""
    rows = []
    for sid, actions, resource, has_condition in granted(component):
        purpose = _FOR.get(f"{component} {sid}") or _FOR[sid]
        if has_condition != ("*" in purpose):
            raise ValueError(f"{component} {sid}: the page does not say what its condition does, or says it of none")
        rows.append((f"`{sid}`", ", ".join(f"`{action}`" for action in actions), _RESOURCES[resource], purpose))
    return table(("statement", "actions", "on", "what for"), rows)

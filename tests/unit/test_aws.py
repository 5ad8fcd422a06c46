"""AWS clients: what is wrong with the environment is said in one sentence, and every answer's date is seen."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from quarry.aws import dynamodb_client, missing_permission, new_session, said, sync_session, unavailable
from quarry.errors import ConfigurationError, StoreUnavailable
from quarry.store.table import DynamoTable


async def test_a_profile_that_does_not_exist_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the services and for the tools."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match=r"AWS_PROFILE.*nobody"):
        sync_session("us-east-1")
    with pytest.raises(ConfigurationError, match=r"AWS_PROFILE.*nobody"):
        async with dynamodb_client("us-east-1", 1):
            pass


class _Late(BaseHTTPRequestHandler):
    """A DynamoDB whose clock stands still. `signed` has who signed each request."""

    signed: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.signed.append(self.headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        body = json.dumps({"TableNames": []}).encode()
        self.send_response_only(200)
        self.send_header("Date", "Sat, 21 Nov 2026 06:15:50 GMT")
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server to which the environment leads."""
    server = HTTPServer(("127.0.0.1", 0), _Late)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("operation", ["list_tables", "get_item"], ids=["the SDK's way", "the short way"])
async def test_the_date_of_every_answer_is_seen(operation: str) -> None:
    """By it a machine knows how far its clock is off."""
    request = {"TableName": "t", "Key": {}} if operation == "get_item" else {}
    dates: list[str] = []
    before = time.monotonic()

    def observe(date: str, asked_at: float) -> None:
        assert before <= asked_at <= time.monotonic()
        dates.append(date)

    async with dynamodb_client("us-east-1", 1, observe=observe) as client:
        for _ in range(2):
            await getattr(client, operation)(**request)
    assert dates == ["Sat, 21 Nov 2026 06:15:50 GMT"] * 2


@pytest.mark.usefixtures("late")
async def test_a_client_is_of_the_session_that_it_is_given() -> None:
    """Its credentials are found once for all clients, and not looked for anew by each."""
    session = new_session()
    session.set_credentials("AKIDOFTHESESSION", "secret")
    async with dynamodb_client("us-east-1", 1, session) as client:
        await client.list_tables()
    assert _Late.signed[-1] == "AKIDOFTHESESSION"


def test_who_gives_no_answer_is_named() -> None:
    """Whoever has the wrong endpoint, or none, sees which one was asked; what was asked there is not told."""
    error = EndpointConnectionError(endpoint_url="http://127.0.0.1:4566/bucket/tenant?signature")
    told = str(unavailable(StoreUnavailable, "DynamoDB", "describe", error))
    assert told == "DynamoDB could not describe: EndpointConnectionError at http://127.0.0.1:4566"
    assert str(unavailable(StoreUnavailable, "DynamoDB", "describe", TimeoutError())) == "DynamoDB could not describe: TimeoutError"


async def test_a_table_that_nobody_answers_for_is_named() -> None:
    """The first thing that a process asks: without its emulator, that is all that its user sees."""

    class Away:
        async def describe_table(self, **_: object) -> None:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:4566")

    with pytest.raises(StoreUnavailable, match=r"^DynamoDB could not describe the table 'jobs': EndpointConnectionError at http"):
        await DynamoTable(cast("Any", Away()), "jobs").check()


def _refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "SendMessage")  # type: ignore[typeddict-item]


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "KmsAccessDenied"])
def test_a_missing_permission_is_named(code: str) -> None:
    """Action and resource, as AWS says them: who mends a role must not have to guess."""
    sentence = (
        "User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:…"
    )
    told = unavailable(StoreUnavailable, "SQS", "send", _refusal(code, sentence))
    assert (str(told), told.applied) == (f"SQS could not send: {code}: {sentence}", False)


def test_what_else_aws_says_is_not_repeated() -> None:
    """It may have in it what was sent."""
    assert said(_refusal("ValidationException", "One or more parameter values: a prompt")) == "ValidationException"


def test_of_a_models_refusal_only_the_permission_is_told() -> None:
    """Other messages of providers may have in them what was sent."""
    model = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
    message = (
        f"User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: bedrock:InvokeModel on resource: {model} because no …"
    )
    assert missing_permission(message) == f"is not authorized to perform: bedrock:InvokeModel on resource: {model}"
    assert missing_permission("The prompt 'Hello' is not allowed.") is None

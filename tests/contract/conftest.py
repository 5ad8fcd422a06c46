"""Where the contract suites run: the fake, and the adapter over HTTP on two emulators."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import uuid4

import pytest
import pytest_asyncio
import uvloop
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from quarry.aws import dynamodb_client, sqs_client
from quarry.provision import provision
from quarry.settings import load_settings
from quarry.store.dynamodb import DynamoStore
from quarry.testing import MemoryStore
from tests.contract.lanes import HASTE, LONG, Lane, open_lane
from tests.contract.tables import RETENTION, Table
from tests.contract.unkind import UnkindAws, serving_unkind_aws

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from types_aiobotocore_sqs import SQSClient

REGION: Final = "us-east-1"
FAKE: Final = "fake"
_URLS: Final = {"ministack": "aws_url", "moto": "moto_url"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The services' loop. Providers on Python's own too: how a connection broke is told by what the loop raises, and a call that
    was sent must not be taken for an unsent one.
    """
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    return loops | {"asyncio": asyncio.new_event_loop} if item.path.name.startswith("test_provider") else loops


class Backend:
    """What is under test, by name, and what is known to be wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def is_fake(self) -> bool:
        """Whether it is ours, in memory."""
        return self.name == FAKE


Faulty: TypeAlias = "FaultyFixture"


class FaultyFixture:
    """`faulty(moto="moto 5.2.5 forgets …")`: there the test must fail, and goes red when the emulator is mended."""

    def __init__(self, request: pytest.FixtureRequest, backend: Backend) -> None:
        self._request = request
        self._backend = backend

    def __call__(self, **faults: str) -> None:
        if self._backend.name in faults:
            self._request.applymarker(pytest.mark.xfail(reason=faults[self._backend.name], strict=True))


def one_write_at_a_time(emulator: "WSGIApplication") -> "WSGIApplication":
    """Moto 5.2.5 holds no lock between a condition and its write, nor while a transaction copies its tables: of two concurrent
    requests both may succeed, or one be answered with status 500. Its answers to DynamoDB are whole; so it is asked for one at a
    time.
    """
    lock = Lock()

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        with lock if environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB") else nullcontext():
            return emulator(environ, start_response)

    return app


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The second emulator, in this process."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", 0, one_write_at_a_time(DomainDispatcherApplication(create_backend_app)), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", params=[FAKE, *_URLS])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """What is under test. With an emulator, the environment leads to it."""
    name: str = request.param
    with pytest.MonkeyPatch.context() as environment:
        if name in _URLS:
            environment.setenv("AWS_ENDPOINT_URL", request.getfixturevalue(_URLS[name]))
            environment.setenv("AWS_REGION", REGION)
            environment.setenv("AWS_ACCESS_KEY_ID", "test")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
            environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
            environment.setenv("QUARRY_ENVIRONMENT", "local")
        yield Backend(name)


@pytest.fixture
def faulty(request: pytest.FixtureRequest, backend: Backend) -> FaultyFixture:
    """Says in which emulators a promise is broken, and how."""
    return FaultyFixture(request, backend)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def made(backend: Backend) -> AsyncIterator[Table]:
    """A store for all tests of a backend: each has a tenant of its own."""
    if backend.is_fake:
        yield Table(MemoryStore(), "")
        return
    name = f"q{uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("QUARRY_STORE__TABLE", name)
        environment.setenv("QUARRY_QUEUE__NAME", name)
        provision(load_settings())
    async with dynamodb_client(REGION, 50) as client:
        yield Table(DynamoStore(client, name, RETENTION), "", client, name, creates=backend.name != "moto")


@pytest.fixture
def table(made: Table) -> Table:
    """A store in which this test is alone."""
    return replace(made, tenant=f"t{uuid4().hex[:8]}")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sqs(backend: Backend) -> AsyncIterator["SQSClient | None"]:
    """One client for all lanes of an emulator."""
    if backend.is_fake:
        yield None
        return
    async with sqs_client(REGION, 50) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def lane(sqs: "SQSClient | None", monkeypatch: pytest.MonkeyPatch) -> Lane:
    """A lane on which nothing comes again by itself within a test."""
    return await open_lane(sqs, LONG, monkeypatch)


@pytest_asyncio.fixture(loop_scope="module")
async def hasty(sqs: "SQSClient | None", monkeypatch: pytest.MonkeyPatch) -> Lane:
    """A lane on which what is not settled comes again after some seconds."""
    return await open_lane(sqs, HASTE, monkeypatch)


@pytest_asyncio.fixture(loop_scope="module")
async def unkind(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UnkindAws]:
    """An AWS that answers by script; the environment leads to it."""
    async with serving_unkind_aws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield aws

"""Where the contract suites run: the fake, and the adapter over HTTP on two emulators."""

import logging
from collections.abc import Iterator
from typing import Final, TypeAlias

import pytest
from moto.server import ThreadedMotoServer

REGION: Final = "us-east-1"
FAKE: Final = "fake"
_URLS: Final = {"ministack": "aws_url", "moto": "moto_url"}


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

    def now_and_then(self, **faults: str) -> None:
        """Where the test fails by chance only."""
        if self._backend.name in faults:
            pytest.skip(faults[self._backend.name])


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The second emulator, in this process."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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

"""What the container tests share: the engine, a Quarry in containers, and the figures of the run."""

from collections.abc import Iterator

import pytest

from tests.support.containers import Engine, Site, site
from tests.support.figures import written


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The container engine. Without one the tests fail, in one sentence."""
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def running_site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Emulated AWS and a simulator in containers."""
    with site(engine, tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def here(running_site: Site) -> Iterator[Site]:
    """The same, with a simulator that knows no rules and has counted nothing."""
    running_site.simulator.reset()
    running_site.workers.clear()
    yield running_site
    running_site.simulator.reset()


@pytest.fixture(scope="session")
def figures(engine: Engine) -> Iterator[dict[str, str]]:
    """What was measured, by its name; printed at the end, and recorded where `CONTAINER_FIGURES` names a file."""
    told = engine.client.info()
    measured = {"engine": f"{told['ServerVersion']} ({told['Driver']})"}
    yield measured
    written("CONTAINER_FIGURES", measured, "make test-containers CONTAINER_FIGURES=docs/reference/containers.json")

"""What the container tests share: the engine, a Quarry in containers, and the figures of the run."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.containers import Engine, Site, site

#: Where figures are written, if it is set: `make test-containers CONTAINER_FIGURES=docs/reference/containers.json`.
FIGURES = os.environ.get("CONTAINER_FIGURES")


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
    """What was measured, by its name; printed at the end."""
    told = engine.client.info()
    engine_is = f"engine {told['ServerVersion']} ({told['Driver']})"
    where = f"{told['NCPU']} cores, {os.uname().machine}, {engine_is}, {datetime.now(UTC):%Y-%m-%d}"
    measured = {"where and when": where}
    yield measured
    print("\n" + "\n".join(f"  {name}: {value}" for name, value in measured.items()))  # noqa: T201 - it is what this is for
    if FIGURES:
        path = Path(FIGURES)
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(before | measured, indent=1) + "\n")

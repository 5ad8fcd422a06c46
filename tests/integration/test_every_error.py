"""Every error and stop reason that Bedrock knows, on every place of a route: what the documents say is what happens."""

import pytest

from tests.support.positions import BLOCK, PAGE, leading_to, written
from tests.support.simulator import Simulator


async def test_the_page_says_what_happens(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell is tried over HTTP, and the page is exactly that.

    Red when: `quarry/inference/verdicts.py`: `"ModelNotReadyException": errors.ModelNotReady,` ->
    `"ModelNotReadyException": errors.ModelFailed,`
    Red when: `quarry/inference/verdicts.py`: `"guardrail_intervened": True,` -> `"guardrail_intervened": False,`
    Red when: `quarry/inference/engine.py`: `busy = [error for error in errors if error.lacks_capacity]` -> `busy = []`
    """
    for name, value in leading_to(simulator).items():
        monkeypatch.setenv(name, value)
    found = BLOCK.search(PAGE.read_text())
    assert found is not None
    told = await written(simulator)
    assert found[0].removeprefix(found[1]).removesuffix(found[2]).strip() == told.strip()

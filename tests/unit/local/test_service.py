"""What `quarry local` says, and what it refuses before anything is started."""

import os
import sys
from pathlib import Path

import pytest

from quarry.errors import ConfigurationError
from quarry.local import processes
from quarry.local.ports import Ports
from quarry.local.processes import ChildFailed, children
from quarry.local.service import serve, wait
from quarry.local.stack import LocalStack, Plan
from quarry.simulator import smollm2


def test_a_part_that_dies_is_named_at_once(tmp_path: Path) -> None:
    """Stopping the others takes seconds; who watches is told before."""
    said: list[str] = []
    with children(tmp_path) as started:
        started.start("emulator", [sys.executable, "-c", "raise SystemExit(3)"], os.environ)
        stack = LocalStack("", "", "", {}, "echo", "", {}, started)
        with pytest.raises(ChildFailed, match=r"emulator ended with 3; the end of .*emulator\.log"):
            wait(stack, said.append)
    assert said == ["emulator ended with 3: stopping"]


@pytest.mark.parametrize("content", [None, "[{}]", "{"])
def test_a_wrong_script_is_refused_before_anything_is_made(content: str | None, tmp_path: Path) -> None:
    """The simulator would say so in its log, a minute later."""
    script, data = tmp_path / "faults.json", tmp_path / "data"
    if content is not None:
        script.write_text(content)
    plan = Plan(ports=Ports(api=0, aws=0, simulator=0, metrics=0), script=script, data=data)
    with pytest.raises(ConfigurationError, match=r"faults\.json"):
        serve(plan, say=pytest.fail, show=pytest.fail)
    assert not data.exists()


def test_a_model_that_loads_slowly_is_given_up_before_the_simulator_is() -> None:
    """The stack then echoes, and does not end. Python and its imports take their seconds, too."""
    assert smollm2._LOAD_SECONDS + 15 <= processes._START_SECONDS  # noqa: SLF001 - two waits, of which one holds the other

"""What a plan refuses, it refuses with the reason: `terraform test` sees only that it does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.terraform import Root

pytestmark = pytest.mark.terraform

TESTS = ROOT / "terraform" / "tests"
_RUN = re.compile(r'^run "(refuses_\w+)" \{\n  # Says: ([^\n]+)\n(.*?)^\}\n', re.MULTILINE | re.DOTALL)
_EXPECTED = re.compile(r"^  expect_failures = \[.+\]\n", re.MULTILINE)


def refusals() -> Iterator[tuple[str, str, str]]:
    """A test file of its own for each refusal, without what expects it: its name, what it should say, its text."""
    for path in sorted(TESTS.glob("*.tftest.hcl")):
        text = path.read_text()
        begin = text[: text.index('\nrun "')]
        for name, says, body in _RUN.findall(text):
            yield f"{path.name.partition('.')[0]}_{name}", says, f'{begin}\nrun "{name}" {{\n{_EXPECTED.sub("", body)}}}\n'


REFUSALS = list(refusals())


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What Terraform said in each file, in one line."""
    root = Root(ROOT / "terraform", ".", tmp_path_factory.mktemp("refusals") / "terraform", {})
    for path in (root.directory / "tests").glob("*.tftest.hcl"):
        path.unlink()
    for name, _, text in REFUSALS:
        (root.directory / "tests" / f"{name}.tftest.hcl").write_text(text)
    root.init()
    found: dict[str, str] = {}
    for line in root.test():
        diagnostic = line.get("diagnostic", {})
        name = Path(line.get("@testfile", "")).name.partition(".")[0]
        found[name] = f"{found.get(name, '')} {' '.join(diagnostic.get('detail', '').split())}"
    return found


def test_every_refusal_says_something() -> None:
    """A refusal in `terraform/tests` whose reason is not written there would not be looked at here."""
    named = [
        name for path in TESTS.glob("*.tftest.hcl") for name in re.findall(r'^run "(refuses_\w+)"', path.read_text(), re.MULTILINE)
    ]
    assert len(REFUSALS) == len(named) > 0


@pytest.mark.parametrize(("name", "says"), [(name, says) for name, says, _ in REFUSALS], ids=[name for name, _, _ in REFUSALS])
def test_a_refusal_has_its_reason(said: dict[str, str], name: str, says: str) -> None:
    """Whoever is refused reads why, and so what to do."""
    assert says in said[name]

"""`make mutants` tells a test that holds its promise from one that does not, and leaves the tree as it is."""

from pathlib import Path

import pytest

from tests import mutants

PROJECT = '[tool.pytest.ini_options]\npythonpath = ["."]\naddopts = "--import-mode=importlib"\n'
QUARRY = "ONE = 1\nTWO = 2\n"
CLI = "from quarry import ONE\n\ndef main():\n    print(ONE)\n"
TESTS = """
import subprocess, sys
from pathlib import Path
import pytest
import quarry

@pytest.fixture
def two():
    assert quarry.TWO == 2

def test_killed():
    '''Red when: `quarry/__init__.py`: `ONE = 1` -> `ONE = 2`'''
    Path("left_behind").touch()
    assert quarry.ONE == 1

def test_killed_in_a_process_elsewhere():
    '''Red when: `quarry/__init__.py`: `ONE = 1` -> `ONE = 2`'''
    for command in ([sys.executable, "-c", "from quarry.cli import main; main()"], [Path(sys.executable).with_name("quarry")]):
        assert subprocess.run(command, cwd="/", capture_output=True, text=True).stdout == "1\\n"

def test_survived():
    '''Red when: `quarry/__init__.py`: `TWO = 2` -> `TWO = 3`'''
    assert quarry.ONE == 1

def test_broken_by_another_exception():
    '''Red when: `quarry/__init__.py`: `ONE = 1` -> `ONE = 0`'''
    assert 1 / quarry.ONE == 1

def test_broken_at_import():
    '''Red when: `quarry/__init__.py`: `ONE = 1` -> `ONE = NONE`'''
    assert quarry.ONE == 1

def test_broken_in_a_fixture(two):
    '''Red when: `quarry/__init__.py`: `TWO = 2` -> `TWO = 3`'''

def test_broken_by_a_name():
    '''Red when: `quarry/cli.py`: `print(ONE)` -> `print(NONE)`'''
    done = subprocess.run([sys.executable, "-c", "import quarry.cli; quarry.cli.main()"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

def test_not_green():
    '''Red when: `quarry/__init__.py`: `ONE = 1` -> `ONE = 2`'''
    assert quarry.ONE == 3
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with a package of the same name as the one that is installed."""
    made = tmp_path / "tree"
    for path, text in (
        ("pyproject.toml", PROJECT),
        ("quarry/__init__.py", QUARRY),
        ("quarry/cli.py", CLI),
        # What the installed `quarry` starts.
        ("quarry/__main__.py", "from quarry.cli import main\n"),
        ("tests/integration/test_it.py", TESTS),
    ):
        file = made / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return made


def contents(tree: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_each_mutant_gets_its_verdict(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a failed assertion kills; what a test starts, wherever that runs, is the mutant; the tree is not touched.

    Red when: `tests/mutants.py`: `os.environ | {"PYTHONPATH": str(tree)}` -> `os.environ`: what is installed is imported.
    Red when: `tests/mutants.py`: `if _ASSERTION.match(message) and not` -> `if not`: every failure counts.
    Red when: `tests/mutants.py`: `and not (cannot := _CANNOT_RUN.search(text)):` -> `and not (cannot := None):`
    Red when: `tests/mutants.py`: `shutil.copytree(tree, folder / "green", symlinks=True, ignore=_NOT_COPIED)` ->
    `(folder / "green").symlink_to(tree)`: what tests leave behind is in the tree.
    """
    before = contents(tree)
    assert mutants.main([], tree) == 1
    rows = [line.partition(" s  ") for line in capsys.readouterr().out.splitlines() if "::" in line]
    found = {test.partition("::test_")[2]: verdict[:9].strip() for verdict, _, test in rows}
    assert found == {
        "killed": "killed",
        "killed_in_a_process_elsewhere": "killed",
        "survived": "survived",
        "broken_by_another_exception": "broken",
        "broken_at_import": "broken",
        "broken_in_a_fixture": "broken",
        "broken_by_a_name": "broken",
        "not_green": "not green",
    }
    assert contents(tree) == before


def test_all_killed_is_a_success_and_nothing_found_is_an_error(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 0 only where there was something to show, and all of it was shown. Where nothing is meant, not
    everything is run.

    Red when: `tests/mutants.py`: `if not mutations:` -> `if mutations is None:`
    """
    assert mutants.main(["-k", "test_killed"], tree) == 0
    assert "2 mutants in" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        mutants.main(["-k", "nothing"], tree)
    assert ended.value.code == 2
    assert "no test that names a mutation has nothing in its name" in capsys.readouterr().err

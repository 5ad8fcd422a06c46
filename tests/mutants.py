"""`make mutants`: each mutation that a test names is applied to a copy of the tree, and shown to turn that test red.

A mutant is killed where the test fails by an assertion. One that does not import, an error in a fixture, another exception and a
time-out show nothing about the promise: they are reported as broken.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.support.mutations import Mutation, all_tests

ROOT = Path(__file__).resolve().parents[1]
KILLED, SURVIVED, BROKEN, NOT_GREEN = "killed", "survived", "broken", "not green"
#: How a report begins when a test failed by an assertion of its own; a subclass would show its own name.
_ASSERTION = re.compile(r"AssertionError|assert |Failed: DID NOT (RAISE|WARN)")
#: A mutant that could not even run, in a test's own process or in the log of one that it started.
_CANNOT_RUN = re.compile(r"\b(ImportError|ModuleNotFoundError|SyntaxError|NameError|UnboundLocalError)\b")
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".prometheus", ".*_cache", ".hypothesis", "__pycache__")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant; `why` is empty where it was killed."""

    mutation: Mutation
    verdict: str
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Mutants:
    """A tree as it stood when this began, and a folder for mutants of it."""

    folder: Path
    timeout_seconds: float

    @classmethod
    def of(cls, tree: Path, folder: Path, timeout_seconds: float) -> "Mutants":
        """Copy the tree, so that work in it may go on. Its environments are linked."""
        shutil.copytree(tree, folder / "green", symlinks=True, ignore=_NOT_COPIED)
        for environment in (*tree.glob(".venv*"), *tree.glob(".prometheus")):
            (folder / "green" / environment.name).symlink_to(environment.resolve())
        return cls(folder, timeout_seconds)

    def mutations(self, parts: Sequence[str]) -> list[Mutation]:
        """Those of tests whose names hold one of `parts`; all where there are none."""
        wanted = (test for test in all_tests(self.folder / "green") if any(part in test.name for part in parts or ("",)))
        return [each for test in wanted for each in test.mutations]

    def green(self, tests: Iterable[str]) -> set[str]:
        """Those of the tests that pass in the tree as it is."""
        names = dict.fromkeys(tests)
        self._pytest("green", *names, timeout_seconds=None)
        passed: dict[str, bool] = {}
        for case in self._report("green").iter("testcase"):
            name = f"{(case.get('classname') or '').replace('.', '/')}.py::{(case.get('name') or '').partition('[')[0]}"
            passed[name] = passed.get(name, True) and all(each.tag in {"skipped", "properties"} for each in case)
        return {name for name in names if passed.get(name)}

    def run(self, number: int, mutation: Mutation) -> Result:
        """Make the mutant, run its test, and take it away again."""
        name, began = f"mutant-{number}", time.monotonic()
        tree = self.folder / name
        shutil.copytree(self.folder / "green", tree, symlinks=True)
        try:
            file = tree / mutation.file
            file.write_text(mutation.applied(file.read_text()))
            verdict, why = self._judged(name, mutation)
        finally:
            shutil.rmtree(tree)
        return Result(mutation, verdict, time.monotonic() - began, why)

    def _judged(self, name: str, mutation: Mutation) -> tuple[str, str]:
        if mutation.file.endswith(".py"):
            module = mutation.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            imported = self._python(name, "-c", f"import {module}")
            if imported.returncode:
                return BROKEN, imported.stderr.strip().rpartition("\n")[2]
        try:
            said = self._pytest(name, mutation.test, timeout_seconds=self.timeout_seconds)
            report = self._report(name)
        except subprocess.TimeoutExpired:
            return BROKEN, f"not done after {self.timeout_seconds:.0f} s"
        except FileNotFoundError:
            return BROKEN, said.strip().rpartition("\n")[2]
        return verdict_of(report)

    def _pytest(self, name: str, *tests: str, timeout_seconds: float | None) -> str:
        first = () if name == "green" else ("-x",)
        options = ("-q", "-p", "no:cacheprovider", f"--basetemp={self.folder / name}.tmp", f"--junitxml={self.folder / name}.xml")
        try:
            return self._python(name, "-m", "pytest", *first, *options, *tests, timeout_seconds=timeout_seconds).stdout
        finally:
            shutil.rmtree(self.folder / f"{name}.tmp", ignore_errors=True)

    def _report(self, name: str) -> ET.Element:
        return ET.parse(self.folder / f"{name}.xml").getroot()  # noqa: S314 - pytest's own

    def _python(self, name: str, *arguments: str, timeout_seconds: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python on a copy. Every process that starts in turn, wherever it runs, imports the copy and not what is installed:
        `PYTHONPATH` comes before the path of an editable installation.
        """
        tree = self.folder / name
        command = [sys.executable, *arguments]
        with subprocess.Popen(
            command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(timeout=timeout_seconds)
            except subprocess.TimeoutExpired:
                # As Ctrl-C: pytest then ends what its fixtures have started.
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=60)
                except subprocess.TimeoutExpired:
                    process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)


def verdict_of(report: ET.Element) -> tuple[str, str]:
    """What a run of pytest on a mutant shows, and why where that is not its death. `report` is in JUnit's form."""
    failure = report.find(".//failure")
    if failure is not None:
        message, text = failure.get("message") or "", failure.text or ""
        if _ASSERTION.match(message) and not (cannot := _CANNOT_RUN.search(text)):
            return KILLED, ""
        return BROKEN, cannot[0] if _ASSERTION.match(message) and cannot else message.partition("\n")[0]
    if (error := report.find(".//error")) is not None:
        return BROKEN, f"{error.get('message')}: {(error.text or '').strip().rpartition(chr(10))[2]}"
    if any(case.find("skipped") is None for case in report.iter("testcase")):
        return SURVIVED, "the test is green"
    return BROKEN, "the test did not run"


def results(mutants: Mutants, mutations: Sequence[Mutation], jobs: int) -> Iterator[Result]:
    """Each as it is done. A test that is red anyway shows nothing."""
    green = mutants.green(each.test for each in mutations)
    with ThreadPoolExecutor(jobs) as pool:
        running = []
        for number, mutation in enumerate(mutations):
            if mutation.test in green:
                running.append(pool.submit(mutants.run, number, mutation))
            else:
                yield Result(mutation, NOT_GREEN, 0, "the test is red, skipped or left out without any mutation")
        for each in as_completed(running):
            yield each.result()


def main(arguments: Sequence[str] | None = None, tree: Path = ROOT) -> int:
    """Run the mutants that are asked for, and print a table. Returns 1 unless each was killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", metavar="PART", action="append", default=[], help="only tests whose names (file::test) hold this")
    parser.add_argument("--jobs", type=int, default=2, help="so many at the same time (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="for one mutant (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="show them and run nothing")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        mutants, began = Mutants.of(tree, Path(folder), chosen.timeout), time.monotonic()
        mutations = mutants.mutations(chosen.k)
        if not mutations:
            parser.error(f"no test that names a mutation has {' or '.join(chosen.k)} in its name")
        if chosen.list:
            print(*(f"{each.test}\n    {each}" for each in mutations), sep="\n")  # noqa: T201
            return 0
        print(f"{len(mutations)} mutants; first their tests, on the tree as it is", file=sys.stderr)  # noqa: T201
        counts: Counter[str] = Counter()
        for each in results(mutants, mutations, chosen.jobs):
            counts[each.verdict] += 1
            row = f"{each.verdict:9} {each.seconds:6.1f} s  {each.mutation.test}\n{'':20}{each.mutation}"
            print(row + (f"\n{'':20}{each.why}" if each.why else ""), flush=True)  # noqa: T201
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    print(f"{len(mutations)} mutants in {time.monotonic() - began:.0f} s: {summary or 'none'}")  # noqa: T201
    return 0 if counts[KILLED] == len(mutations) else 1


if __name__ == "__main__":
    sys.exit(main())

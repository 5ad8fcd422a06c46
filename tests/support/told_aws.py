"""AWS's command line, as far as scripts of ours call it: answers come from a file, `--query` is evaluated as the real one does.

As a program, it says what `$TOLD/SERVICE OPERATION.json` says: one answer, or a list of them, of which each call takes the next
and the last one stays; or an object of answers by the argument that `_BY` names.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]

#: What the answers of an operation depend on.
_BY = {"describe-task-definition": "--task-definition", "list-task-definitions": "--family-prefix"}


def tell(folder: Path, operation: str, answer: object) -> None:
    """Have this operation of ECS answered so."""
    folder.mkdir(exist_ok=True)
    (folder / f"ecs {operation}.json").write_text(json.dumps(answer))


def install(folder: Path) -> Path:
    """A folder for PATH with this as `aws`."""
    folder.mkdir(exist_ok=True)
    program = folder / "aws"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n')
    program.chmod(0o755)
    return folder


def as_text(found: object) -> str:
    """As `--output text` prints it: the members of a list between tabs, lists in a list on lines of their own."""
    if not isinstance(found, list):
        return str(found)
    return "\n".join(map(as_text, found)) if any(isinstance(each, list) for each in found) else "\t".join(map(str, found))


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """What a call prints."""
    service, operation, *rest = arguments
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    path = Path(environ["TOLD"]) / f"{service} {operation}.json"
    answer: Any = json.loads(path.read_text())
    if operation in _BY:
        answer = answer[options[_BY[operation]]]
    elif isinstance(answer, list):
        if len(answer) > 1:
            path.write_text(json.dumps(answer[1:]))
        answer = answer[0]
    return as_text(jmespath.search(options["--query"], answer))


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:], os.environ) + "\n")

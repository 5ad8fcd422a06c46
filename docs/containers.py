"""The generated part on containers: what the container tests have measured."""  # noqa: INP001 - beside a script, no package

import json
from pathlib import Path

from docs.markdown import table

RECORD = Path(__file__).resolve().parent / "reference" / "containers.json"


def figures() -> str:
    """A row for each figure of the record that `make test-containers CONTAINER_FIGURES=…` wrote."""
    return table(("figure", "measured"), list(json.loads(RECORD.read_text(encoding="utf-8")).items()))

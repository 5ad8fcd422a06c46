"""Writes the generated parts of the documents: `make docs`.

A page may hold blocks between `<!-- generated: NAME -->` and `<!-- end -->`; GENERATORS makes what stands in them, from the
code. `.env.example`, Prometheus's rules of objectives and Grafana's board are generated as a whole. A test fails where a page is
not what would be written now.
"""  # noqa: INP001 - a script, not a package

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from docs import (
    access,
    board,
    commands,
    errors,
    figures,
    infrastructure,
    life,
    permissions,
    rest,
    routes,
    settings,
    slos,
    targets,
    telemetry,
    tenants,
    terraform,
)

ROOT: Final = Path(__file__).resolve().parents[1]
_BLOCK: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: Name of a block → what makes it.
GENERATORS: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings.tables,
    "commands": commands.verbs_and_options,
    "metrics": telemetry.metric_catalogue,
    "labels": telemetry.label_values,
    "events": telemetry.event_names,
    "cloudwatch": telemetry.cloudwatch_metrics,
    "cloudwatch-count": telemetry.cloudwatch_count,
    "acts": access.act_names,
    "permissions": access.permissions,
    "public": access.public,
    "roles": access.roles,
    "problems": errors.problem_codes,
    "job-errors": errors.job_errors,
    "calls": rest.calls,
    "submission": rest.submission_fields,
    "queries": rest.query_fields,
    "job": rest.job_fields,
    "routes-fields": routes.fields,
    "tenants-fields": tenants.fields,
    "model-ids": routes.model_ids,
    "explanation": rest.explanation_fields,
    "two-questions": errors.two_questions,
    "status-reasons": life.status_reasons,
    "attempt-outcomes": life.attempt_outcomes,
    "transitions": life.state_diagram,
    "outcomes": life.outcome_table,
    **dict(figures.generators()),
    "iam-worker": partial(permissions.statements, "worker"),
    "iam-producer": partial(permissions.statements, "producer"),
    "iam-execution": partial(permissions.statements, "execution"),
    "iam-operator": partial(permissions.statements, "operator"),
    "emulator-gaps": infrastructure.gaps,
    "profiles": targets.profiles,
    "capabilities": targets.capabilities,
    "minimal-example": terraform.minimal_example,
    "model-facts": targets.model_facts,
}


def main() -> int:
    """Write every page anew and say which have changed."""
    for path, text in pages():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


def pages() -> Iterator[tuple[Path, str]]:
    """Every file with something generated in it, and what it should hold."""
    yield ROOT / ".env.example", settings.dotenv()
    yield ROOT / "docker" / "compose" / "prometheus" / "slos.yml", slos.rules()
    yield ROOT / "docker" / "compose" / "grafana" / "dashboards" / "quarry.json", board.board()
    yield from terraform.pages()
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            yield path, _BLOCK.sub(lambda found: f"{found[1]}\n{GENERATORS[found[2]]()}\n{found[3]}", text)


if __name__ == "__main__":
    sys.exit(main())

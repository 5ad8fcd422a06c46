"""The names in the documents are the code's: one that is renamed turns these red, on every page that still has the old one."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from docs import access, commands, errors, generate, rest, settings, telemetry
from producer import answers, idempotency, waiting
from producer.problems import OTHERS, PROBLEMS
from producer.requests import Submission
from quarry.cli import parser
from quarry.job import StatusReason
from quarry.queue.sqs import BATCH_MAX_ENTRIES
from quarry.store.dynamodb import BATCH_MAX_STATEMENTS
from quarry.telemetry import metrics
from quarry.telemetry.acts import Act
from quarry.telemetry.events import Event
from quarry.tenants.webhooks import EVENTS

ROOT = generate.ROOT
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
#: What is no page, and names settings and metrics all the same.
CONFIGURED = [ROOT / "docker-compose.yml", *sorted(path for path in (ROOT / "docker" / "compose").rglob("*") if path.is_file())]
MIGRATION = [ROOT / "docs" / "howto" / "migrate.md", ROOT / "docs" / "quickstart.md"]
VARIABLES = {settings.variable(prefix, name) for _, prefix, fields in settings.groups() for name, _ in fields}
#: What a worker marks its model calls with.
LABELS = {"quarry_request_id", "quarry_attempt"}
SPAN = re.compile(r"`([^`\n]+)`")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sources() -> list[Path]:
    """All of ours."""
    return [path for package in ("quarry", "producer", "worker") for path in (ROOT / package).rglob("*.py")]


@cache
def code() -> str:
    """Their text."""
    return "\n".join(path.read_text() for path in sources())


def metric_names() -> set[str]:
    """Every name that `/metrics` can have."""
    registry = CollectorRegistry()
    for catalogue in (metrics.ProducerMetrics, metrics.WorkerMetrics, metrics.InferenceMetrics, metrics.FilesMetrics):
        catalogue(registry)
    suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["", "_bucket", "_sum", "_count"]}
    return {each.name + suffix for each in registry.collect() for suffix in suffixes[each.type]}


def fields_of(model: type[BaseModel]) -> set[str]:
    """The fields of a model of the wire, those of its parts with a dot."""
    names = set(model.model_fields)
    for name, field in model.model_fields.items():
        parts = [each for each in vars(answers).values() if isinstance(each, type) and each.__name__ in str(field.annotation)]
        names |= {f"{name}.{below}" for each in parts if issubclass(each, BaseModel) for below in each.model_fields}
    return names


@pytest.mark.parametrize("page", [*PAGES, *CONFIGURED], ids=name_of)
def test_every_setting_on_the_pages_is_one(page: Path) -> None:
    """Whatever begins as our variables do can be set."""
    named = set(re.findall(r"\bQUARRY_[A-Z_]*[A-Z]\b", page.read_text()))
    assert named - VARIABLES == set()


@pytest.mark.parametrize("page", [*PAGES, *CONFIGURED], ids=name_of)
def test_every_metric_on_the_pages_is_one(page: Path) -> None:
    """Whatever begins as our metrics do is measured, or is a label of a model call."""
    named = set(re.findall(r"\bquarry_[a-z_]*[a-z]\b", page.read_text()))
    assert named - metric_names() - LABELS == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_event_on_the_pages_is_one(page: Path) -> None:
    """Whatever has the form of an event's name, and begins with the noun of one, is logged, or told by webhooks."""
    nouns = {event.partition(".")[0] for event in Event}
    named = {span for span in SPAN.findall(page.read_text()) if re.fullmatch(rf"({'|'.join(nouns)})\.[a-z_]+", span)}
    assert {name for name in named if not name.endswith((".py", ".md", ".toml"))} - set(Event) - {
        f"job.{end}" for end in EVENTS
    } == set()


def theirs_and_ours(page: Path) -> Iterator[str]:
    """What the second columns of the page's tables name, where the first is headed `yours`."""
    for table in re.findall(r"^\| yours \|.*\n\|[- |]+\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE):
        for row in table.splitlines():
            yield from SPAN.findall(row.split("|")[2])


def is_a_verb(words: str) -> bool:
    """Whether this begins a command line."""
    found = parser()
    for word in shlex.split(words)[1:]:
        below = dict(commands.verbs(found))
        if word not in below:
            return False
        found = below[word]
    return words.startswith("quarry ")


@pytest.mark.parametrize("page", MIGRATION, ids=name_of)
def test_what_a_migration_is_told_to_use_exists(page: Path) -> None:
    """Settings, fields of a submission and of a job, statuses, calls and verbs: each by its present name."""
    calls = {span for span in SPAN.findall(rest.calls()) if span.startswith(("GET ", "POST "))}
    known = VARIABLES | set(Submission.model_fields) | fields_of(answers.JobView) | set(StatusReason) | calls | {idempotency.HEADER}
    named = list(theirs_and_ours(page))
    assert len(named) >= 9
    assert [name for name in named if name not in known and not is_a_verb(name)] == []


def test_every_word_of_the_glossary_is_used() -> None:
    """In the names or the words of the code: a glossary of words that nobody says misleads."""
    page = (ROOT / "docs" / "glossary.md").read_text()
    words = [word for row in re.findall(r"^\| (\*\*.+?) \|", page, re.MULTILINE) for word in re.findall(r"\*\*(.+?)\*\*", row)]
    assert len(words) >= 30
    assert [word for word in words if not re.search(re.sub("[ -]", "[ _-]?", word), code(), re.IGNORECASE)] == []


def test_every_value_of_a_label_is_counted() -> None:
    """It is in the code by that name, beside being in the catalogue: as a text, or as a class whose name is the value."""
    values = {value for row in telemetry.label_values().splitlines()[2:] for value in SPAN.findall(row.split("|")[3])}
    said = re.sub(r"class (\w+)", r'"\1"', code()) + "".join(f'"{each}"' for each in ("ack", "release", "bury", "leave"))
    assert [value for value in values if f'"{value}"' not in said] == []


def test_every_code_that_has_advice_exists() -> None:
    """The page on errors names problems, errors of jobs and reasons, and forgets no problem that a caller can meet."""
    page = (ROOT / "docs" / "howto" / "errors.md").read_text()
    problems = {kind.code for kind in (*PROBLEMS.values(), *OTHERS)}
    of_jobs = set(re.findall(r"^\| `([a-z_]+)`", errors.job_errors(), re.MULTILINE))
    first_columns = {span for row in re.findall(r"^\|([^|]+)\|", page, re.MULTILINE) for span in SPAN.findall(row)}
    reasons = {*StatusReason, "expired", "status_reason", "error"}
    assert first_columns - problems - of_jobs - reasons == set()
    assert problems - first_columns - {"job_not_found", "not_cancellable"} == set()
    assert of_jobs - set(SPAN.findall(page)) == set()


def logged(source: ast.Module, catalogue: type[Event] | type[Act] = Event) -> Iterator[tuple[str, set[str]]]:
    """Each event that is logged, or act that is recorded, with its fields; of `**fields`, what its function puts into dicts."""
    for function in (each for each in ast.walk(source) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)):
        for call in (each for each in ast.walk(function) if isinstance(each, ast.Call) and each.args):
            match call.args[0]:
                case ast.Attribute(ast.Name(kind), name) if kind == catalogue.__name__:
                    given: set[object] = {each.arg for each in call.keywords}
                    if None in given:
                        keys = [key for each in ast.walk(function) if isinstance(each, ast.Dict) for key in each.keys]
                        keys += [each.slice for each in ast.walk(function) if isinstance(each, ast.Subscript)]
                        given |= {key.value for key in keys if isinstance(key, ast.Constant)}
                    yield catalogue[name].value, {each for each in given if isinstance(each, str)}


def test_every_field_of_an_event_is_told() -> None:
    """The catalogue lists the fields of each event: all that are passed where it is logged, and none that nowhere is."""
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|$", telemetry.event_names(), re.MULTILINE))
    passed: dict[str, set[str]] = {}
    for path in sources():
        for name, fields in logged(ast.parse(path.read_text())):
            # An exception becomes what every line may have: where it came from.
            passed.setdefault(name, set()).update(fields - {"request_id", "exc_info"})
    assert {name: fields - set(re.findall(r"\w+", told[name])) for name, fields in passed.items()} == {name: set() for name in told}


def test_every_field_of_an_act_is_told() -> None:
    """Whatever is given to an audit record stands in the catalogue of acts, or is part of all."""
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|$", access.act_names(), re.MULTILINE))
    assert set(told) == set(Act)
    page = (ROOT / "docs" / "howto" / "audit.md").read_text()
    [example] = [json.loads(text) for text in re.findall(r"```json\n(.+?)```", page, re.DOTALL)]
    of_all = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert set(example) - of_all <= set(re.findall(r"\w+", told[example["act"]]))
    recorded = [each for path in sources() for each in logged(ast.parse(path.read_text()), Act)]
    assert len(recorded) >= 6
    assert [(act, fields) for act, fields in recorded if not fields - {"tenant"} <= set(re.findall(r"\w+", told[act]))] == []


def test_the_page_on_performance_tells_the_codes_numbers() -> None:
    """Its prose stands outside the tables that are written by machine."""
    text = " ".join((ROOT / "docs" / "reference" / "performance.md").read_text().split())
    assert (
        f"A long-poll looks again after {100 * waiting._INTERVAL_OF_WAITED:g} % of the time that it has waited, "  # noqa: SLF001
        f"at least {1000 * waiting.TICK_SECONDS:g} ms and at most {waiting._INTERVAL_MAX_SECONDS:g} s."  # noqa: SLF001
    ) in text
    assert f"up to {BATCH_MAX_STATEMENTS} writes, up to {BATCH_MAX_ENTRIES} messages" in text

"""The documents say what the code does, and lead where they say."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs import generate
from producer import answers
from producer.requests import Bulk, Submission
from quarry.access import load_roles
from quarry.cli import COMMANDS
from quarry.inference.routes_file import load_routes

ROOT = generate.ROOT
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCS, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """A page without its code."""
    return FENCE.sub("", path.read_text())


def blocks(path: Path, language: str) -> Iterator[str]:
    for kind, text in FENCE.findall(path.read_text()):
        if kind == language:
            yield text


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_generated_pages_are_up_to_date() -> None:
    """What the code says now is what the pages say: else `make docs` was forgotten."""
    assert [name_of(path) for path, text in generate.pages() if path.read_text() != text] == []


def test_every_generator_is_used() -> None:
    """A block that stands on no page is shown to nobody."""
    used = {name for path in DOCS for name in re.findall(r"<!-- generated: ([a-z-]+) -->", path.read_text())}
    assert used == set(generate.GENERATORS)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    """Files exist, and so do the headings that links point to."""
    broken = []
    for link in LINK.findall(prose(path)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    """A page to which nothing leads is read by nobody."""
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            links = [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(page))]
            waiting += [link for link in links if link.suffix == ".md" and link.is_relative_to(ROOT / "docs")]
    assert set(DOCS) - reached == set()


def test_the_readme_leads_to_the_reference() -> None:
    """Whoever starts at the README finds every reference page."""
    links = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall(prose(ROOT / "README.md"))}
    assert set((ROOT / "docs" / "reference").glob("*.md")) - links == set()


def test_every_verb_is_in_the_changelog() -> None:
    """A verb that no user is told of does not exist for them."""
    told = re.findall(r"`([a-z]+)`", (ROOT / "CHANGELOG.md").read_text())
    assert set(COMMANDS) - set(told) == set()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_json_in_the_documents_is_json(path: Path) -> None:
    """Examples can be copied."""
    for text in blocks(path, "json"):
        json.loads(text)


def test_the_job_of_the_rest_page_is_a_job() -> None:
    """The example has every field of a job, and no other; the bulk answer likewise."""
    examples: list[Any] = [json.loads(text) for text in blocks(ROOT / "docs" / "reference" / "rest.md", "json")]
    [job] = [each for each in examples if "request_id" in each]
    assert answers.JobView.model_validate(job).status == "completed"
    assert set(job) == set(answers.JobView.model_fields)
    [bulk] = [each for each in examples if "jobs" in each]
    answers.BulkView.model_validate(bulk)


def test_the_requests_of_the_rest_page_are_taken() -> None:
    """Each `http` example is a request that the API would understand, and the table has every field of a submission."""
    page = ROOT / "docs" / "reference" / "rest.md"
    bodies = {text.split()[1]: json.loads(text.partition("\n\n")[2]) for text in blocks(page, "http")}
    Submission.model_validate(bodies["/v1/jobs"])
    Bulk.model_validate(bodies["/v1/jobs/bulk"])
    assert [field for field in Submission.model_fields if f"`{field}`" not in page.read_text()] == []


def test_the_routes_of_the_settings_page_load(tmp_path: Path) -> None:
    """The example of routes.toml is one."""
    [text] = blocks(ROOT / "docs" / "reference" / "settings.md", "toml")
    path = tmp_path / "routes.toml"
    path.write_text(text)
    assert [route.name for route in load_routes(str(path), "us-east-1")] == list(tomllib.loads(text)["routes"])


def test_the_routes_of_the_page_on_routes_load(tmp_path: Path) -> None:
    """Each example is a whole file, and so is the long one that it names."""
    examples = [*blocks(ROOT / "docs" / "howto" / "routes.md", "toml"), (ROOT / "examples" / "routes.toml").read_text()]
    for text in examples:
        path = tmp_path / "routes.toml"
        path.write_text(text)
        assert [route.name for route in load_routes(str(path), "us-east-1")] == list(tomllib.loads(text)["routes"])
    assert len(examples) > 1


def test_the_routes_of_the_page_on_other_providers_load(tmp_path: Path) -> None:
    """Each example is a whole file."""
    texts = list(blocks(ROOT / "docs" / "howto" / "other-providers.md", "toml"))
    assert len(texts) == 4
    path = tmp_path / "routes.toml"
    for text in texts:
        path.write_text(text)
        routes = load_routes(str(path), "us-east-1")
        assert {spec.name for spec in routes.providers.values()} <= {each.target.provider for each in next(iter(routes)).targets}


def test_the_example_prompts_are_submissions() -> None:
    """Every line of the demo's file is one, with a name of its own."""
    bodies = [json.loads(line) for line in (ROOT / "examples" / "prompts.jsonl").read_text().splitlines()]
    assert all(Submission.model_validate(body) for body in bodies)
    assert len({body["custom_id"] for body in bodies}) == len(bodies) >= 5


def test_the_recorded_demo_is_of_todays_tickets() -> None:
    """Each ticket has its row in the recording, in order, and was answered: else `docs/record.py` was forgotten."""
    tickets = [json.loads(line) for line in (ROOT / "examples" / "support-tickets.jsonl").read_text().splitlines()]
    assert all(Submission.model_validate(body) for body in tickets)
    [recorded] = blocks(ROOT / "docs" / "howto" / "demo.md", "text")
    rows = [line.split()[:2] for line in recorded.splitlines() if line.startswith("T-")]
    assert rows == [[body["custom_id"], "completed"] for body in tickets]
    assert len(rows) == 30


def test_the_roles_of_the_access_page_load(tmp_path: Path) -> None:
    """The example of a roles file is one."""
    [text] = blocks(ROOT / "docs" / "howto" / "access.md", "toml")
    path = tmp_path / "roles.toml"
    path.write_text(text)
    assert set(tomllib.loads(text)["roles"]) <= set(load_roles(str(path)))

"""Every answer tells browsers and caches to keep their hands off, and nobody what runs here."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

import httpx
import pytest

from quarry import __version__
from tests.support.stack import Stack

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def answers(api: httpx.Client) -> dict[str, httpx.Response]:
    """One of each kind."""
    asked = {
        "accepted": api.post("/v1/jobs", json={"prompt": "Hi"}),
        "invalid": api.post("/v1/jobs", json={}),
        "not json": api.post("/v1/jobs", content=b"{", headers={"content-type": "application/json"}),
        "large head": api.get("/livez", headers={"x": "y" * 100_000}),
        "no path": api.get("/nowhere"),
        "no method": api.put("/v1/jobs"),
        "no job": api.get("/v1/jobs/x"),
        "list": api.get("/v1/jobs"),
        "livez": api.get("/livez"),
        "openapi": api.get("/openapi.json"),
        "docs": api.get("/docs"),
        "script": api.get("/static-offline-docs/swagger-ui-bundle.js"),
        "no script": api.get("/static-offline-docs/x"),
    }
    assert {answer.status_code for answer in asked.values()} == {200, 202, 400, 404, 405, 422, 431}
    return asked


def test_every_answer_is_guarded(answers: dict[str, httpx.Response]) -> None:
    """Errors too, and what the server answers before the app is asked.

    Red when: `producer/connection.py`: `*guarded(answer.raw_headers)` -> `*answer.raw_headers`
    Red when: `producer/observe.py`: `message["headers"] = guarded(message["headers"])` -> `pass`
    """
    for name, answer in answers.items():
        for header, value in EVERYWHERE.items():
            assert answer.headers.get_list(header) == [value], (name, header)
        [policy] = answer.headers.get_list("content-security-policy")
        assert policy.startswith("default-src 'none'; frame-ancestors 'none'"), name
        assert (policy == "default-src 'none'; frame-ancestors 'none'") == (name != "docs"), name


def test_the_docs_may_run_their_own_script_and_no_other(answers: dict[str, httpx.Response]) -> None:
    """What the page loads is from here, and what is in it is known by its digest: nothing is allowed in general.

    Red when: `producer/documents.py`: `script-src 'self' 'sha256-{digest}'` -> `script-src 'self' 'unsafe-inline'`
    """
    page = answers["docs"]
    policy = dict(each.strip().split(" ", 1) for each in page.headers["content-security-policy"].split(";"))
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert policy["script-src"] == f"'self' 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"\son\w+=|\sstyle=", page.text)


def test_nobody_is_told_what_runs_here(answers: dict[str, httpx.Response]) -> None:
    """No banner, and no version but the API's own.

    Red when: `producer/server.py`: `server_header=False,` -> `server_header=True,`
    Red when: `producer/documents.py`: `version=API_VERSION` -> `version=__import__("quarry").__version__`
    """
    for name, answer in answers.items():
        assert not {"server", "x-powered-by", "via"} & set(answer.headers), name
        if name != "script":
            assert __version__ not in answer.text, name
            assert not re.search("uvicorn|starlette|fastapi|python", answer.text, re.IGNORECASE), name
    assert answers["openapi"].json()["info"]["version"] == "1"


@pytest.fixture(scope="module")
def guarded(shared_stack: Stack) -> Iterator[httpx.Client]:
    """An API that asks who is calling."""
    with shared_stack.running_api(QUARRY_ENVIRONMENT="production", QUARRY_API__AUTH="api_key") as api:
        yield api


def test_the_document_says_who_must_say_who_they_are(guarded: httpx.Client) -> None:
    """A bearer, for everything that needs a credential, with what is answered without one; for nothing else.

    Red when: `producer/documents.py`: `operation["security"] = [{_SCHEME: []}]` -> `operation["security"] = []`
    Red when: `producer/documents.py`: `statuses = (*statuses, 401, 403)` -> `pass`
    """
    document = guarded.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "security" not in document
    for path, item in document["paths"].items():
        for method, operation in item.items():
            is_open = guarded.request(method, path).status_code != 401
            assert is_open == path.endswith("z")
            assert operation.get("security", []) == ([] if is_open else [{"bearer": []}]), path
            assert {"401", "403"} & set(operation["responses"]) == (set() if is_open else {"401", "403"}), path
            assert ("408" in operation["responses"]) == ("requestBody" in operation), path
            assert is_open or {"400", "431", "503"} <= set(operation["responses"]), path


def test_where_nobody_is_asked_the_document_asks_nobody(answers: dict[str, httpx.Response]) -> None:
    """Without authentication.

    Red when: `producer/documents.py`, after `def _guard(`: `if authenticating:` -> `if True:`
    """
    document = answers["openapi"].json()
    assert "securitySchemes" not in document["components"]
    for item in document["paths"].values():
        for operation in item.values():
            assert "security" not in operation
            assert not {"401", "403"} & set(operation["responses"])

"""The API describes itself, truly, completely, and without a network."""

import re
import subprocess
from typing import Any

import httpx
import pytest

from tests.support.processes import ROOT, eventually, fetched, free_port, quarry
from tests.support.stack import Stack

PATHS = {
    ("post", "/v1/jobs"), ("get", "/v1/jobs"), ("post", "/v1/jobs/bulk"), ("post", "/v1/jobs/lookup"),
    ("get", "/v1/jobs/{request_id}"), ("get", "/v1/jobs/{request_id}/explanation"), ("get", "/v1/jobs/{request_id}/events"),
    ("post", "/v1/jobs/{request_id}/cancel"), ("delete", "/v1/jobs/{request_id}"), ("get", "/livez"), ("get", "/readyz"),
}  # fmt: skip


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> dict[str, Any]:
    """The OpenAPI document."""
    answer = api.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, each) for path, item in document["paths"].items() for method, each in item.items()]


def test_every_call_is_described(document: dict[str, Any]) -> None:
    """Each with words, its body where it takes one, and what it answers.

    Red when: `producer/routes/jobs.py`: `openapi_extra=json_body(Bulk),` -> ``
    """
    assert {(method, path) for method, path, _ in operations(document)} == PATHS
    for method, path, operation in operations(document):
        assert operation["description"], path
        assert ("requestBody" in operation) == (method == "post" and not path.endswith("/cancel"))
        for status, answer in operation["responses"].items():
            problem = int(status) >= 400 and path != "/readyz"
            if path.endswith("/events") and not problem:
                # Its items are described; 204 has none.
                streams = {"text/event-stream"} if status == "200" else set()
                assert answer.get("content", {}).keys() == streams
                continue
            if status == "204":
                assert "content" not in answer
                continue
            [(media_type, content)] = answer["content"].items()
            assert media_type == ("application/problem+json" if problem else "application/json"), (path, status)
            assert "$ref" in content["schema"], (path, status)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """And nothing is described that nothing refers to.

    Red when: `producer/documents.py`: `(Submission, Bulk, LookupIds, Problem)` -> `(Submission, Bulk, LookupIds)`
    """
    refs = set(re.findall(r"'#/components/schemas/(\w+)'", repr(document)))
    assert refs == set(document["components"]["schemas"])


def test_its_examples_are_served(api: httpx.Client, document: dict[str, Any]) -> None:
    """Word for word.

    Red when: `producer/requests.py`: `"messages": [{"role": "user", "content": "Why is the sky blue?"}],` -> `"native": {},`
    """
    examples = document["components"]["schemas"]["Submission"]["examples"]
    assert len(examples) >= 2
    for example in examples:
        assert api.post("/v1/jobs", json=example).status_code == 202


def test_the_description_has_the_fields_of_the_contract(document: dict[str, Any]) -> None:
    """Those that this version takes; the rest is refused, and so not described.

    Red when: `producer/requests.py`: `custom_id: Bounded | None` -> `name: Bounded | None`
    """
    submission = document["components"]["schemas"]["Submission"]
    assert set(submission["properties"]) == {
        "prompt", "messages", "native", "model", "system", "max_tokens", "temperature", "top_p", "stop_sequences", "converse",
        "stream", "allowed_regions", "deadline_seconds", "max_attempts", "metadata", "custom_id", "idempotency_key",
        "priority", "store_content", "webhook_url",
    }  # fmt: skip
    assert submission["additionalProperties"] is False
    headers = [each["name"] for each in document["paths"]["/v1/jobs"]["post"]["parameters"]]
    assert headers == ["Idempotency-Key"]


def test_the_docs_work_offline(api: httpx.Client) -> None:
    """`/docs` and everything it loads come from here.

    Red when: `producer/web.py`: `app = FastAPIOffline(` -> `app = FastAPI(`
    """
    page = api.get("/docs")
    assert page.status_code == 200
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(links) >= 3
    assert [link for link in links if not link.startswith("/")] == []
    assert "://" not in page.text
    for link in links:
        assert api.get(link).status_code == 200, link


def test_the_command_names_its_options() -> None:
    """`quarry api --help`.

    Red when: `quarry/cli/api.py`: `"--port", type=port` -> `"--listen", type=port`
    """
    done = subprocess.run(quarry("api", "--help"), capture_output=True, text=True, check=True, cwd=ROOT)
    assert "--host HOST" in done.stdout
    assert "--port PORT" in done.stdout


def test_a_taken_port_is_one_sentence(shared_stack: Stack, api: httpx.Client) -> None:
    """Exit 78, and nothing but the sentence; 2 for one that is no port.

    Red when: `producer/server.py`: `except (OSError, OverflowError) as error:` -> `except OverflowError as error:`
    """
    for port, code in ((str(api.base_url.port), 78), ("99999", 2)):
        done = subprocess.run(
            quarry("api", "--port", port),
            env=shared_stack.environ(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=ROOT,
        )
        assert done.returncode == code
        *usage, sentence = done.stderr.strip().splitlines()
        assert sentence.startswith("quarry")
        assert bool(usage) is (code == 2)
        assert port in sentence


def test_requests_are_measured(shared_stack: Stack) -> None:
    """By route template and code, submissions by outcome; on a port of their own.

    Red when: `producer/observe.py`: `return getattr(scope.get("route"), "path", "") or _UNMATCHED` -> `return str(scope["path"])`
    """
    port = free_port()
    with shared_stack.running_api(QUARRY_API__METRICS_PORT=str(port)) as api:
        request_id = api.post("/v1/jobs", json={"prompt": "Hi"}).json()["request_id"]
        api.post("/v1/jobs", json={"prompt": ""})
        api.post("/v1/jobs/bulk", json={"jobs": [{"prompt": "Hi"}, {"prompt": "Hi", "model": "gpt-99"}]})
        api.get(f"/v1/jobs/{request_id}")
        api.get("/nowhere/at/all")
        api.request("BREW", "/v1/jobs")
        # A request is counted once it is answered, which may be a moment after its caller has the answer.
        text = eventually(lambda: said if 'method="other"' in (said := fetched(f"http://127.0.0.1:{port}/metrics").text) else None)
    samples = dict(re.findall(r"^(quarry_\w+_total\{.*\}) (\S+)$", text, re.MULTILINE))
    for sample, count in {
        'quarry_submissions_total{outcome="accepted"}': "2.0",
        'quarry_submissions_total{outcome="invalid_request"}': "1.0",
        'quarry_submissions_total{outcome="model_not_allowed"}': "1.0",
        'quarry_http_requests_total{code="202",method="POST",route="/v1/jobs"}': "1.0",
        'quarry_http_requests_total{code="422",method="POST",route="/v1/jobs"}': "1.0",
        'quarry_http_requests_total{code="202",method="POST",route="/v1/jobs/bulk"}': "1.0",
        'quarry_http_requests_total{code="200",method="GET",route="/v1/jobs/{request_id}"}': "1.0",
        'quarry_http_requests_total{code="404",method="GET",route="unmatched"}': "1.0",
        'quarry_http_requests_total{code="405",method="other",route="/v1/jobs"}': "1.0",
    }.items():
        assert samples.get(sample) == count, (sample, samples)
    assert request_id not in text

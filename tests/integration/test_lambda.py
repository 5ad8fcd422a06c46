"""The API as a Lambda function: what is different there, and what is not.

The function runs in the real runtime client, which is stopped after each answer until the next request comes.
"""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.function import Environment, LocalSandbox
from tests.support.keys import ASKING, created, id_of, listed, with_key
from tests.support.processes import eventually
from tests.support.proxy import FaultProxy, Line, leading_to
from tests.support.stack import Stack

_KIB = 1024
_MIB = 1024 * _KIB


@pytest.fixture(scope="module")
def function(shared_stack: Stack) -> Iterator[httpx.Client]:
    """A client of the function of this file."""
    with shared_stack.running_function() as client:
        yield client


def sandbox(stack: Stack) -> LocalSandbox:
    """The first process of the function."""
    assert stack.http_api is not None
    made = stack.http_api.environments[0].sandbox
    assert isinstance(made, LocalSandbox)
    return made


def code(answer: httpx.Response) -> tuple[int, str]:
    """A problem's status and code."""
    return answer.status_code, answer.json().get("code", "")


def test_a_job_is_submitted_worked_and_waited_for(shared_stack: Stack, function: httpx.Client) -> None:
    """The function is stopped while the job is worked, and goes on where it was when it is asked again.

    Red when: `producer/lambda_handler.py`: `self._between, self._opened = between, stack.pop_all()` -> `self._between = between`
    """
    request_id = shared_stack.submit(prompt="Hi")
    eventually(lambda: sandbox(shared_stack).is_frozen)
    with shared_stack.running_worker():
        job = function.get(f"/v1/jobs/{request_id}", params={"wait_seconds": 20}).json()
    assert (job["status"], job["result"]["text"]) == ("completed", "Hi")
    eventually(lambda: sandbox(shared_stack).is_frozen)


def test_an_accepted_job_outlives_the_function(stack: Stack) -> None:
    """Lambda ends the process right after the answer, without a word: the 202 holds all the same.

    Red when: `producer/submit.py`: `await self._store.create(job)` -> `pass`
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    with stack.running_function():
        request_id = stack.submit(prompt="Hi")
        sandbox(stack).kill()
    with stack.running_worker(), stack.running_api():
        assert stack.finished(request_id)["status"] == "completed"


def test_connections_that_died_while_it_was_stopped_harm_nobody(stack: Stack) -> None:
    """The next request is answered as ever. Two things see to it, of which either is enough: the loop's turn before a request, in
    which they are noticed, and the repeat of what had no answer.

    Red when: `producer/lambda_handler.py`: `self._between, self._opened = between, stack.pop_all()` -> `self._between = between`
    """
    with FaultProxy("dynamodb", stack.aws_url) as proxy, stack.running_function(**leading_to(proxy)) as function:
        for _ in range(3):
            request_id = stack.submit(prompt="Hi")
            eventually(lambda: sandbox(stack).is_frozen)
            proxy.line(Line.REFUSED)
            proxy.line(Line.OPEN)
            answer = function.get(f"/v1/jobs/{request_id}")
            assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert "request.unserved" not in sandbox(stack).output


def test_the_document_says_what_is_less(function: httpx.Client) -> None:
    """Waits, bodies, and no event streams.

    Red when: `producer/documents.py`: `wait["schema"]["maximum"] = limits.wait_max_seconds` -> `pass`
    Red when: `producer/documents.py`: `del paths["/v1/jobs/{request_id}/events"]` -> `pass`
    Red when: `producer/lambda_handler.py`: `"wait_max_seconds": min(api.wait_max_seconds, WAIT_MAX_SECONDS),` -> ``
    """
    paths = function.get("/openapi.json").json()["paths"]
    [wait] = [each for each in paths["/v1/jobs/{request_id}"]["get"]["parameters"] if each["name"] == "wait_seconds"]
    assert wait["schema"]["maximum"] == 25
    bodies = {path: paths[path]["post"]["requestBody"]["description"] for path in ("/v1/jobs", "/v1/jobs/bulk", "/v1/jobs/lookup")}
    assert set(bodies.values()) == {"At most 4,194,304 bytes."}
    assert "2,097,152 bytes" in paths["/v1/jobs/lookup"]["post"]["description"]
    assert "/v1/jobs/{request_id}/events" not in paths


def test_what_an_http_api_cannot_do_is_refused(shared_stack: Stack, function: httpx.Client) -> None:
    """A longer wait, a larger body, an event stream: each by a problem of its own. What Lambda does not take, the gateway refuses.

    Red when: `producer/routes/jobs.py`: `if query.wait_seconds > verbs.limits.wait_max_seconds:` -> `if False:`
    Red when: `producer/lambda_handler.py`: `"body_max_bytes": min(api.body_max_bytes, BODY_MAX_BYTES),` -> ``
    Red when: `producer/routes/jobs.py`: `if not verbs.limits.followers:` -> `if False:`
    """
    request_id = shared_stack.submit(prompt="Hi")
    assert code(function.get(f"/v1/jobs/{request_id}", params={"wait_seconds": 25.1})) == (422, "invalid_request")
    assert code(function.get(f"/v1/jobs/{request_id}/events")) == (501, "not_streamed")
    assert code(function.post("/v1/jobs", json={"prompt": "x" * 4 * _MIB})) == (413, "payload_too_large")
    assert function.post("/v1/jobs", json={"prompt": "x" * 7 * _MIB}).json() == {"message": "Request Entity Too Large"}


def test_a_large_body_and_a_large_answer_pass(stack: Stack) -> None:
    """Nearly 4 MiB in; results out as long as there is room for them, the others left out and said to be.

    Red when: `producer/lambda_handler.py`: `"lookup_max_bytes": min(api.lookup_max_bytes, LOOKUP_MAX_BYTES),` -> ``
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    with stack.running_function() as function, stack.running_worker():
        large = stack.submit(prompt="x" * (4 * _MIB - 100))
        # In JSON as the runtime client writes it, these take three times their place.
        text = "é" * 50 * _KIB
        ids = [stack.submit(prompt=text) for _ in range(20)]
        assert all(stack.finished(each)["status"] == "completed" for each in (large, *ids))
        answer = function.post("/v1/jobs/lookup", json={"request_ids": ids})
    assert answer.status_code == 200
    shown = [job["result"]["text"] for job in answer.json()["jobs"] if not job["result_omitted"]]
    assert shown == [text] * 10


def test_who_calls_is_asked_and_noted(stack: Stack) -> None:
    """By keys: nobody else is let in. The audit log has the address that the gateway saw; the key's use is written before the
    function is stopped, since it may never go on.

    Red when: `producer/auth/api_key.py`: `between.after.append(uses.write)` -> `pass`
    Red when: `producer/gateway.py`: `"client": (context["http"]["sourceIp"], 0),` -> `"client": ("10.0.0.1", 0),`
    """
    key = created(stack, "--tenant", "acme")
    with stack.running_function(**ASKING) as function:
        assert code(function.post("/v1/jobs", json={"prompt": "Hi"})) == (401, "unauthenticated")
        spoofed = {**with_key(key), "X-Forwarded-For": "6.6.6.6"}
        assert function.post("/v1/jobs", json={"prompt": "Hi"}, headers=spoofed).status_code == 202
        sandbox(stack).kill()
        assert listed(stack, "--tenant", "acme")[id_of(key)]["last_used_at"]
    records = [json.loads(line) for line in sandbox(stack).output.splitlines() if '"audit"' in line]
    assert [(each["act"], each["client"]) for each in records] == [
        ("authentication.refused", "127.0.0.1"), ("job.submitted", "127.0.0.1"),
    ]  # fmt: skip


def test_readiness_is_looked_at_when_it_is_asked_for(stack: Stack) -> None:
    """Nothing runs between requests that could know.

    Red when: `producer/health.py`: `if self._on_demand:` -> `if False:`
    """
    with FaultProxy("sqs", stack.aws_url) as proxy, stack.running_function(**leading_to(proxy)) as function:
        # Looked at for three seconds: what answers later than that is none the readier.
        unready = {"status": "unready", "reason": "no answer from: queue"}
        eventually(lambda: function.get("/readyz").status_code == 200)
        with proxy.away(Line.REFUSED):
            eventually(lambda: function.get("/readyz").json() == unready)
        eventually(lambda: function.get("/readyz").status_code == 200)


def test_a_request_that_takes_too_long_is_answered_in_time(shared_stack: Stack) -> None:
    """While the function still may speak; the next one is none the worse.

    Red when: `producer/lambda_handler.py`: `except TimeoutError:` -> `except ZeroDivisionError:`
    """
    env, log = shared_stack.environ(), shared_stack.directory / "short.log"
    with shared_stack.running_function() as function:
        request_id = shared_stack.submit(prompt="Hi")
        assert shared_stack.http_api is not None
        short = Environment(lambda runtime: LocalSandbox(runtime, env, log), seconds=4)
        try:
            shared_stack.http_api.use(short)

            def is_in_time() -> bool:
                began = time.monotonic()
                answer = function.get(f"/v1/jobs/{request_id}", params={"wait_seconds": 20})
                return (answer.status_code, answer.json().get("code"), time.monotonic() - began < 4) == (503, "out_of_time", True)

            # Where the machine stands still in the moment that is left to it, nobody can answer.
            eventually(is_in_time, seconds=10)
            assert function.get(f"/v1/jobs/{request_id}").status_code == 200
        finally:
            short.end()


def test_a_stage_of_another_name_is_part_of_every_path(shared_stack: Stack) -> None:
    """It is taken off, and what the API says of places has it.

    Red when: `producer/gateway.py`: `else stage,` -> `else "",`
    Red when: `producer/routes/jobs.py`: `{request.scope.get('root_path', '')}/v1/jobs/` -> `/v1/jobs/`
    """
    with shared_stack.running_function("prod") as function:
        answer = function.post("/v1/jobs", json={"prompt": "Hi"})
        assert answer.status_code == 202, answer.text
        assert answer.headers.get("location") == f"/prod/v1/jobs/{answer.json()['request_id']}"
        assert function.get(f"/v1/jobs/{answer.json()['request_id']}").status_code == 200
        assert function.get("/openapi.json").json()["servers"] == [{"url": "/prod"}]


def test_a_wrong_setting_is_told_at_the_start(stack: Stack) -> None:
    """To Lambda, which shows it to whoever deploys; no request is served.

    Red when: `producer/lambda_handler.py`: `require_authentication(settings)` -> `pass`
    """
    with (
        pytest.raises(AssertionError, match="QUARRY_API__AUTH is not set"),
        stack.running_function(QUARRY_ENVIRONMENT="production"),
    ):
        pass


def test_while_aws_is_away_at_the_start_requests_are_told_to_come_again(stack: Stack) -> None:
    """And one that comes when it is back is served, by the same process.

    Red when: `producer/lambda_handler.py`: `with suppress(TransportError, TimeoutError):` -> `if True:`
    """
    with FaultProxy("dynamodb", stack.aws_url) as proxy:
        proxy.line(Line.REFUSED)
        with stack.running_function(**leading_to(proxy)) as function:
            answer = function.post("/v1/jobs", json={"prompt": "Hi"})
            assert code(answer) == (503, "store_unavailable")
            assert answer.headers["retry-after"]
            proxy.line(Line.OPEN)
            assert function.post("/v1/jobs", json={"prompt": "Hi"}).status_code == 202
            assert stack.http_api is not None
            assert len(stack.http_api.environments) == 1

"""Bad input is the caller's problem: a 4xx with a stable code and the field's path, and nothing is stored."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.stack import Stack

EVERY_API = True

PROMPT = {"prompt": "Hi"}
HI = [{"role": "user", "content": "Hi"}]
DEEP = "[" * 5000 + "]" * 5000
IMAGE = {"image": {"format": "png", "source": {"bytes": "not base64!"}}}


@pytest.fixture(scope="module")
def _small_bounds(shared_stack: Stack) -> None:
    """What is too large need not be large."""
    shared_stack.env |= {"QUARRY_API__BODY_MAX_BYTES": "1048576", "QUARRY_JOB__PAYLOAD_MAX_BYTES": "131072"}


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_stored(shared_stack: Stack, _small_bounds: None, api: httpx.Client) -> Iterator[None]:
    """Whatever the tests of this file send, the table and the queue stay empty."""
    yield
    assert stored(shared_stack) == (0, (0, 0))


def stored(stack: Stack) -> tuple[int, tuple[int, int]]:
    """Items in the table, messages on the queue."""
    return stack.client("dynamodb").scan(TableName=stack.name, Select="COUNT")["Count"], stack.queue_counts()


def is_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer, whole and without internal detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "errors"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert "Traceback" not in answer.text
    return problem


#: What is sent to `POST /v1/jobs` → the path at fault, in a 422 `invalid_request`.
FIELDS: list[tuple[Any, str]] = [
    ({}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": ["Hi"]}, "prompt"),
    ({"prompt": "Hi", "messages": HI}, "messages"),
    ({"native": {"inputText": "Hi"}}, "model"),
    ({"prompt": "Hi", "native": {}}, "native"),
    ({"native": "Hi", "model": "echo"}, "native"),
    ({"native": {}, "model": "echo", "max_tokens": 5}, "max_tokens"),
    ({"native": {"max_gen_len": 10**9}, "model": "echo"}, "native.max_gen_len"),
    ({"prompt": "Hi", "priority": "urgent"}, "priority"),
    ({"prompt": "Hi", "priority": 1}, "priority"),
    ({"prompt": "Hi", "surprise": 1}, "surprise"),
    ([], "body"),
    ("Hi", "body"),
    (5, "body"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": ["Hi"]}, "messages[0]"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
    ({"messages": [*HI, {"role": "narrator", "content": "Hi"}]}, "messages[1].role"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"text": 5}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0].image.source.bytes"),
    ({"messages": [{"role": "user", "content": [{"text": "a", "image": {}}]}]}, "messages[0].content[0]"),
    (PROMPT | {"system": 5}, "system"),
    (PROMPT | {"system": [{"txt": "a"}]}, "system[0].txt"),
    (PROMPT | {"system": ""}, "system[0].text"),
    (PROMPT | {"converse": []}, "converse"),
    (PROMPT | {"converse": {"modelId": "x"}}, "converse.modelId"),
    (PROMPT | {"converse": {"inferenceConfig": {}}}, "converse.inferenceConfig"),
    (PROMPT | {"converse": {"nonsense": 1}}, "converse.nonsense"),
    (PROMPT | {"converse": {"toolConfig": {"tools": 5}}}, "converse.toolConfig.tools"),
    (PROMPT | {"converse": {"additionalModelRequestFields": {"a": json.loads("[" * 100 + "]" * 100)}}},
     "converse.additionalModelRequestFields"),
    (PROMPT | {"max_tokens": 0}, "max_tokens"),
    (PROMPT | {"max_tokens": -1}, "max_tokens"),
    (PROMPT | {"max_tokens": 64_001}, "max_tokens"),
    (PROMPT | {"max_tokens": 10**400}, "max_tokens"),
    (PROMPT | {"max_tokens": 1.5}, "max_tokens"),
    (PROMPT | {"max_tokens": "5"}, "max_tokens"),
    (PROMPT | {"max_tokens": True}, "max_tokens"),
    (PROMPT | {"temperature": 1.1}, "temperature"),
    (PROMPT | {"temperature": -0.1}, "temperature"),
    (PROMPT | {"temperature": "hot"}, "temperature"),
    (PROMPT | {"top_p": 2}, "top_p"),
    (PROMPT | {"stop_sequences": "END"}, "stop_sequences"),
    (PROMPT | {"stop_sequences": ["END", ""]}, "stop_sequences[1]"),
    (PROMPT | {"stop_sequences": ["E" * 257]}, "stop_sequences[0]"),
    (PROMPT | {"stop_sequences": ["E"] * 2501}, "stop_sequences"),
    (PROMPT | {"deadline_seconds": 0}, "deadline_seconds"),
    (PROMPT | {"deadline_seconds": 1_036_801}, "deadline_seconds"),
    (PROMPT | {"max_attempts": 0}, "max_attempts"),
    (PROMPT | {"max_attempts": 11}, "max_attempts"),
    (PROMPT | {"metadata": {str(i): "x" for i in range(17)}}, "metadata"),
    (PROMPT | {"metadata": {"a": 5}}, "metadata.a"),
    (PROMPT | {"metadata": {"a": "x" * 513}}, "metadata.a"),
    (PROMPT | {"metadata": {"k" * 65: "x"}}, "metadata." + "k" * 64),
    (PROMPT | {"metadata": {"": "x"}}, "metadata."),
    (PROMPT | {"custom_id": ""}, "custom_id"),
    (PROMPT | {"custom_id": "c" * 257}, "custom_id"),
    (PROMPT | {"custom_id": 7}, "custom_id"),
    (PROMPT | {"model": ""}, "model"),
    (PROMPT | {"model": "m" * 2049}, "model"),
    (PROMPT | {"idempotency_key": ""}, "idempotency_key"),
    (PROMPT | {"idempotency_key": "k" * 256}, "idempotency_key"),
    (PROMPT | {"idempotency_key": " padded "}, "idempotency_key"),
    (PROMPT | {"idempotency_key": "schlüssel"}, "idempotency_key"),
    ({"prompt": "a\0b"}, "prompt"),
    ({"messages": [{"role": "user", "content": [{"text": "a\0b"}]}]}, "messages[0].content[0].text"),
    (PROMPT | {"metadata": {"a\0": "x"}}, "metadata.a\0"),
    (PROMPT | {"metadata": {"a": "\0"}}, "metadata.a"),
    (PROMPT | {"custom_id": "\0"}, "custom_id"),
    (PROMPT | {"model": "default\0"}, "model"),
    (PROMPT | {"converse": {"additionalModelRequestFields": {"a": ["\0"]}}}, "converse.additionalModelRequestFields.a[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path"), FIELDS, ids=lambda each: repr(each)[:60])
def test_a_faulty_field_is_named(api: httpx.Client, body: Any, path: str) -> None:
    """422 `invalid_request`, with the field's path.

    Red when: `producer/admission.py`, after `faults = converse.faults(`: `if faults:` -> `if False:`
    """
    problem = is_problem(api.post("/v1/jobs", json=body), 422, "invalid_request")
    assert path in [fault["path"] for fault in problem["errors"]]
    assert all(fault["message"] for fault in problem["errors"])


#: Bodies that are no JSON, or none that we could keep → (status, code).
RAW: list[tuple[bytes, int, str]] = [
    (b"", 400, "invalid_json"),
    (b"null", 422, "invalid_request"),
    (b"{", 400, "invalid_json"),
    (b"prompt=Hi", 400, "invalid_json"),
    (b'{"prompt": "Hi"} trailing', 400, "invalid_json"),
    (b'{"prompt": "\xff\xfe"}', 400, "invalid_json"),
    (b'{"prompt": "Hi"}'.decode().encode("utf-16"), 400, "invalid_json"),
    (b'{"prompt": "\\ud800"}', 400, "invalid_json"),
    (b'{"\\udc00": "Hi"}', 400, "invalid_json"),
    (b'{"prompt": "Hi", "temperature": NaN}', 400, "invalid_json"),
    (b'{"prompt": "Hi", "temperature": -Infinity}', 400, "invalid_json"),
    (b'{"prompt": "a\x00b"}', 400, "invalid_json"),
    (b'{"prompt": "Hi", "temperature": 1e999}', 422, "invalid_request"),
    (b'{"prompt": "Hi", "converse": {"additionalModelRequestFields": {"a": 1e999}}}', 422, "invalid_request"),
    (f'{{"prompt": {DEEP}}}'.encode(), 400, "invalid_json"),
    (f'{{"prompt": "Hi", "converse": {DEEP}}}'.encode(), 400, "invalid_json"),
    (b'{"prompt": "Hi", "max_tokens": ' + b"9" * 5000 + b"}", 400, "invalid_json"),
    (b'{"a":' * 5000, 400, "invalid_json"),
]


@pytest.mark.parametrize(("body", "status", "code"), RAW, ids=lambda each: repr(each)[:40])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/bulk", "/v1/jobs/lookup"])
def test_what_is_not_json_is_refused(api: httpx.Client, path: str, body: bytes, status: int, code: str) -> None:
    """Invalid UTF-8 and JSON, lone surrogates, NaN, deep nesting, numbers without end: 4xx on every path, never a 500.

    Red when: `producer/body.py`: `return from_json(content, allow_inf_nan=False)` -> `return __import__("json").loads(content)`
    """
    is_problem(api.post(path, content=body, headers={"content-type": "application/json"}), status, code)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=latin-1"],
)
def test_another_content_type_is_refused(api: httpx.Client, content_type: str) -> None:
    """415: what is not declared as JSON is not guessed at.

    Red when: `producer/body.py`: `raise HTTPException(415)` -> `pass`
    """
    answer = api.post("/v1/jobs", content=b'{"prompt": "Hi"}', headers={"content-type": content_type})
    is_problem(answer, 415, "unsupported_media_type")


def test_an_unknown_model_is_refused(api: httpx.Client) -> None:
    """422 `model_not_allowed`: neither a route nor a target's model id.

    Red when: `producer/admission.py`:
    `_check_served(_route(routes, submission.model or DEFAULT_ROUTE, policy.limits), request, submission)` -> `pass`
    """
    problem = is_problem(api.post("/v1/jobs", json=PROMPT | {"model": "gpt-99"}), 422, "model_not_allowed")
    assert [fault["path"] for fault in problem["errors"]] == ["model"]


@pytest.mark.server_only
def test_a_large_body_is_refused_before_it_is_read(api: httpx.Client) -> None:
    """413 by the declared length alone, and by what came so far where no length is declared; the rest never comes.

    Red when: `producer/body.py`: `if int(declared) > max_bytes:` -> `if False:`
    Red when: `producer/body.py`: `if len(content) > max_bytes:` -> `if False:`
    """
    head = "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    for request in (
        f"{head}Content-Length: 1048577\r\n\r\n".encode(),
        f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 17,
    ):
        with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10) as connection:
            # Refused before its end, it may not be taken to its end.
            with suppress(ConnectionError):
                connection.sendall(request)
            answer = b""
            with suppress(TimeoutError):
                answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413 ")
    is_problem(api.post("/v1/jobs", json={"prompt": "x" * 5_000_000}), 413, "payload_too_large")


def test_a_payload_beyond_what_a_job_may_carry_is_refused(api: httpx.Client) -> None:
    """413: the body is small enough to be read, and too large to be kept. What counts is bytes, not characters.

    Red when: `producer/admission.py`: `if len(content) > limits.payload_max_bytes:` -> `if False:`
    """
    is_problem(api.post("/v1/jobs", json={"prompt": "x" * 131_072}), 413, "payload_too_large")
    is_problem(api.post("/v1/jobs", content=json.dumps({"prompt": "€" * 50_000}, ensure_ascii=False).encode(),
                        headers={"content-type": "application/json"}), 413, "payload_too_large")  # fmt: skip


@pytest.mark.parametrize("header", ["", "k" * 256, "sch\u00fcssel"])
def test_a_bad_idempotency_header_is_refused(api: httpx.Client, header: str) -> None:
    """Printable ASCII, at most 255 characters.

    Red when: `producer/routes/jobs.py`: `pattern=idempotency.PATTERN,` -> ``
    """
    answer = api.post("/v1/jobs", json=PROMPT, headers=[(b"Idempotency-Key", header.encode("latin-1"))])
    assert is_problem(answer, 422, "invalid_request")["errors"][0]["path"] == "Idempotency-Key"


def test_two_different_idempotency_keys_are_refused(api: httpx.Client) -> None:
    """Header and field may both be given, if they agree.

    Red when: `producer/idempotency.py`: `header is not None and field is not None and header != field` -> `False`
    """
    answer = api.post("/v1/jobs", json=PROMPT | {"idempotency_key": "a"}, headers={"Idempotency-Key": "b"})
    assert is_problem(answer, 422, "invalid_request")["errors"][0]["path"] == "idempotency_key"


@pytest.mark.parametrize("body", [
    {}, {"jobs": []}, {"jobs": {}}, {"jobs": None}, {"jobs": [PROMPT] * 501}, {"jobs": [PROMPT], "extra": 1}, [PROMPT],
], ids=lambda each: repr(each)[:30])  # fmt: skip
def test_a_bad_bulk_is_refused_whole(api: httpx.Client, body: Any) -> None:
    """It is not a list of one to 500 jobs: 422, and none of them is taken.

    Red when: `producer/requests.py`: `min_length=1, max_length=BULK_MAX_JOBS` -> `max_length=BULK_MAX_JOBS`
    """
    is_problem(api.post("/v1/jobs/bulk", json=body), 422, "invalid_request")


def test_the_header_is_refused_for_bulk(api: httpx.Client) -> None:
    """One key cannot stand for many jobs.

    Red when: `producer/routes/jobs.py`: `if idempotency.HEADER in request.headers:` -> `if False:`
    """
    is_problem(api.post("/v1/jobs/bulk", json={"jobs": [PROMPT]}, headers={"Idempotency-Key": "a"}), 422, "invalid_request")


@pytest.mark.parametrize("body", [{}, {"request_ids": "a"}, {"request_ids": [5]}, {"request_ids": ["a"] * 101}, {"ids": []}])
def test_a_bad_lookup_is_refused(api: httpx.Client, body: Any) -> None:
    """422: not a list of at most 100 ids.

    Red when: `producer/requests.py`: `Field(max_length=LOOKUP_MAX_IDS)` -> `Field()`
    """
    is_problem(api.post("/v1/jobs/lookup", json=body), 422, "invalid_request")


QUERIES = [
    ("/v1/jobs", "limit=0", "limit"),
    ("/v1/jobs", "limit=101", "limit"),
    ("/v1/jobs", "limit=many", "limit"),
    ("/v1/jobs", "status=done", "status"),
    ("/v1/jobs", "created_after=yesterday", "created_after"),
    ("/v1/jobs", "created_after=1700000000", "created_after"),
    ("/v1/jobs", "created_after=2026-11-21", "created_after"),
    ("/v1/jobs", "created_after=2026-11-21T06:15:50", "created_after"),
    ("/v1/jobs", "created_after=2026-13-21T06:15:50Z", "created_after"),
    ("/v1/jobs", "created_after=0001-01-01T00:00:00%2B14:00", "created_after"),
    ("/v1/jobs", "cursor=nonsense", "cursor"),
    ("/v1/jobs", "cursor=", "cursor"),
    ("/v1/jobs", "cursor=%00", "cursor"),
    ("/v1/jobs", "cursor=" + "A" * 65, "cursor"),
    ("/v1/jobs", "state=queued", "state"),
    ("/v1/jobs/019aa5b1c0de7abc8def0123456789ab", "wait_seconds=31", "wait_seconds"),
    ("/v1/jobs/019aa5b1c0de7abc8def0123456789ab", "wait_seconds=-1", "wait_seconds"),
    ("/v1/jobs/019aa5b1c0de7abc8def0123456789ab", "wait_seconds=nan", "wait_seconds"),
    ("/v1/jobs/019aa5b1c0de7abc8def0123456789ab", "wait_seconds=inf", "wait_seconds"),
    ("/v1/jobs/019aa5b1c0de7abc8def0123456789ab", "wait_seconds=long", "wait_seconds"),
    ("/v1/jobs/019aa5b1c0de7abc8def0123456789ab", "wait=3", "wait"),
]


@pytest.mark.parametrize(("path", "query", "name"), QUERIES)
def test_a_bad_query_parameter_is_named(api: httpx.Client, path: str, query: str, name: str) -> None:
    """422, with the parameter's name; unknown ones are refused, not ignored.

    Red when: `producer/requests.py`, after `class ListQuery(`: `extra="forbid"` -> `extra="ignore"`
    """
    problem = is_problem(api.get(f"{path}?{query}"), 422, "invalid_request")
    assert [fault["path"] for fault in problem["errors"]] == [name]


def test_a_post_takes_no_query_parameters(api: httpx.Client) -> None:
    """Not ignored there either.

    Red when: `producer/requests.py`, after `class NoQuery(`: `extra="forbid"` -> `extra="ignore"`
    """
    is_problem(api.post("/v1/jobs?wait_seconds=3", json=PROMPT), 422, "invalid_request")


def test_an_instant_at_the_end_of_time_is_no_error(api: httpx.Client) -> None:
    """Nothing was made after it.

    Red when: `producer/requests.py`: `return datetime.fromisoformat(value.upper()).astimezone(UTC)` ->
    `return datetime.fromtimestamp(datetime.fromisoformat(value.upper()).timestamp() + 1, UTC)`: no such year.
    """
    for instant in ("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"):
        answer = api.get("/v1/jobs", params={"created_after": instant})
        assert (answer.status_code, answer.json()) == (200, {"jobs": [], "next_cursor": None})


@pytest.mark.parametrize(
    "request_id",
    [
        "019aa5b1c0de7abc8def0123456789ab",
        "019AA5B1C0DE7ABC8DEF0123456789AB",
        "nonsense",
        "1",
        "bulk",
        "%00",
        "x" * 3000,
        "%ff",
        "💥",
    ],
)
def test_an_unknown_or_malformed_id_is_not_found(api: httpx.Client, request_id: str) -> None:
    """404 `job_not_found`: the answer does not tell which of the two it is.

    Red when: `producer/lookup.py`: `_NOT_FOUND: Final = "no such job"` -> `_NOT_FOUND: Final = "no such job of yours"`
    """
    for answer in (api.get(f"/v1/jobs/{request_id}?wait_seconds=1"), api.post(f"/v1/jobs/{request_id}/cancel")):
        assert is_problem(answer, 404, "job_not_found")["detail"] == "no such job"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/jobs/", "/v1/job", "/v1/jobs/a/b", "/v2/jobs", "/redoc", "/metrics", "/..%2f"])
def test_an_unknown_path_is_a_problem(api: httpx.Client, path: str) -> None:
    """404 `not_found`; the metrics are not here.

    Red when: `producer/web.py`: `app.add_exception_handler(HTTPException.__mro__[1], _http)` -> `pass`
    """
    is_problem(api.get(path), 404, "not_found")


def test_a_wrong_method_is_a_problem(api: httpx.Client) -> None:
    """405, with what the path does take.

    Red when: `producer/web.py`: `["paths"].get(template, ())` -> `["paths"].get("", ())`
    """
    for method, path, allowed in [
        ("PUT", "/v1/jobs", "GET, POST"),
        ("PUT", "/v1/jobs/x", "DELETE, GET"),
        ("GET", "/v1/jobs/x/cancel", "POST"),
    ]:
        answer = api.request(method, path)
        is_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allowed


def test_many_faults_are_named_at_once_and_bounded(api: httpx.Client) -> None:
    """Up to 20, so that a caller need not mend one at a time, and an attacker gets no echo.

    Red when: `producer/faults.py`: `for each in errors[:FAULTS_MAX])` -> `for each in errors)`
    """
    problem = is_problem(api.post("/v1/jobs", json={"f" * 500 + str(i): 1 for i in range(100)}), 422, "invalid_request")
    assert len(problem["errors"]) == 20
    assert max(len(fault["path"]) for fault in problem["errors"]) == 64


def test_the_process_is_unharmed(shared_stack: Stack, api: httpx.Client) -> None:
    """After all of this it answers, and its log holds no stack trace.

    Red when: `producer/body.py`: `except ValueError as error:` -> `except KeyError as error:`
    """
    for body, _, _ in RAW:
        api.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    eventually(lambda: api.get("/readyz").status_code == 200)
    log = (shared_stack.directory / "api.log").read_text()
    assert "Traceback" not in log
    assert "request.failed" not in log

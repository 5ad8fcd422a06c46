"""The REST client: it waits politely, bears with a deploy, pages through lists, and explains what it got."""

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from quarry.client import ApiClient
from quarry.errors import ApiRefused, ApiUnreachable

ID = "0199a0c0d1e27c3fa4b5c6d7e8f90a1b"
Handler = Callable[[httpx.Request], httpx.Response]


class Time:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds


def client(handler: Handler, time: Time | None = None) -> ApiClient:
    time = time or Time()
    transport = httpx.MockTransport(handler)
    return ApiClient("http://api.example/", transport=transport, pause=time.pause, monotonic=lambda: time.now)


def job(status: str) -> httpx.Response:
    return httpx.Response(200, json={"request_id": ID, "status": status})


class Api:
    """Answers GETs of a job from a list, and remembers how long it was asked to wait, and when."""

    def __init__(self, time: Time, *answers: httpx.Response | Exception, holds: bool = True) -> None:
        self.time, self.answers, self.holds = time, list(answers), holds
        self.asked: list[tuple[float, float]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        wait = float(request.url.params["wait_seconds"])
        self.asked.append((self.time.now, wait))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if self.holds and answer.json()["status"] == "queued":
            self.time.now += wait
        return answer


def test_waiting_is_done_by_the_api_in_long_polls() -> None:
    """A wait of 70 s is three questions of at most 30 s each, with no pause between them."""
    time = Time()
    api = Api(time, job("queued"), job("queued"), job("queued"))
    assert client(api, time).wait(ID, 70)["status"] == "queued"
    assert api.asked == [(0, 30), (30, 30), (60, 10)]


def test_a_wait_ends_with_the_job() -> None:
    """Every terminal status ends the wait, not only success."""
    for status in ("completed", "failed", "cancelled", "expired"):
        time = Time()
        api = Api(time, job("queued"), job(status))
        assert client(api, time).wait(ID, None)["status"] == status
        assert len(api.asked) == 2


def test_an_api_that_does_not_hold_the_question_is_asked_once_a_second() -> None:
    """Beyond its bound of waiters the API answers at once: it is not hammered then."""
    time = Time()
    api = Api(time, *[job("queued")] * 3, job("completed"), holds=False)
    client(api, time).wait(ID, 60)
    assert [at for at, _ in api.asked] == [0, 1, 2, 3]


def test_a_wait_survives_a_deploy() -> None:
    """An API that is away for a moment, or says 503, is asked again."""
    time = Time()
    away = httpx.Response(503, json={"code": "unavailable", "detail": "starting", "status": 503})
    api = Api(time, job("queued"), httpx.ConnectError("refused"), away, job("completed"))
    assert client(api, time).wait(ID, None)["status"] == "completed"


def test_a_wait_ends_when_the_api_stays_away() -> None:
    """Half a minute without an answer is enough, even where the wait has no bound."""
    time = Time()
    api = Api(time, *[httpx.ConnectError("refused")] * 40)
    with pytest.raises(ApiUnreachable, match=r"no API answers at http://api\.example "):
        client(api, time).wait(ID, None)
    assert 29 <= time.now <= 31


def test_a_wait_for_no_job_ends_at_once() -> None:
    """A 404 will not become better by waiting."""
    time = Time()
    gone = httpx.Response(404, json={"code": "job_not_found", "detail": "no such job", "status": 404})
    api = Api(time, gone)
    with pytest.raises(ApiRefused, match="no such job"):
        client(api, time).wait(ID, None)


def pages(*sizes: int) -> tuple[Handler, list[dict[str, str]]]:
    """An API whose list has pages of these sizes, and the questions it was asked."""
    asked: list[dict[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        number = len(asked)
        cursor = f"c{number}" if number < len(sizes) else None
        rows = [{"request_id": f"{number}-{i}"} for i in range(min(sizes[number - 1], int(asked[-1]["limit"])))]
        return httpx.Response(200, json={"jobs": rows, "next_cursor": cursor})

    return handler, asked


def test_all_pages_are_read_through_their_cursors() -> None:
    """A page may be short, even empty, and yet not be the last: only the cursor tells."""
    handler, asked = pages(3, 0, 2)
    found = list(client(handler).list(status="failed", created_after=None, limit=None))
    assert [each["request_id"] for each in found] == ["1-0", "1-1", "1-2", "3-0", "3-1"]
    assert [each.get("cursor") for each in asked] == [None, "c1", "c2"]
    assert {each["status"] for each in asked} == {"failed"}


def test_no_more_is_asked_for_than_is_wanted() -> None:
    """`limit` bounds the whole, not the page, and the API is not asked for rows that nobody wants."""
    handler, asked = pages(100, 100, 100)
    found = list(client(handler).list(status=None, created_after=None, limit=130))
    assert len(found) == 130
    assert [each["limit"] for each in asked] == ["100", "30"]


def test_a_problem_keeps_its_code_and_its_fields() -> None:
    """What the API says of a request reaches the person who made it."""
    problem = {
        "status": 422, "code": "invalid_request", "title": "The request has faults", "detail": "max_tokens: must be at least 1",
        "errors": [{"path": "max_tokens", "message": "must be at least 1"}],
    }  # fmt: skip
    with pytest.raises(ApiRefused) as caught:
        client(lambda request: httpx.Response(422, json=problem)).submit({"prompt": "x", "max_tokens": 0})
    assert (caught.value.status, caught.value.code, str(caught.value)) == (422, "invalid_request", "The request has faults")
    assert [(each.path, each.message) for each in caught.value.faults] == [("max_tokens", "must be at least 1")]


def test_an_undecided_submission_names_the_job_that_may_be_in() -> None:
    """With its id the caller can ask, instead of submitting and paying twice."""
    problem = {"status": 503, "code": "submission_undecided", "detail": "Ask for it.", "request_id": ID, "errors": []}
    with pytest.raises(ApiRefused, match=rf"Ask for it\. The request_id is {ID}\."):
        client(lambda request: httpx.Response(503, json=problem)).submit({"prompt": "x"})


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(200, json=[]),
        httpx.Response(502, text="Bad Gateway"),
    ],
)
def test_another_server_is_called_by_its_name(answer: httpx.Response) -> None:
    """A page of somebody else's is not taken for an answer of the API."""
    with pytest.raises(ApiUnreachable, match="is not Quarry's API"):
        client(lambda request: answer).get(ID)


def test_a_lost_answer_is_called_undecided() -> None:
    """Where the answer to a POST was lost, the job may be in: saying otherwise would invite a second one."""

    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    with pytest.raises(ApiUnreachable, match="may have been done"):
        client(lost).submit({"prompt": "x"})
    with pytest.raises(ApiUnreachable) as caught:
        client(lost).get(ID)
    assert "may have been done" not in str(caught.value)
    assert caught.value.slow


def test_the_api_may_take_as_long_as_it_takes_at_worst() -> None:
    """A submission that nobody can decide is told after some 47 s: the client is still there then."""
    seen: dict[str, float] = {}

    def accept(request: httpx.Request) -> httpx.Response:
        seen.update(request.extensions["timeout"])
        return httpx.Response(202, json={"request_id": ID})

    client(accept).submit({"prompt": "x"})
    assert (seen["read"], seen["connect"]) == (60, 5)


@pytest.mark.parametrize("request_id", ["", "..", "a/b", "x" * 32, ID.upper()])
def test_what_is_no_request_id_never_becomes_a_path(request_id: str) -> None:
    """`quarry cancel ..` must not reach another resource."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    with pytest.raises(ApiRefused, match="no request id"):
        client(refuse).cancel(request_id)


def test_the_idempotency_key_travels_in_its_header() -> None:
    """The key is no field of the body."""
    seen: dict[str, Any] = {}

    def accept(request: httpx.Request) -> httpx.Response:
        seen.update(key=request.headers.get("Idempotency-Key"), body=json.loads(request.content))
        return httpx.Response(202, json={"request_id": ID})

    client(accept).submit({"prompt": "x"}, idempotency_key="order-1")
    assert seen == {"key": "order-1", "body": {"prompt": "x"}}


def test_an_empty_idempotency_key_is_no_lack_of_one() -> None:
    """A script whose variable is empty is told so by the API; submitted without a key, it would pay twice."""
    seen: list[str | None] = []

    def accept(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Idempotency-Key"))
        return httpx.Response(202, json={"request_id": ID})

    client(accept).submit({"prompt": "x"}, idempotency_key="")
    client(accept).submit({"prompt": "x"})
    assert seen == ["", None]


@pytest.mark.parametrize("body", [{"prompt": "\ud800"}, {"temperature": float("nan")}])
def test_what_json_can_hold_is_judged_by_the_api(body: dict[str, Any]) -> None:
    """Half a surrogate pair, and what Python takes for a number: sent as they are."""
    seen: list[bytes] = []

    def accept(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        assert request.headers["Content-Type"] == "application/json"
        return httpx.Response(202, json={"request_id": ID})

    client(accept).submit(body)
    assert seen == [json.dumps(body).encode()]


def test_an_idempotency_key_may_be_any_text() -> None:
    """The API says what a key is; one that cannot be a header is not called a lost answer."""
    seen: list[bytes] = []

    def accept(request: httpx.Request) -> httpx.Response:
        seen.extend(value for name, value in request.headers.raw if name == b"Idempotency-Key")
        return httpx.Response(202, json={"request_id": ID})

    client(accept).submit({"prompt": "x"}, idempotency_key="ä")
    assert seen == ["ä".encode()]

    def illegal(request: httpx.Request) -> httpx.Response:
        raise httpx.LocalProtocolError("Illegal header value", request=request)

    with pytest.raises(ApiUnreachable, match="cannot be asked that") as caught:
        client(illegal).submit({"prompt": "x"}, idempotency_key="a\nb")
    assert "may have been done" not in str(caught.value)
    assert not caught.value.heard


@pytest.mark.parametrize("url", ["http://xn--/", "http://a\x00b"])
def test_a_host_that_can_be_none_was_not_asked(url: str) -> None:
    """Not every name can be one, which the library finds out as it asks."""
    with pytest.raises(ApiUnreachable, match="cannot be asked that") as caught:
        ApiClient(url).submit({"prompt": "x"})
    assert not caught.value.heard


def test_a_password_in_the_url_is_not_told() -> None:
    """Errors end in logs and in tickets."""

    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    api = ApiClient("http://me:secret@api.example", transport=httpx.MockTransport(nobody))
    with pytest.raises(ApiUnreachable, match=r"at http://api\.example \(refused\)"):
        api.get(ID)


def test_the_text_of_a_large_result_is_fetched() -> None:
    """A small one is there; where a large one cannot be had, the error names the place and not the signature."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"text": "large"}) if request.url.path == "/there" else httpx.Response(403, text="<Error/>")

    assert client(answer).text_of({"text": "small"}) == "small"
    assert client(answer).text_of({"url": "http://s3.example/there?signature"}) == "large"
    with pytest.raises(ApiUnreachable, match=r"s3\.example") as caught:
        client(answer).text_of({"url": "http://s3.example/gone?signature"})
    assert "signature" not in str(caught.value)


def test_a_credential_that_cannot_be_sent_is_not_told() -> None:
    """The library quotes it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with ApiClient(url, "quarry_s3cret\n") as api, pytest.raises(ApiUnreachable, match="cannot be asked that") as refused:
            api.get(ID)
    assert "s3cret" not in str(refused.value)


def test_an_answer_that_is_nobodys_is_no_bug() -> None:
    """Something else listens there."""
    with client(lambda _: httpx.Response(200, json={})) as api, pytest.raises(ApiUnreachable, match="is not Quarry's API"):
        list(api.list(status=None, created_after=None, limit=None))


def test_a_credential_is_for_the_api_alone() -> None:
    """The address of a large result is another service's, which has no business with our key, and may refuse two of them."""
    asked: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        asked[request.url.host] = request.headers.get("Authorization")
        return httpx.Response(200, json={"status": "completed"})

    with ApiClient("http://api.example", "quarry_key", transport=httpx.MockTransport(answer)) as api:
        api.submit({"prompt": "Hi"}, "a key")
        api.result_of({"url": "http://bucket.example/result?X-Amz-Signature=0"})
    assert asked == {"api.example": "Bearer quarry_key", "bucket.example": None}

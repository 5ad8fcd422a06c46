"""Events of an HTTP API become requests, and answers become what a function returns."""

import asyncio
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from producer.auth.witness import address_of
from producer.gateway import BODY_MAX_BYTES, TEXT_MAX_BYTES, Answer, ask, body_of, result_of, scope_of


def an_event(method: str = "GET", path: str = "/v1/jobs", **changes: Any) -> dict[str, Any]:
    """As API Gateway sends one; `stage` is the request context's."""
    stage = changes.pop("stage", "$default")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "a1b2c3.execute-api.us-east-1.amazonaws.com", "x-forwarded-for": "203.0.113.9"},
        "requestContext": {
            "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com",
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.9", "protocol": "HTTP/1.1", "userAgent": "curl"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": stage,
        },
        "isBase64Encoded": False,
        **changes,
    }


async def told(request: Request) -> JSONResponse:
    """What a request is, as an app sees it."""
    return JSONResponse(
        {
            "method": request.method,
            "path": request.url.path,
            "query": request.query_params.multi_items(),
            "headers": request.headers.items(),
            "cookies": request.cookies,
            "body": (await request.body()).decode("latin-1"),
            "client": request.client.host if request.client else None,
            "scheme": request.url.scheme,
        }
    )


TELLING = Starlette(routes=[Route("/v1/{rest:path}", told, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])])


async def asked(event: dict[str, Any]) -> dict[str, Any]:
    """What the app was asked."""
    answer = await ask(TELLING, event)
    assert answer.status == 200, answer
    seen: dict[str, Any] = json.loads(answer.body)
    return seen


@pytest.mark.parametrize(
    ("event", "seen"),
    [
        (an_event("DELETE"), {"method": "DELETE", "path": "/v1/jobs", "scheme": "https", "client": "203.0.113.9"}),
        (an_event(rawQueryString="status=a&status=b&empty=&x=%C3%A9+1"), {
            "query": [["status", "a"], ["status", "b"], ["empty", ""], ["x", "é 1"]],
        }),
        (an_event(path="/v1/a%20b"), {"path": "/v1/a b"}),
        (an_event(headers={"X-One": "1,2", "a": "b"}), {"headers": [["x-one", "1,2"], ["a", "b"]]}),
        (an_event(headers=None), {"headers": []}),
        (an_event(cookies=["a=1", "b=2"]), {"cookies": {"a": "1", "b": "2"}}),
        (an_event("POST", body='{"prompt": "é"}'), {"body": '{"prompt": "é"}'.encode().decode("latin-1")}),
        (an_event("POST", body=b64encode(b"\x00\xff").decode(), isBase64Encoded=True), {"body": "\x00\xff"}),
        (an_event("POST"), {"body": ""}),
        (an_event(path="/prod/v1/jobs", stage="prod"), {"path": "/prod/v1/jobs", "method": "GET"}),
        # A domain of one's own, to which the stage is mapped: it is no part of the path.
        (an_event(path="/v1/jobs", stage="prod"), {"path": "/v1/jobs"}),
        (an_event(path="/v1/jobs", stage="v"), {"path": "/v1/jobs"}),
    ],
    ids=[
        "method and address", "repeated parameters", "escaped path", "headers", "no headers", "cookies", "text", "binary",
        "no body", "stage", "stage of a mapped domain", "stage that begins the path",
    ],
)  # fmt: skip
async def test_an_event_is_a_request(event: dict[str, Any], seen: dict[str, Any]) -> None:
    """Every part of it is where an app looks for it."""
    found = await asked(event)
    assert {name: found[name] for name in seen} == seen


@pytest.mark.parametrize("event", [{}, an_event(version="1.0"), {"version": "2.0"}, {"Records": []}], ids=str)
def test_what_is_no_request_is_refused(event: dict[str, Any]) -> None:
    """An event of another kind of API, or of something else: a fault of whoever set the function up."""
    with pytest.raises(ValueError, match=r"payload format 2\.0"):
        scope_of(event)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        ('{"a": "é"}'.encode(), '{"a": "é"}'),
        (b"\x89PNG", None),
        (b"x" * TEXT_MAX_BYTES, "x" * TEXT_MAX_BYTES),
        (b"x" * (TEXT_MAX_BYTES + 1), None),
    ],
    ids=["nothing", "text", "binary", "much text", "too much text"],
)
def test_an_answer_is_a_result(body: bytes, text: str | None) -> None:
    """Text as text, and in base64 what is none, or could be too large as JSON."""
    result = result_of(Answer(200, [(b"content-type", b"text/plain")], bytearray(body)))
    assert result["isBase64Encoded"] is (text is None)
    assert result["body"] == text if text is not None else b64decode(result["body"]) == body


def test_headers_of_one_name_become_one_but_for_cookies() -> None:
    """As payload format 2.0 has them."""
    headers = [(b"Vary", b"Accept"), (b"vary", b"Origin"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    result = result_of(Answer(204, headers))
    assert (result["statusCode"], result["headers"], result["cookies"]) == (204, {"vary": "Accept, Origin"}, ["a=1", "b=2"])


def test_the_largest_answer_fits_whatever_is_in_it() -> None:
    """In the 6 MB of Lambda, as the runtime client writes it: in ASCII."""
    for body in (
        b"\x00" * BODY_MAX_BYTES,
        "é".encode() * (TEXT_MAX_BYTES // 2),
        b'"' * TEXT_MAX_BYTES,
        "😀".encode() * (TEXT_MAX_BYTES // 4),
    ):
        assert len(json.dumps(result_of(Answer(200, [], bytearray(body))))) < 6_000_000


async def test_an_answer_in_pieces_is_gathered() -> None:
    """And one that waits to hear that the caller is gone is not told so: nobody knows."""

    async def stream(request: Request) -> Response:
        gone = asyncio.ensure_future(_gone(request))

        async def pieces() -> Any:
            for piece in ("a", "b"):
                yield piece
                await asyncio.sleep(0)
            yield str(gone.cancel())

        return StreamingResponse(pieces())

    answer = await ask(Starlette(routes=[Route("/v1/jobs", stream)]), an_event())
    assert answer.body == b"abTrue"


async def test_a_mounted_app_knows_its_stage() -> None:
    """Files too are found below it."""
    app = Starlette(routes=[Mount("/files", Starlette(routes=[Route("/a", lambda _: Response(b"A"))]))])
    assert (await ask(app, an_event(path="/prod/files/a", stage="prod"))).body == b"A"


def test_the_address_is_what_the_gateway_saw() -> None:
    """Whatever a caller writes into `X-Forwarded-For`: the gateway's own entry is the last."""
    event = an_event(headers={"x-forwarded-for": "6.6.6.6, 203.0.113.9"})
    assert [address_of(Request(scope_of(event)), proxies) for proxies in (0, 1)] == ["203.0.113.9", "203.0.113.9"]


def test_what_is_no_unicode_harms_nobody() -> None:
    """A lone surrogate, which JSON can hold: it is replaced."""
    scope = scope_of(an_event(headers={"x-a": "\ud800"}, rawQueryString="\ud800"))
    assert (Headers(scope=scope)["x-a"], QueryParams(scope["query_string"])) == ("?", QueryParams("?="))
    assert body_of(an_event(body="\ud800")) == b"?"


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""API Gateway's events and ASGI: an HTTP API's payload format 2.0, both ways.

Source of the shapes: the API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs" (read in November 2026).
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

#: Of a body, either way: our own choice. An event, and what answers it, may have 6 MB each, as JSON ("Lambda quotas" in the Lambda
#: Developer Guide), headers of a request 10,240 bytes ("Quotas for configuring and running an HTTP API" in the API Gateway
#: Developer Guide; both read in November 2026). A body of this size fits in base64.
BODY_MAX_BYTES: Final = 4 * 1024 * 1024
#: Up to here text goes as text. In JSON it takes three times as much at worst (`é` becomes `\u00e9`). Our own choice.
TEXT_MAX_BYTES: Final = 1024 * 1024
#: The stage that is no part of the path.
_DEFAULT_STAGE: Final = "$default"


@dataclass(slots=True)
class Answer:
    """What the app answers, gathered: an HTTP API cannot stream."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


def scope_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """The ASGI scope of an event.

    The caller's address is the one that API Gateway saw. A stage of another name than `$default` is the root path.

    Raises:
        ValueError: it is no event of payload format 2.0.
    """
    if event.get("version") != "2.0" or "requestContext" not in event:
        raise ValueError("this function answers an API Gateway HTTP API, by payload format 2.0; the event is none of its")
    context, path = event["requestContext"], unquote(event["rawPath"])
    stage = f"/{context['stage']}"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": context["http"]["method"].upper(),
        "scheme": "https",
        "path": path,
        "raw_path": event["rawPath"].encode(errors="replace"),
        "root_path": "" if context["stage"] == _DEFAULT_STAGE or not f"{path}/".startswith(f"{stage}/") else stage,
        "query_string": event.get("rawQueryString", "").encode(errors="replace"),
        "headers": _headers_of(event),
        "client": (context["http"]["sourceIp"], 0),
        "server": (context["domainName"], 443),
    }


def body_of(event: Mapping[str, Any]) -> bytes:
    """A request's body, as it was sent."""
    body: str = event.get("body") or ""
    return b64decode(body) if event.get("isBase64Encoded") else body.encode(errors="replace")


async def ask(app: ASGIApp, event: Mapping[str, Any]) -> Answer:
    """The app's whole answer.

    Raises:
        ValueError: it is no event of payload format 2.0.
    """
    answer, body = Answer(), [body_of(event)]

    async def receive() -> Message:
        if not body:
            # Nobody hangs up: API Gateway waits for the answer, whatever the caller does.
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body.pop(), "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
        else:
            answer.body += message.get("body", b"")

    await app(scope_of(event), receive, send)
    return answer


def result_of(answer: Answer) -> dict[str, Any]:
    """An answer, as a function returns it. Headers of one name become one, but for cookies, which have a place of their own."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in answer.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "set-cookie":
            cookies.append(value)
        else:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    text = _text_of(answer.body)
    return {
        "statusCode": answer.status,
        "headers": headers,
        "cookies": cookies,
        "body": b64encode(answer.body).decode() if text is None else text,
        "isBase64Encoded": text is None,
    }


def _headers_of(event: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    headers = dict(event.get("headers") or {})
    if event.get("cookies"):
        headers["cookie"] = "; ".join(event["cookies"])
    return [(name.lower().encode(errors="replace"), value.encode(errors="replace")) for name, value in headers.items()]


def _text_of(body: bytearray) -> str | None:
    """A body as text, None where it is none, or where base64 may be shorter."""
    try:
        return body.decode() if len(body) <= TEXT_MAX_BYTES else None
    except UnicodeDecodeError:
        return None

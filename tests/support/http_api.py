"""An API Gateway HTTP API before a function: requests become events of payload format 2.0, and results become answers.

What it refuses itself, it refuses in words of its own. Sources, read in November 2026: "Create AWS Lambda proxy integrations for
HTTP APIs" and "Quotas for configuring and running an HTTP API" in the API Gateway Developer Guide.
"""

import json
import threading
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.function import Environment

BODY_MAX_BYTES = 10 * 1000 * 1000
#: Environments that run at a time.
_ENVIRONMENTS = 3
#: Bodies of these types are text in an event; others are base64.
_TEXT = ("text/", "application/json", "application/javascript", "application/xml")


class HttpApi(ThreadingHTTPServer):
    """Each request goes to an environment that is idle, or to a new one; where there are enough, it waits (AWS would have more).

    Args:
        start: makes an environment.
        stage: `$default`, or one that is part of the path.
    """

    daemon_threads = True

    def __init__(self, start: Callable[[], Environment], stage: str = "$default") -> None:
        self._idle = [start()]
        super().__init__(("127.0.0.1", 0), _Requests)
        self.stage = stage
        self.url = f"http://127.0.0.1:{self.server_port}" + ("" if stage == "$default" else f"/{stage}")
        self._start = start
        self.environments = [*self._idle]
        self._room = threading.Semaphore(_ENVIRONMENTS)

    def ask(self, event: dict[str, Any]) -> tuple[int, dict[str, str], list[str], bytes]:
        """Status, headers, cookies and body."""
        try:
            result = self._invoke(event)
        except ValueError:
            return _refusal(413, "Request Entity Too Large")
        except RuntimeError:
            return _refusal(500, "Internal Server Error")
        except TimeoutError:
            return _refusal(503, "Service Unavailable")
        body = b64decode(result["body"]) if result["isBase64Encoded"] else result["body"].encode()
        return result["statusCode"], result["headers"], result["cookies"], body

    def use(self, environment: Environment) -> None:
        """Give it the next request."""
        self._idle.append(environment)

    def end(self) -> None:
        """With all its environments."""
        self.shutdown()
        self.server_close()
        for each in self.environments:
            each.end()

    def _invoke(self, event: dict[str, Any]) -> Any:
        with self._room:
            try:
                environment = self._idle.pop()
            except IndexError:
                environment = self._start()
                self.environments.append(environment)
            # One that had no answer in its time, or failed, is not used again.
            result = environment.invoke(event)
            self._idle.append(environment)
            return result


class _Requests(BaseHTTPRequestHandler):
    server: HttpApi
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        """`do_GET` and all the others."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return self._any

    def _any(self) -> None:
        length = int(self.headers.get("content-length", 0))
        if length > BODY_MAX_BYTES:
            self.close_connection = True
            answer = _refusal(413, "Request Entity Too Large")
        else:
            answer = self.server.ask(self._event(self.rfile.read(length)))
        status, headers, cookies, content = answer
        self.send_response_only(status)
        for name, value in {**headers, "content-length": str(len(content)), "apigw-requestid": uuid.uuid4().hex[:16]}.items():
            self.send_header(name, value)
        for cookie in cookies:
            self.send_header("set-cookie", cookie)
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(content)

    def _event(self, body: bytes) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        cookies = headers.pop("cookie", "")
        address = self.client_address[0]
        headers["x-forwarded-for"] = ", ".join(filter(None, (headers.get("x-forwarded-for"), address)))
        is_text = headers.get("content-type", "").startswith(_TEXT) and _is_utf_8(body)
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers | {"x-forwarded-proto": "https", "x-forwarded-port": "443"},
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "a1b2c3",
                "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "a1b2c3",
                "http": {
                    "method": self.command, "path": path, "protocol": "HTTP/1.1", "sourceIp": address,
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": uuid.uuid4().hex[:16],
                "routeKey": "$default",
                "stage": self.server.stage,
                "time": "22/Nov/2026:02:00:00 +0000",
                "timeEpoch": 1_795_312_800_000,
            },
            "isBase64Encoded": bool(body) and not is_text,
        }  # fmt: skip
        if cookies:
            event["cookies"] = cookies.split("; ")
        if body:
            event["body"] = body.decode() if is_text else b64encode(body).decode()
        return event

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refusal(status: int, message: str) -> tuple[int, dict[str, str], list[str], bytes]:
    return status, {"content-type": "application/json"}, [], json.dumps({"message": message}).encode()


@contextmanager
def served_by(start: Callable[[], Environment], stage: str = "$default") -> Iterator[HttpApi]:
    """An HTTP API for the length of the block; its first environment runs already."""
    api = HttpApi(start, stage)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        api.end()

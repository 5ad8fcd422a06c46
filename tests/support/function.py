"""AWS Lambda, as far as a function meets it: the Runtime API, and the real runtime client, whose process is stopped between events.

The protocol is Lambda's Runtime API, version 2018-06-01 ("Using the Lambda runtime API for custom runtimes" in the Lambda Developer
Guide, November 2026).
"""

import json
import os
import queue
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from tests.support.processes import START_SECONDS, Process

#: Of an event, and of what answers it, in JSON ("Lambda quotas" in the Lambda Developer Guide, November 2026).
PAYLOAD_MAX_BYTES = 6 * 1024 * 1024
HANDLER = "producer.lambda_handler.handler"


class Sandbox(Protocol):
    """Where a function runs."""

    def freeze(self) -> None:
        """Stop it."""

    def thaw(self) -> None:
        """Let it go on."""

    def kill(self) -> None:
        """End it, as Lambda does: without a word."""

    @property
    def output(self) -> str:
        """Its log."""


class LocalSandbox:
    """A process of the runtime client, on this machine."""

    def __init__(self, runtime: str, env: Mapping[str, str], log: Path) -> None:
        self._process = Process([sys.executable, "-m", "awslambdaric", HANDLER], {**env, "AWS_LAMBDA_RUNTIME_API": runtime}, log)

    def freeze(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.popen.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.popen.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._process.popen.kill()
        self._process.popen.wait()

    @property
    def output(self) -> str:
        return self._process.output

    @property
    def is_frozen(self) -> bool:
        """Whether it is stopped now."""
        return Path(f"/proc/{self._process.popen.pid}/stat").read_text().rpartition(") ")[2].startswith("T")


class Environment:
    """An execution environment: one event at a time.

    Args:
        start: makes the sandbox; it is given the address of the Runtime API.
        seconds: the function's time for each event.
        host: where the Runtime API listens.
    """

    def __init__(self, start: Callable[[str], Sandbox], seconds: float = 30.0, host: str = "127.0.0.1") -> None:
        self.seconds = seconds
        self._idle = threading.Event()
        self._init_error: str | None = None
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._results: dict[str, Future[Any]] = {}
        self._server = _Server((host, 0), _Calls)
        self._server.environment = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        began = time.monotonic()
        self.sandbox = start(f"{host}:{self._server.server_port}")
        if not self._idle.wait(START_SECONDS) or self._init_error:
            self.end()
            raise AssertionError(f"the function did not start: {self._init_error}\n{self.sandbox.output}")
        self.start_seconds = time.monotonic() - began

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """What the function returns.

        Raises:
            ValueError: the event is larger than Lambda takes.
            RuntimeError: the function failed; its report.
            TimeoutError: it had no answer in its time.
        """
        content = json.dumps(event).encode()
        if len(content) > PAYLOAD_MAX_BYTES:
            raise ValueError("the event is too large")
        request_id = str(uuid.uuid4())
        result: Future[Any] = Future()
        self._results[request_id] = result
        self._events.put((request_id, content))
        return result.result(self.seconds)

    def end(self) -> None:
        """Kill the function, and close."""
        self.sandbox.kill()
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> tuple[str, bytes]:
        """The next event; until there is one, the function is stopped."""
        self.sandbox.freeze()
        self._idle.set()
        event = self._events.get()
        self.sandbox.thaw()
        return event

    def settle(self, request_id: str, content: bytes, *, failed: bool) -> int:
        """Take note of what came of an event. The status that its reporter is answered with."""
        result = self._results.pop(request_id)
        if failed:
            result.set_exception(RuntimeError(content.decode()))
        elif len(content) > PAYLOAD_MAX_BYTES:
            result.set_exception(RuntimeError("Function.ResponseSizeTooLarge"))
            return 413
        else:
            result.set_result(json.loads(content))
        return 202

    def fail(self, content: bytes) -> int:
        """It cannot start."""
        self._init_error = content.decode()
        self._idle.set()
        return 202


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    environment: Environment


class _Calls(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        assert self.path == "/2018-06-01/runtime/invocation/next", self.path
        request_id, content = self.server.environment.next()
        self._answer(
            200,
            content,
            {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.server.environment.seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:quarry",
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
                "Content-Type": "application/json",
            },
        )

    def do_POST(self) -> None:
        content, environment = self.rfile.read(int(self.headers["content-length"])), self.server.environment
        match self.path.split("/")[3:]:
            case ["invocation", request_id, "response"]:
                self._answer(environment.settle(request_id, content, failed=False))
            case ["invocation", request_id, "error"]:
                self._answer(environment.settle(request_id, content, failed=True))
            case ["init", "error"]:
                self._answer(environment.fail(content))
            case _:
                self._answer(404)

    def _answer(self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def functioning(env: Mapping[str, str], log: Path, seconds: float = 30.0) -> Iterator[Environment]:
    """An environment on this machine, for the length of the block."""
    environment = Environment(lambda runtime: LocalSandbox(runtime, env, log), seconds)
    try:
        yield environment
    finally:
        environment.end()

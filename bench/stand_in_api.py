"""A stand-in for the REST API that keeps jobs in memory: what `bench/run_100k.py --stand-in` measures the client against.

It takes bulks and lookups, makes one job of one idempotency key, and has each job completed a second later with its prompt.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from quarry.clock import SystemClock, to_rfc3339
from quarry.ids import new_request_id

TAKES_SECONDS: Final = 1.0
BY_KEY: Final[dict[str, str]] = {}
#: Request id → when it is over, name, prompt.
JOBS: Final[dict[str, tuple[float, str, str]]] = {}
CLOCK: Final = SystemClock()


class Handler(BaseHTTPRequestHandler):
    """Two calls of the contract, and `/count`, which is how many jobs there are."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """`/count`."""
        self._answer({"jobs": len(JOBS)})

    def do_POST(self) -> None:
        """Bulk or lookup."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(
            {"jobs": [accept(each) for each in body["jobs"]] if "jobs" in body else [show(each) for each in body["request_ids"]]}
        )

    def _answer(self, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def accept(body: dict[str, Any]) -> dict[str, Any]:
    """One submission."""
    request_id = BY_KEY.setdefault(body["idempotency_key"], new_request_id(CLOCK.now()))
    JOBS.setdefault(request_id, (time.monotonic() + TAKES_SECONDS, body["custom_id"], body["prompt"]))
    return {"request_id": request_id, "status": "queued", "custom_id": body["custom_id"]}


def show(request_id: str) -> dict[str, Any]:
    """One job."""
    over_at, custom_id, prompt = JOBS[request_id]
    over, now = time.monotonic() >= over_at, to_rfc3339(CLOCK.now())
    return {
        "request_id": request_id, "custom_id": custom_id, "status": "completed" if over else "queued", "created_at": now,
        "result": {"text": prompt, "content": [{"text": prompt}], "stop_reason": "end_turn", "filtered": False} if over else None,
        "usage": {"input_tokens": 50, "output_tokens": 50, "total_tokens": 100} if over else None,
        "finished_at": now if over else None, "error": None,
    }  # fmt: skip


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

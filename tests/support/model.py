"""A stand-in for the process of the model (`quarry/simulator/llama.py`): it speaks what llama.cpp's server speaks.

It knows one answer, "The capital of France is Paris.", a word a token, and a prompt of more than 4,000 words is too long.
The prompt "die" ends the process without an answer. It writes much to stderr, as a real one may.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

ANSWER = "The capital of France is Paris."
_CONTEXT_TOKENS = 4000
#: More than a pipe holds.
_NOISE = "x" * 100_000


def python(directory: Path) -> Path:
    """What is given where a Python with the model is wanted: it is run with the arguments for `llama.py`, and starts this."""
    path = directory / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}"\n')
    path.chmod(0o755)
    return path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sys.stderr.write(f"{_NOISE}\n")
        sys.stderr.flush()
        if asked["messages"][-1]["content"] == "die":
            os._exit(3)
        status, answer = _answer(asked)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not needed."""


def _answer(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    read = sum(len(message["content"].split()) for message in asked["messages"]) + len(asked.get("system", "").split())
    if read > _CONTEXT_TOKENS:
        return 400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "request exceeds the context"}}
    last = asked["messages"][-1]
    begun = last["content"] if last["role"] == "assistant" else ""
    words = ANSWER.removeprefix(begun).split(" ")
    cut, stop = words[: asked["max_tokens"]], None
    reason = "max_tokens" if len(cut) < len(words) else "end_turn"
    text = " ".join(cut)
    for sequence in asked.get("stop_sequences", []):
        if sequence in text:
            text, stop, reason = text[: text.index(sequence)], sequence, "end_turn"
    usage = {"input_tokens": read, "cache_read_input_tokens": 0, "output_tokens": len(cut)}
    content = [{"type": "text", "text": begun + text}]
    return 200, {"content": content, "stop_reason": reason, "stop_sequence": stop, "usage": usage}


def main() -> None:
    """Serve until stdin ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""The world of a run: an API that is played, with its jobs, and a clock that only pauses move."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from quarry.client import ApiClient
from quarry.runs.journal import Journal
from quarry.runs.lines import FileFacts, facts_of
from quarry.runs.output import Output
from quarry.runs.retrying import retry_failed
from quarry.runs.runner import Plan, Runner
from quarry.runs.tally import Tally

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
Answer = Callable[[list[dict[str, Any]]], httpx.Response | None]


class World:
    """An API, its jobs by key, and a clock that only pauses move. A job is over `takes` seconds after it was made."""

    def __init__(self, directory: Path, *lines: str, takes: float = 1.0) -> None:
        self.directory, self.takes, self.time = directory, takes, 0.0
        self.file, self.out = directory / "jobs.jsonl", directory / "out.jsonl"
        self.file.write_text("".join(f"{line}\n" for line in lines))
        self.jobs: dict[str, dict[str, Any]] = {}
        self.by_id: dict[str, dict[str, Any]] = {}
        #: What answers the next bulks and lookups instead; None lets one through.
        self.bulks: list[Answer] = []
        self.lookups: list[Answer] = []
        self.bulk_sizes: list[int] = []
        self.said: list[str] = []
        self.most_in_flight = 0
        #: Called when the file is known, and nothing was submitted.
        self.at_start: Callable[[], object] = lambda: None
        self.view: Callable[[dict[str, Any]], dict[str, Any]] = lambda job: job

    def retry(self, salt: str) -> int | None:
        """Have failed lines run again at the next sitting."""
        facts = facts_of(self.file)
        with self._journal(facts) as journal, self._client() as client:
            return retry_failed(self.out, facts, journal, client, salt)

    def run(self, in_flight: int = 2000) -> Tally:
        """One sitting."""
        facts = facts_of(self.file)
        self.at_start()
        with (
            self._journal(facts) as journal,
            closing(Output.open(self.out, facts.last)) as output,
            self._client() as client,
        ):
            return Runner(
                Plan(self.file, facts, in_flight), client, journal, output, self._watch, say=self.said.append, pause=self._pass,
                monotonic=lambda: self.time, now=lambda: START + timedelta(seconds=self.time), draw=lambda: 0.5,
            ).run()  # fmt: skip

    def _journal(self, facts: FileFacts) -> AbstractContextManager[Journal]:
        return closing(Journal.open(self.out.with_suffix(".journal"), facts, ""))

    def _client(self) -> ApiClient:
        return ApiClient("http://api.example", transport=httpx.MockTransport(self._answer))

    @property
    def rows(self) -> dict[int, dict[str, Any]]:
        rows = [json.loads(line) for line in self.out.read_text().splitlines()]
        assert len({row["line"] for row in rows}) == len(rows)
        return {row["line"]: row for row in rows}

    def _pass(self, seconds: float) -> None:
        assert seconds > 0, "a hot loop"
        self.time += seconds

    def _watch(self, tally: Tally) -> None:
        self.most_in_flight = max(self.most_in_flight, tally.in_flight)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/jobs/bulk":
            bodies = json.loads(request.content)["jobs"]
            self.bulk_sizes.append(len(bodies))
            special = self.bulks.pop(0)(bodies) if self.bulks else None
            return special or httpx.Response(202, json={"jobs": [self.accept(body) for body in bodies]})
        if path == "/v1/jobs/lookup":
            ids = json.loads(request.content)["request_ids"]
            special = self.lookups.pop(0)(ids) if self.lookups else None
            return special or httpx.Response(200, json={"jobs": [self._found(each) for each in ids]})
        if path.startswith("/large/"):
            return httpx.Response(200, json={"text": "large", "content": [], "stop_reason": "end_turn", "filtered": False})
        if path.startswith("/gone/"):
            return httpx.Response(404)
        return httpx.Response(200, json=self._shown(self.by_id[path.rsplit("/", 1)[1]]))

    def accept(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("prompt") == "refuse me":
            return {"error": {"code": "invalid_request", "message": "no", "errors": []}, "custom_id": None}
        job = self.jobs.setdefault(body["idempotency_key"], {"request_id": id_of(len(self.jobs)), "at": self.time, "body": body})
        self.by_id[job["request_id"]] = job
        return {"request_id": job["request_id"], "status": "queued", "custom_id": None}

    def _found(self, request_id: str) -> dict[str, Any]:
        if request_id not in self.by_id:
            return {"request_id": request_id, "error": {"code": "job_not_found", "message": "no such job"}}
        return self.view(self._shown(self.by_id[request_id]))

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        over = self.time >= job["at"] + self.takes
        instant = START.isoformat()
        return {
            "request_id": job["request_id"], "custom_id": job["body"].get("custom_id"), "status": "completed" if over else "queued",
            "result": {"text": job["body"]["prompt"]} if over else None, "usage": {"total_tokens": 2} if over else None,
            "error": None, "created_at": instant, "finished_at": instant if over else None,
        }  # fmt: skip


def id_of(number: int) -> str:
    """A UUIDv7, as far as anybody looks."""
    return f"{number:012x}7{0:03x}8{0:015x}"


def named(count: int) -> list[str]:
    return [json.dumps({"prompt": f"p{number}", "custom_id": f"c{number}"}) for number in range(1, count + 1)]


def problem(status: int, code: str = "overloaded", **headers: str) -> Answer:
    body = {"status": status, "code": code, "title": code, "detail": code, "errors": []}
    return lambda _: httpx.Response(status, json=body, headers=headers)


def lost(_: list[dict[str, Any]]) -> httpx.Response:
    raise httpx.ReadTimeout("no answer")


def reset(_: list[dict[str, Any]]) -> httpx.Response:
    raise httpx.ReadError("connection reset")


def nobody(_: list[dict[str, Any]]) -> httpx.Response:
    raise httpx.ConnectError("refused")

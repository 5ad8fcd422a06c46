"""The REST API's client: what the command line and the demo speak. Synchronous, for a person is waiting."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeAlias
from urllib.parse import urlsplit

import httpx

from quarry import __version__
from quarry.errors import ApiRefused, ApiUnreachable, FieldFault
from quarry.event_stream import JobEvent, events_in
from quarry.ids import is_request_id
from quarry.job import TERMINAL

#: A job as the API shows it: see `docs/reference/rest.md`.
JobView: TypeAlias = dict[str, Any]

#: The longest that the API lets a GET wait.
LONG_POLL_SECONDS: Final = 30
#: Jobs of one lookup, and of one page.
LOOKUP_MAX: Final = 100
#: Between two questions where the API did not wait as it was asked to (it bounds its waiters), or did not answer.
_PAUSE_SECONDS: Final = 1.0
#: How long a follower of a job bears with an API that is away: a restart, a deploy.
_PATIENCE_SECONDS: Final = 30.0
#: For an answer: longer than the API holds a GET, and than it takes to find that a submission cannot be decided, which took 47 s
#: in a trial of our own.
_ANSWER_SECONDS: Final = 60.0
#: Without a word on an event stream: the API says every 15 s that it is there.
_SILENCE_SECONDS: Final = 45.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class ApiClient:
    """Talks to one API. Every method raises `ApiUnreachable` where nothing answers and `ApiRefused` where a problem does.

    `credential` is an API key or a token. `transport`, `pause` and `monotonic` are what a test replaces.
    """

    def __init__(
        self,
        url: str,
        credential: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        # As it is told: without a name and a password in it.
        self._shown = re.sub(r"//[^/]*@", "//", self._url)
        # For the API alone: the address of a large result is another service's.
        self._identity = {"Authorization": f"Bearer {credential}"} if credential else {}
        self._pause = pause
        self._monotonic = monotonic
        self._http = httpx.Client(
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=5),
            headers={"User-Agent": f"quarry/{__version__}"},
            transport=transport,
            # A proxy that leads out of the machine does not lead back to it.
            trust_env=urlsplit(url).hostname not in _LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def submit(self, body: Mapping[str, Any], idempotency_key: str | None = None) -> JobView:
        """Submit one job; returns it as accepted."""
        key = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key.encode()}
        # Encoded here: what JSON can hold and UTF-8 or the library cannot is for the API to judge.
        headers = {"Content-Type": b"application/json", **key}
        return self._json("POST", "/v1/jobs", content=json.dumps(dict(body)).encode(), headers=headers)

    def submit_many(self, bodies: Sequence[Mapping[str, Any]]) -> Sequence[JobView]:
        """Submit up to 500 jobs; one row each, in order: `request_id` and `status`, or `error`, and the `custom_id`."""
        answer = self._json("POST", "/v1/jobs/bulk", json={"jobs": [dict(body) for body in bodies]})
        return self._jobs_in(answer)

    def submit_encoded(self, bodies: Sequence[bytes]) -> Sequence[JobView]:
        """The same with bodies that are JSON already, which are sent as they are."""
        content = b'{"jobs":[' + b",".join(bodies) + b"]}"
        answer = self._json("POST", "/v1/jobs/bulk", content=content, headers={"Content-Type": "application/json"})
        return self._jobs_in(answer)

    def get(self, request_id: str, wait_seconds: float = 0) -> JobView:
        """One job; the API waits up to `wait_seconds` (at most 30) for it to become terminal."""
        return self._json("GET", _job_path(request_id), params={"wait_seconds": f"{wait_seconds:.1f}"})

    def explain(self, request_id: str) -> dict[str, Any]:
        """The story of one job: see `docs/howto/explain.md`."""
        return self._json("GET", f"{_job_path(request_id)}/explanation")

    def look_up(self, request_ids: Sequence[str]) -> Sequence[JobView]:
        """Up to 100 jobs, in order; a row with `error` for one that does not exist."""
        return self._jobs_in(self._json("POST", "/v1/jobs/lookup", json={"request_ids": list(request_ids)}))

    def cancel(self, request_id: str) -> JobView:
        """Ask for a job to be stopped; returns it."""
        return self._json("POST", f"{_job_path(request_id)}/cancel")

    def list(self, *, status: str | None, created_after: str | None, limit: int | None) -> Iterator[JobView]:
        """Jobs without content, newest first, at most `limit` (None: all); pages are read as they are needed."""
        page: dict[str, str | int] = {
            name: value for name, value in (("status", status), ("created_after", created_after)) if value is not None
        }
        left = limit
        while left is None or left > 0:
            page["limit"] = LOOKUP_MAX if left is None else min(left, LOOKUP_MAX)
            answer = self._json("GET", "/v1/jobs", params=page)
            jobs = self._jobs_in(answer)
            yield from jobs
            left = None if left is None else left - len(jobs)
            if not answer.get("next_cursor"):
                return
            page["cursor"] = answer["next_cursor"]

    def wait(self, request_id: str, seconds: float | None) -> JobView:
        """Follow a job until it is terminal, or for `seconds` (None: for as long as that takes); returns it as last seen.

        An API that goes away for a moment, as in a deploy, is borne with.
        """
        answered_at = self._monotonic()
        end = float("inf") if seconds is None else answered_at + seconds
        while True:
            asked_at = self._monotonic()
            try:
                job = self.get(request_id, max(0.0, min(LONG_POLL_SECONDS, end - asked_at)))
                answered_at = self._monotonic()
            except (ApiUnreachable, ApiRefused) as error:
                away = isinstance(error, ApiUnreachable) or error.status >= 500
                if not away or self._monotonic() >= min(end, answered_at + _PATIENCE_SECONDS):
                    raise
            else:
                if job["status"] in TERMINAL or answered_at >= end:
                    return job
            self._pause(max(0.0, asked_at + _PAUSE_SECONDS - self._monotonic()))

    def follow(self, request_id: str) -> Iterator[JobEvent]:
        """The events of a job, to the last, which is `done`, however long that takes.

        A connection that ends before is opened anew, and an API that goes away for a moment, as in a deploy, is borne with.
        """
        last_id, heard_at = "", self._monotonic()
        while True:
            try:
                for event in self._events(request_id, last_id):
                    last_id, heard_at = event.id, self._monotonic()
                    yield event
                    if event.name == "done":
                        return
                heard_at = self._monotonic()
            except (ApiUnreachable, ApiRefused) as error:
                away = isinstance(error, ApiUnreachable) or error.status >= 500
                if not away or self._monotonic() >= heard_at + _PATIENCE_SECONDS:
                    raise
            self._pause(_PAUSE_SECONDS)

    def result_of(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """A job's `result`, whole: fetched where it only says where it can be had.

        Raises:
            ApiUnreachable: it cannot be had from there.
        """
        if "url" not in result:
            return dict(result)
        try:
            whole: dict[str, Any] = self._http.get(result["url"]).raise_for_status().json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            host = urlsplit(result["url"]).netloc
            raise ApiUnreachable(f"the result cannot be had from {host} ({type(error).__name__}); see its URL") from error
        return whole

    def text_of(self, result: Mapping[str, Any]) -> str:
        """The text of a job's `result`, which is fetched where that only says where it can be had."""
        text: str = self.result_of(result)["text"]
        return text

    def is_ready(self) -> bool:
        """Whether the API says that it is ready."""
        return self._send("GET", "/readyz").status_code == 200

    def _jobs_in(self, answer: Mapping[str, Any]) -> Sequence[JobView]:
        jobs = answer.get("jobs")
        if not isinstance(jobs, Sequence):
            raise ApiUnreachable(f"what answers at {self._shown} is not Quarry's API")
        return jobs

    def _events(self, request_id: str, last_id: str) -> Iterator[JobEvent]:
        """The events after that one, until the stream ends."""
        path, headers = f"{_job_path(request_id)}/events", {**self._identity, **({"Last-Event-ID": last_id} if last_id else {})}
        with (
            self._explaining("GET"),
            self._http.stream(
                "GET", self._url + path, headers=headers, timeout=httpx.Timeout(_SILENCE_SECONDS, connect=5)
            ) as answer,
        ):
            if not answer.is_success or "event-stream" not in answer.headers.get("Content-Type", ""):
                answer.read()
                self._read(answer, path)
                raise ApiUnreachable(f"what answers at {self._shown} is not Quarry's API")
            try:
                yield from events_in(answer.iter_lines())
            except ValueError as error:
                raise ApiUnreachable(f"what answers at {self._shown} is not Quarry's API") from error

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        return self._read(self._send(method, path, **request), path)

    def _read(self, answer: httpx.Response, path: str) -> dict[str, Any]:
        """An answer's JSON, or what the API has against the request."""
        try:
            body = answer.json()
        except ValueError:
            body = None
        if answer.is_success and isinstance(body, dict):
            return body
        if answer.is_success or not isinstance(body, dict) or "code" not in body:
            raise ApiUnreachable(f"what answers at {self._shown} is not Quarry's API (HTTP {answer.status_code} for {path})")
        faults = tuple(FieldFault(each["path"], each["message"]) for each in body.get("errors", []))
        # With faults, `detail` only repeats them. Where nobody knows whether a job was accepted, its id is how to find out.
        text = body.get("title") if faults else body.get("detail")
        job = f" The request_id is {body['request_id']}." if body.get("request_id") else ""
        raise ApiRefused(answer.status_code, body["code"], f"{text}{job}", faults, _retry_after(answer))

    def _send(self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any) -> httpx.Response:
        with self._explaining(method):
            return self._http.request(method, self._url + path, headers={**self._identity, **(headers or {})}, **request)

    @contextmanager
    def _explaining(self, method: str) -> Iterator[None]:
        """Say what an exchange failed of in words of ours."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            why = str(error) or type(error).__name__
            raise ApiUnreachable(
                f"no API answers at {self._shown} ({why}); start one with `quarry api`, or name another with --api or "
                "QUARRY_CLIENT__API_URL",
                heard=False,
            ) from error
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError) as error:
            # Not in its words: they quote what could not be sent, which may be the key.
            raise ApiUnreachable(f"the API at {self._shown} cannot be asked that ({type(error).__name__})", heard=False) from error
        except httpx.HTTPError as error:
            undecided = "; what was asked may have been done" if method == "POST" else ""
            raise ApiUnreachable(
                f"the API at {self._shown} gave no answer ({type(error).__name__}){undecided}",
                slow=isinstance(error, httpx.ReadTimeout),
            ) from error


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds; a date, which is the header's other form, is passed over: the API sends none."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _job_path(request_id: str) -> str:
    if not is_request_id(request_id):
        raise ApiRefused(404, "job_not_found", f"{request_id!r} is no request id: those are 32 hexadecimal digits")
    return f"/v1/jobs/{request_id}"

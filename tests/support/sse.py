"""Server-Sent Events as a client reads them."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.processes import eventually


@dataclass(frozen=True, slots=True)
class Sent:
    """One event."""

    name: str
    id: str
    data: dict[str, Any]


@dataclass
class Follower:
    """Reads the events of a job in a thread of its own, until the stream ends."""

    events: list[Sent] = field(default_factory=list)
    comments: int = 0
    ended: bool = False
    #: The connection broke before the stream came to its end.
    is_cut: bool = False

    @property
    def names(self) -> list[str]:
        """What kinds of events came, in order."""
        return [event.name for event in self.events]

    @property
    def statuses(self) -> list[str]:
        """The statuses that were told."""
        return [event.data["status"] for event in self.events if event.name in ("status", "done")]

    @property
    def text(self) -> str:
        """The text, as a client puts it together."""
        text = ""
        for event in self.events:
            text = "" if event.name == "restart" else text + event.data.get("text", "") if event.name == "text" else text
        return text

    @property
    def last_id(self) -> str:
        """Where another process can go on."""
        return self.events[-1].id

    def until(self, name: str, count: int = 1, *, seconds: float = 20.0) -> None:
        """Wait for so many events of a kind."""
        eventually(lambda: self.names.count(name) >= count, seconds=seconds, what=lambda: f"{count} {name} in {self.names}")

    def take(self, lines: Iterator[str]) -> None:
        """Read events from the lines of a stream."""
        fields: dict[str, str] = {}
        for line in lines:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                self.events.append(Sent(fields["event"], fields["id"], json.loads(fields["data"])))
                fields = {}


@contextmanager
def following(api: httpx.Client, request_id: str, last_id: str | None = None) -> Iterator[Follower]:
    """A follower of a job for the length of the block."""
    follower, headers = Follower(), {"Last-Event-ID": last_id} if last_id else {}
    client = httpx.Client(base_url=api.base_url, timeout=httpx.Timeout(60))
    with client, client.stream("GET", f"/v1/jobs/{request_id}/events", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()

        def read() -> None:
            # Hung up by us, or by a process that ended.
            try:
                follower.take(answer.iter_lines())
            except (httpx.HTTPError, httpx.StreamError):
                follower.is_cut = True
            follower.ended = True

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield follower
        if not follower.ended:
            answer.extensions["network_stream"].get_extra_info("socket").shutdown(2)
        reader.join(10)


def followed(api: httpx.Client, request_id: str, last_id: str | None = None, **headers: str) -> Follower:
    """All events of a job, to the end of the stream."""
    follower = Follower()
    sent: Mapping[str, str] = headers | ({"Last-Event-ID": last_id} if last_id else {})
    with api.stream("GET", f"/v1/jobs/{request_id}/events", headers=sent) as answer:
        assert answer.status_code == 200, answer.read()
        follower.take(answer.iter_lines())
    follower.ended = True
    return follower

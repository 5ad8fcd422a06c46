"""A job's events as a client of the API reads them: Server-Sent Events, of the form that `producer/following.py` gives them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event: `status`, `text`, `restart` or `done`. With its `id`, the API goes on after it."""

    name: str
    id: str
    data: dict[str, Any]


def events_in(lines: Iterable[str]) -> Iterator[JobEvent]:
    """The events of a stream, line by line. One that was cut off is left out.

    Raises:
        ValueError: its data is not JSON: this is not our API.
    """
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "event" in fields:
            yield JobEvent(fields["event"], fields.get("id", ""), json.loads(fields.get("data", "null")))
            fields = {}

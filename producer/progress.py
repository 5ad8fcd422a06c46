"""What a follower of a job is told next, given what they were told and a look at the job. Pure.

An event's id says all that its follower has been told by then, so that any process of the API can go on from it. It has the form
`REVISION[c].CLAIM.CALL.OFFSET[.done]`: of the job, with `c` once it shall be cancelled; and of its text.

Text is told only where it joins what was told of the same call. Where a piece is missing, the rest waits: the result has it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from producer.answers import summary_out
from quarry.job import JobStatus
from quarry.store.base import Look, Mark

#: Few digits, so that no number is larger than what is stored.
ID_PATTERN: Final = r"^[0-9]{1,9}c?\.[0-9]{1,9}\.[0-9]{1,3}\.[0-9]{1,8}(\.done)?$"
_ID: Final = re.compile(r"([0-9]+)(c?)\.([0-9]+)\.([0-9]+)\.([0-9]+)(\.done)?")


#: Before all that is ever said.
BEGINNING: Final = Mark(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """How much a follower has been told."""

    revision: int = 0
    cancel_requested: bool = False
    mark: Mark = BEGINNING
    done: bool = False

    def __str__(self) -> str:
        """As an event's id."""
        told, mark = f"{self.revision}{'c' if self.cancel_requested else ''}", self.mark
        return f"{told}.{mark.claim}.{mark.call}.{mark.offset}{'.done' if self.done else ''}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The reverse.

        Raises:
            ValueError: it is no id.
        """
        found = _ID.fullmatch(text)
        if not found:
            raise ValueError("is no id of an event")
        mark = Mark(int(found[3]), int(found[4]), int(found[5]))
        return cls(int(found[1]), found[2] == "c", mark, found[6] is not None)


@dataclass(frozen=True, slots=True)
class Told:
    """An event. `data` is JSON-safe."""

    name: str
    id: str
    data: dict[str, Any]


class Progress:
    """What one follower of a job has been told; `place` is where another process left off."""

    def __init__(self, place: Place | None) -> None:
        self._place = replace(place or Place(), done=False)
        #: Whose text was told; None where that is not known (yet).
        self._token: str | None = None
        self._summary: dict[str, Any] | None = None
        self._is_new = place is None

    @property
    def since(self) -> Mark:
        """From where on pieces are wanted: where nobody knows whose text was told, they tell."""
        mark = self._place.mark
        return mark if self._token else replace(mark, offset=0)

    def told(self, look: Look, now: datetime) -> Iterator[Told]:
        """What is new to the follower of a job that is not over."""
        state = (look.job.revision, look.job.cancel_requested)
        known = (self._place.revision, self._place.cancel_requested)
        if state < known:
            return  # older than what they were told
        self._recognise(look)
        self._place = replace(self._place, revision=state[0], cancel_requested=state[1])
        summary = summary_out(look.job, now)
        if summary != self._summary and (self._summary or self._is_new or state != known):
            yield self._event("status", summary)
        self._summary = summary
        yield from self._said(look)

    def over(self, look: Look, job: dict[str, Any]) -> Iterator[Told]:
        """The rest of the text, where there is an answer that is shown, and the end. `job` is the whole, as callers see it."""
        self._recognise(look)
        text = (job["result"] or {}).get("text", "") if job["stream"] and job["status"] == JobStatus.COMPLETED else None
        if text is not None:
            # What a route declares in place of an answer goes on with nothing that was told.
            yield from self._restarted(None if job["degraded"] else look.token)
            if rest := text[self._place.mark.offset :]:
                yield self._more(rest)
        self._place = replace(self._place, revision=look.job.revision, done=True)
        yield self._event("done", job)

    def _recognise(self, look: Look) -> None:
        """Learn whose text was told by another process."""
        if self._token is None and self._place.mark.offset:
            mine = _call(self._place.mark)
            self._token = next((each.token for each in look.pieces if _call(each.mark) == mine), None)

    def _said(self, look: Look) -> Iterator[Told]:
        if look.token is None:
            if not self._place.mark.offset:
                # What is there is void: whatever will count is of a later claim.
                self._place = replace(self._place, mark=Mark(look.job.revision, 0, 0))
            return
        yield from self._restarted(look.token)
        for piece in look.pieces:
            call, known = _call(piece.mark), _call(self._place.mark)
            if piece.token != look.token or call < known:
                continue  # of somebody who has lost the job, or void
            if call > known:
                if self._place.mark.offset:
                    yield self._restart()
                self._place = replace(self._place, mark=replace(piece.mark, offset=0))
            if piece.mark == self._place.mark:
                self._token = piece.token
                yield self._more(piece.text)

    def _restarted(self, token: str | None) -> Iterator[Told]:
        """Say that the text so far is void, where it was another one's."""
        if self._place.mark.offset and token != self._token:
            yield self._restart()

    def _restart(self) -> Told:
        # All that a later claim says comes after this.
        mark = self._place.mark
        self._place, self._token = replace(self._place, mark=Mark(mark.claim, mark.call + 1, 0)), None
        return self._event("restart", {})

    def _more(self, text: str) -> Told:
        mark = self._place.mark
        self._place = replace(self._place, mark=replace(mark, offset=mark.offset + len(text)))
        return self._event("text", {"text": text})

    def _event(self, name: str, data: dict[str, Any]) -> Told:
        return Told(name, str(self._place), data)


def _call(mark: Mark) -> tuple[int, int]:
    """The model call that a mark is in; later ones are larger."""
    return mark.claim, mark.call

"""A run: read, submit, follow, write down; one thing after the other, in one thread.

    line ─ bad ────────────────────────────────────────────────────► a line of results, failed
         └ journal: trying ─ submit ─ accepted ─ journal ─ follow ──► a line of results, of the job
                                    ├ refused ──────────────────────► a line of results, failed
                                    └ no answer, or "try again" ────► again, with the same key

It may die at any point. What is done, the file of results says; what is a job, the journal; what may be one, its key settles.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from quarry.client import ApiClient, JobView
from quarry.clock import seconds_between
from quarry.errors import ApiRefused, ApiUnreachable
from quarry.job import TERMINAL
from quarry.runs.following import Followed, Following
from quarry.runs.journal import KEY_SAFE_FOR, Journal
from quarry.runs.lines import BadLine, FileFacts, Line, read
from quarry.runs.output import COMPLETED, Output, row_of_fault, row_of_job
from quarry.runs.patience import Patience, RunStopped
from quarry.runs.tally import Tally

#: Jobs of one bulk submission: the API's bound, and our own for their bytes, which is less than its 20 MiB.
BULK_MAX_JOBS: Final = 500
_BULK_BYTES: Final = 4 * 1024 * 1024
_BULK_MIN_JOBS: Final = 10
#: The first trouble is mostly over before anybody has read of it.
_WORTH_SAYING: Final = 2
#: What is wrong with a whole bulk where it is wrong with one of its lines: that one is found by halving.
_OF_ONE_LINE: Final = frozenset({400, 413, 422})
#: One item's error: nothing was done, and time helps.
_UNTOUCHED: Final = frozenset({"queue_unavailable", "store_unavailable", "payloads_unavailable", "overloaded", "rate_limited"})
#: One item's error: nobody knows, and its key settles it.
_UNDECIDED: Final = frozenset({"submission_undecided"})
#: One item's error: a bug of the API, which a few tries may get round. Else the line has failed, and the others go on.
_BUG: Final = "internal_error"
_BUG_TRIES: Final = 5
#: How often a result that lies elsewhere is asked for.
_RESULT_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: the file and what was found in it, and how many jobs may be open at once."""

    path: Path
    facts: FileFacts
    in_flight_max: int


class Runner:
    """One run. `pause`, `monotonic`, `now` and `draw` are what a test replaces."""

    def __init__(
        self,
        plan: Plan,
        client: ApiClient,
        journal: Journal,
        output: Output,
        report: Callable[[Tally], None],
        *,
        say: Callable[[str], None],
        pause: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._plan, self._client, self._journal, self._output = plan, client, journal, output
        self._report, self._say = report, say
        self._pause, self._monotonic, self._now, self._draw = pause, monotonic, now, draw
        self._following = Following()
        self._past = journal.past(output.done)
        self._lines = self._unsubmitted()
        #: What is to be submitted again, or in parts.
        self._again: deque[list[Line]] = deque()
        self._bulk_max = BULK_MAX_JOBS
        self._has_read_all = False
        self._submitting, self._looking = Patience(), Patience()
        self._bugs: Counter[int] = Counter()
        self._knows_a_job = False

    def run(self) -> Tally:
        """To its end.

        Raises:
            RunStopped: the API was away for too long, refuses to be spoken to, or knows none of the jobs; or the file changed.
        """
        started = self._monotonic()
        for number, request_id in self._past.accepted.items():
            self._following.follow(request_id, number, started)
        while True:
            self._report(self.tally())
            acted = self._submit_some()
            if jobs := self._due():
                self._look(jobs)
            elif not acted:
                if self._has_read_all and not self._in_flight():
                    return self.tally()
                self._rest()

    def tally(self) -> Tally:
        """How far it is."""
        count = self._output.count
        return Tally(self._plan.facts.jobs, count.completed, count.failed, self._in_flight(), count.tokens, count.degraded)

    def _in_flight(self) -> int:
        return len(self._following) + sum(map(len, self._again))

    def _rest(self) -> None:
        now = self._monotonic()
        until = max(self._following.due_at(), self._looking.not_before)
        if self._submitting.not_before > now:
            until = min(until, self._submitting.not_before)
        # Now and then the display wants to be told, also that nothing happens.
        self._pause(min(max(until - now, 0.01), 1.0))

    # --- submitting -----------------------------------------------------------------------------------------------------

    def _unsubmitted(self) -> Iterator[Line]:
        """The lines that are to be submitted; those that cannot be are written down on the way."""
        facts, digest = self._plan.facts, sha256()
        for line in read(self._plan.path, self._journal.salt, self._past.salts, digest.update):
            if line.number > facts.last:
                break
            if self._output.done[line.number] or line.number in self._past.accepted:
                continue
            tried_at = self._past.tried_at.get(line.number)
            if isinstance(line, BadLine):
                self._output.append([row_of_fault(line)])
            elif tried_at and self._now() - tried_at > KEY_SAFE_FOR:
                self._output.append([row_of_fault(_undecided(line, tried_at))])
            else:
                yield line
        if digest.hexdigest() != facts.sha256:
            raise RunStopped("the file changed while it ran; undo the change, or name another --output")

    def _submit_some(self) -> bool:
        """Submit a batch where there is one and room for it; whether there was."""
        if self._monotonic() < self._submitting.not_before:
            return False
        batch = self._again.popleft() if self._again else self._fresh_batch()
        if batch:
            self._submit(batch)
        return bool(batch)

    def _fresh_batch(self) -> list[Line]:
        room = self._plan.in_flight_max - len(self._following)
        # Full batches, not one for each job that ends.
        if self._has_read_all or room < min(self._bulk_max, (self._plan.in_flight_max + 1) // 2):
            return []
        batch: list[Line] = []
        size = 0
        for line in self._lines:
            batch.append(line)
            size += len(line.body)
            if len(batch) >= min(room, self._bulk_max) or size >= _BULK_BYTES:
                return batch
        self._has_read_all = True
        return batch

    def _submit(self, batch: list[Line]) -> None:
        numbers = [line.number for line in batch]
        self._journal.trying(numbers, self._now())
        try:
            rows = self._client.submit_encoded([line.body for line in batch])
        except (ApiUnreachable, ApiRefused) as error:
            if (isinstance(error, ApiRefused) and error.code not in _UNDECIDED) or not getattr(error, "heard", True):
                self._journal.untouched(numbers)
            if isinstance(error, ApiRefused) and error.status in _OF_ONE_LINE:
                self._narrow(batch, error)
                return
            # It may have been too much at once.
            self._put_back(batch, parted=len(batch) > _BULK_MIN_JOBS)
            self._bulk_max = max(self._bulk_max // 2, _BULK_MIN_JOBS)
            self._trouble(self._submitting, error)
            return
        self._take_in(batch, rows)

    def _narrow(self, batch: list[Line], error: ApiRefused) -> None:
        """A bulk was refused as a whole: find the line that is to blame."""
        self._submitting.fine(self._monotonic())
        if len(batch) > 1:
            self._put_back(batch, parted=True)
            return
        [line] = batch
        errors = [
            {"path": fault.path.removeprefix("jobs[0]").removeprefix("."), "message": fault.message} for fault in error.faults
        ]
        self._output.append([row_of_fault(BadLine(line.number, line.custom_id, error.code, str(error)), errors=errors)])

    def _put_back(self, batch: list[Line], *, parted: bool) -> None:
        middle = len(batch) // 2 if parted else 0
        self._again.extendleft(part for part in (batch[middle:], batch[:middle]) if part)

    def _take_in(self, batch: list[Line], rows: Sequence[JobView]) -> None:
        """What became of each line of a bulk."""
        accepted: dict[int, str] = {}
        again: list[Line] = []
        untouched: list[int] = []
        for line, row in zip(batch, rows, strict=True):
            error = row.get("error")
            if not error:
                accepted[line.number] = row["request_id"]
            elif self._is_to_be_tried_again(line, error["code"]):
                again.append(line)
            else:
                fault = BadLine(line.number, line.custom_id, error["code"], error["message"])
                self._output.append([row_of_fault(fault, errors=error["errors"])])
            if error and error["code"] in _UNTOUCHED:
                untouched.append(line.number)
        self._journal.accepted(accepted)
        self._journal.untouched(untouched)
        now = self._monotonic()
        for number, request_id in accepted.items():
            self._following.follow(request_id, number, now)
        if len(again) < len(batch):
            self._submitting.fine(now)
            self._bulk_max = min(self._bulk_max * 2, BULK_MAX_JOBS)
        if again:
            self._again.append(again)
            code = next(row["error"]["code"] for row in rows if row.get("error"))
            told = f"{len(again)} of {len(batch)} submissions are to be sent again ({code})"
            self._trouble(self._submitting, ApiRefused(503, code, told))

    def _is_to_be_tried_again(self, line: Line, code: str) -> bool:
        if code == _BUG:
            self._bugs[line.number] += 1
            return self._bugs[line.number] < _BUG_TRIES
        return code in _UNTOUCHED | _UNDECIDED

    # --- following ------------------------------------------------------------------------------------------------------

    def _due(self) -> list[Followed]:
        now = self._monotonic()
        return self._following.due(now) if now >= self._looking.not_before else []

    def _look(self, jobs: list[Followed]) -> None:
        try:
            views = self._client.look_up([job.request_id for job in jobs])
        except (ApiUnreachable, ApiRefused) as error:
            self._later(jobs)
            self._trouble(self._looking, error)
            return
        self._looking.fine(self._monotonic())
        self._knows_a_job = self._knows_a_job or any("status" in view for view in views)
        if not self._knows_a_job:
            raise RunStopped("the API knows none of this run's jobs: it is another API, or their records have expired")
        for job, view in zip(jobs, views, strict=True):
            # One by one: results that are fetched are large.
            self._output.append(self._ended(job, view))

    def _ended(self, job: Followed, view: JobView) -> list[dict[str, Any]]:
        """The lines of a job that is over; none where it is not, or where its result could not be had yet."""
        if "status" not in view:
            self._following.over(job)
            error = view["error"]
            faults = (BadLine(number, None, error["code"], error["message"]) for number in job.lines)
            return [row_of_fault(fault, job.request_id) for fault in faults]
        if view["status"] not in TERMINAL:
            self._later([job])
            return []
        try:
            view = self._whole(view)
        except (ApiUnreachable, ApiRefused) as error:
            job.misses += 1
            if job.misses < _RESULT_TRIES:
                self._later([job])
                return []
            self._following.over(job)
            text = f"the job is {view['status']}, and its result cannot be had: {error}"
            faults = (BadLine(number, view["custom_id"], "result_unavailable", text) for number in job.lines)
            return [row_of_fault(fault, job.request_id) for fault in faults]
        self._following.over(job, seconds_between(view["created_at"], view["finished_at"]))
        return [row_of_job(number, view) for number in job.lines]

    def _whole(self, view: JobView) -> JobView:
        """The job with its result, wherever that is to be had."""
        if view["status"] != COMPLETED:
            return view
        if view.get("result_omitted"):
            view = self._client.get(view["request_id"])
        return view | {"result": self._client.result_of(view["result"])}

    def _later(self, jobs: list[Followed]) -> None:
        now = self._monotonic()
        for job in jobs:
            self._following.later(job, now)

    def _trouble(self, patience: Patience, error: ApiUnreachable | ApiRefused) -> None:
        patience.trouble(error, self._monotonic(), self._draw())
        if patience.troubles == _WORTH_SAYING:
            self._say(f"{error}; trying again")


def _undecided(line: Line, tried_at: datetime) -> BadLine:
    text = (
        f"it was being submitted when the run stopped ({tried_at:%Y-%m-%d %H:%M} UTC), and may be a job: it is too late for its "
        "idempotency key to tell. Look for it with `quarry jobs --created-after`, or submit it in another file"
    )
    return BadLine(line.number, line.custom_id, "submission_undecided", text)

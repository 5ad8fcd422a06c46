"""What a job knows of its attempts: how many were started, which are open, how the last ones ended, and what it waited for.

`Job` is built on it, and `advance` in `quarry/job/transitions.py` says when an attempt begins, ends or is given back. Pure, as
that is.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from quarry.invocation import Fallback, Usage

#: How many attempts the history keeps; older ones are dropped, `attempts` still counts them.
HISTORY_LIMIT: Final = 20
#: How many waits it keeps. Equal ones in a row are one; a route whose refusals alternate could fill any number.
WAITS_LIMIT: Final = 10
#: How many targets it keeps of an attempt or a wait, and how many characters of each. Our own choices: a record has 400 KB.
TARGETS_LIMIT: Final = 12
TARGET_MAX_LENGTH: Final = 200
#: The reason of a wait that an operator began, beside the reasons of statuses.
REDRIVEN: Final = "redriven"


class AttemptOutcome(StrEnum):
    """How one attempt ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: A call may have been made and paid, and nobody knows its answer.
    OUTCOME_UNKNOWN = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, for the caller: `code` is stable and documented, `message` holds nothing internal."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `finished_at` is None while it runs, and where its end was never seen."""

    attempt: int
    started_at: datetime
    finished_at: datetime | None
    outcome: AttemptOutcome
    target: str | None = None
    error: Failure | None = None
    usage: Usage | None = None
    fallbacks: tuple[Fallback, ...] = ()
    #: What of the request the target was asked without, or with less of, where it answered.
    adapted: tuple[str, ...] = ()
    #: Of one that failed: the next one was not to begin before.
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a job lay in the queue at no cost: for want of capacity, say, or handed back. Equal waits in a row are one.

    `attempt` is the number of the attempt that came to nothing and was given back, so that the next one has it again.
    `refusals` are the targets that did not serve the last time, in order.
    """

    reason: str
    attempt: int
    began_at: datetime
    until: datetime
    #: What it was told to wait, all in all; a full queue adds to that.
    seconds: float
    count: int = 1
    refusals: tuple[Fallback, ...] = ()

    def continued_by(self, other: "Wait") -> bool:
        """Whether another one is more of the same: for the same reason, refused by the same targets for the same reasons."""
        return self.sameness == other.sameness

    @property
    def sameness(self) -> tuple[object, ...]:
        """What equal waits have in common."""
        return self.reason, self.attempt, [(each.target, each.reason, each.skipped) for each in self.refusals]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """What is tried, perhaps several times: the part of a job's record that counts its attempts and remembers them."""

    #: Tries that were started and not given back, take-overs included, of all generations.
    attempts: int = 0
    #: Those of earlier generations: they are history, and count against no budget.
    attempts_before: int = 0
    takeovers: int = 0
    #: When each claim since the last record began: the last is the one running, the others ended unseen.
    open_attempts: tuple[datetime, ...] = ()
    attempt_history: tuple[Attempt, ...] = ()
    waits: tuple[Wait, ...] = ()

    @property
    def attempts_spent(self) -> int:
        """Attempts that count against the budget; a take-over is not the job's fault until there are too many."""
        return self.attempts - self.attempts_before - self.takeovers

    @property
    def visible_history(self) -> tuple[Attempt, ...]:
        """The attempts as a reader should see them: the closed ones, then those still open."""
        if not self.open_attempts:
            return self.attempt_history
        running = Attempt(self.attempts, self.open_attempts[-1], None, AttemptOutcome.RUNNING)
        return self._remembering(*self._taken_over(), running)

    @property
    def unseen(self) -> bool:
        """Whether an attempt since the last redrive may have been paid, and ended without anybody seeing its answer."""
        mine = (each for each in self.visible_history if each.attempt > self.attempts_before)
        return any(each.outcome is AttemptOutcome.OUTCOME_UNKNOWN for each in mine)

    def begun(self, now: datetime) -> Self:
        """With one more attempt, which runs from now."""
        return replace(self, attempts=self.attempts + 1, open_attempts=(*self.open_attempts, now))

    def ended(
        self,
        now: datetime,
        outcome: AttemptOutcome,
        target: str | None = None,
        failure: Failure | None = None,
        usage: Usage | None = None,
        fallbacks: tuple[Fallback, ...] = (),
        adapted: tuple[str, ...] = (),
        retry_at: datetime | None = None,
    ) -> Self:
        """With the running attempt at its end; those before it that are still open ended unseen."""
        started_at = self.open_attempts[-1] if self.open_attempts else now
        last = Attempt(self.attempts, started_at, now, outcome, target, failure, usage, _kept(fallbacks), adapted, retry_at)
        return self._closed(*self._taken_over(), last)

    def given_back(self) -> Self:
        """As if the running attempt had never happened; those before it ended unseen and stay spent."""
        return replace(self._closed(*self._taken_over()), attempts=self.attempts - 1)

    def waiting(self, reason: str, now: datetime, until: datetime, refusals: tuple[Fallback, ...] = ()) -> Self:
        """With a wait that begins now, before the next attempt."""
        wait = Wait(reason, self.attempts + 1, now, until, max((until - now).total_seconds(), 0.0), 1, _kept(refusals))
        *earlier, last = self.waits or (None,)
        if last and last.continued_by(wait):
            more = replace(last, until=until, seconds=last.seconds + wait.seconds, count=last.count + 1, refusals=wait.refusals)
            return replace(self, waits=(*earlier, more))
        return replace(self, waits=(*self.waits, wait)[-WAITS_LIMIT:])

    def ended_unseen(self) -> Self:
        """With all that was open at an end that nobody saw."""
        return self._closed(*_unseen(self.open_attempts, self.attempts))

    def _taken_over(self) -> tuple[Attempt, ...]:
        return _unseen(self.open_attempts[:-1], self.attempts - 1)

    def _closed(self, *attempts: Attempt) -> Self:
        return replace(self, attempt_history=self._remembering(*attempts), open_attempts=())

    def _remembering(self, *attempts: Attempt) -> tuple[Attempt, ...]:
        return (*self.attempt_history, *attempts)[-HISTORY_LIMIT:]


def _kept(fallbacks: tuple[Fallback, ...]) -> tuple[Fallback, ...]:
    return tuple(replace(each, target=each.target[:TARGET_MAX_LENGTH]) for each in fallbacks[:TARGETS_LIMIT])


def _unseen(starts: tuple[datetime, ...], last_number: int) -> tuple[Attempt, ...]:
    first = last_number - len(starts) + 1
    return tuple(Attempt(first + i, at, None, AttemptOutcome.OUTCOME_UNKNOWN) for i, at in enumerate(starts))

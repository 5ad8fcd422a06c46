"""The wire contract, outwards: the story of a job, as `quarry/explanation.py` tells it. The models only describe it."""

from typing import Literal

from pydantic import AwareDatetime, Field

from producer.answers import Shown, UsageView
from quarry.job import JobStatus, StatusReason


class ToldTarget(Shown):
    """A target that was asked or skipped."""

    target: str = Field(description="Provider, region and model.")
    code: str | None = Field(description="Why it did not serve; null where it answered.")
    seconds: float | None = Field(description="How long that took; null where nobody knows.")
    skipped: bool = Field(description="It was not asked.")
    says: str = Field(description="The same in words.")


class StepView(Shown):
    """Something that happened."""

    at: AwareDatetime = Field(description="When it began.")
    after_seconds: float = Field(description="Counted from the submission.")
    kind: Literal[
        "submitted", "forgotten", "taken_over", "attempt", "backed_off", "waited", "handed_back", "redriven", "ended", "stands"
    ] = Field(description="What it was; `forgotten`: what lies before is no longer on record; `stands`: how it is now.")
    says: str = Field(description="The same in words.")
    seconds: float | None = Field(description="How long it took; null where it took no time, or nobody knows.")
    attempt: int | None = Field(description="The attempt that it belongs to, or came before.")
    code: str | None = Field(description="What went wrong.")
    targets: list[ToldTarget] = Field(description="Who was asked or skipped, in order.")
    usage: UsageView | None = Field(description="Tokens, where they are known.")
    generation: int = Field(description="How often the job had been put back to work by then.")


class TimeView(Shown):
    """Where the time went."""

    total_seconds: float = Field(description="From the submission to the end, or until now.")
    calls_seconds: float = Field(description="In attempts.")
    backoff_seconds: float = Field(description="Between attempts, for time to help.")
    waiting_seconds: float = Field(description="For capacity, access or S3.")
    unseen_seconds: float = Field(description="With workers that vanished.")
    over_seconds: float = Field(description="Over, until an operator put it back to work.")
    queue_seconds: float = Field(description="The rest: in the queue, for a free worker.")


class PaidView(Shown):
    """What it cost."""

    usage: UsageView = Field(description="Tokens of all calls that were counted.")
    calls_counted: int = Field(description="Calls whose tokens are known.")
    calls_perhaps_paid: int = Field(description="Calls that may have been paid, and nobody knows.")
    says: str = Field(description="The same in words.")


class ExplanationView(Shown):
    """The story of a job."""

    request_id: str = Field(description="The job's id.")
    status: JobStatus = Field(description="Where it stands.")
    status_reason: StatusReason | None = Field(description="Why, where the status alone does not tell.")
    model: str = Field(description="As submitted: a route's name or a model id.")
    generation: int = Field(description="How often it was put back to work.")
    summary: str = Field(description="How it ended, or stands.")
    advice: str = Field(description="What its caller can do.")
    steps: list[StepView] = Field(description="What happened, in order.")
    time: TimeView = Field(description="Where the time went; the parts add up to the total.")
    paid: PaidView = Field(description="What its calls cost, all generations together.")

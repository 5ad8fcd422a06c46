"""A job's deadline bounds the *start* of calls: one under way may finish, and its result is kept."""

from datetime import datetime


def has_passed(deadline_at: datetime, now: datetime) -> bool:
    """Whether no further call may start at `now`."""
    return now >= deadline_at


def leaves_no_time(deadline_at: datetime, resume_at: datetime) -> bool:
    """Whether a wait until `resume_at` would end at or past the deadline: then the job expires instead."""
    return resume_at >= deadline_at

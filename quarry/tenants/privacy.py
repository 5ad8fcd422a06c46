"""What is kept of a tenant's jobs, and for how long: `privacy` in `tenants.toml`. A new rule is a row, and a member of the
dataclass.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from quarry.job import Job
from quarry.masking import ALL
from quarry.toml_fields import FLAG, Field, list_of, one_of, whole

#: How long a job whose content is not stored can be read again once its answer was read: a caller whose connection broke meanwhile
#: comes back within minutes. Our own choice.
GRACE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Privacy:
    """What is kept. `retention_days`: None: as long as the service keeps jobs."""

    retention_days: int | None = None
    store_content: bool = True
    keep_hours: int = 24
    mask: tuple[str, ...] = ALL


PRIVACY: Final[Mapping[str, Field]] = {
    "retention_days": Field(
        whole(1, 365),
        "How long a finished job can be read, where that is less than `QUARRY_JOB__RETENTION_DAYS`. Afterwards nobody sees it, and "
        "it is erased.",
    ),
    "store_content": Field(
        FLAG, "`false`: of every job as if it had said `store_content: false`; none may say `true`. The default is `true`."
    ),
    "keep_hours": Field(
        whole(1, 168), "How long the answer of a job whose content is not stored is kept for who does not come for it. Default: 24."
    ),
    "mask": Field(
        list_of(one_of(*ALL), "list of kinds"),
        "What is masked where content is logged (`QUARRY_LOG_CONTENT`). Default: all that is known: "
        + ", ".join(f"`{each}`" for each in ALL)
        + ".",
    ),
}


def is_brief(privacy: Privacy, *, store_content: bool) -> bool:
    """Whether a job is erased once its time is over, and not only left to the table's and the bucket's own expiry."""
    return not store_content or privacy.retention_days is not None


def kept_for(job: Job, privacy: Privacy, retention: timedelta) -> timedelta:
    """For how long after its end a job can be read; `retention` is the service's, which no tenant's goes beyond."""
    days = retention if privacy.retention_days is None else min(timedelta(days=privacy.retention_days), retention)
    return days if job.store_content else min(timedelta(hours=privacy.keep_hours), days)


def ends_at(job: Job, privacy: Privacy, retention: timedelta) -> datetime | None:
    """From when on nobody can read a job; None while it is not over."""
    if job.finished_at is None:
        return None
    end = job.finished_at + kept_for(job, privacy, retention)
    return min(end, job.delivered_at + GRACE) if job.delivered_at else end

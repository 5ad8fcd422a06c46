"""How long jobs are kept, by the policies of now."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from quarry.job import Job
from quarry.tenants import privacy
from quarry.tenants.policy import Tenants


@dataclass(frozen=True, slots=True)
class Keeping:
    """`retention` is the service's own: no tenant's goes beyond it."""

    tenants: Tenants = field(default_factory=Tenants)
    retention: timedelta = timedelta(days=14)

    def kept_for(self, job: Job) -> timedelta:
        """For how long after its end."""
        return privacy.kept_for(job, self.tenants.of(job.tenant).privacy, self.retention)

    def ends_at(self, job: Job) -> datetime | None:
        """From when on nobody can read it; None while it is not over."""
        return privacy.ends_at(job, self.tenants.of(job.tenant).privacy, self.retention)

    def is_over(self, job: Job, now: datetime) -> bool:
        """Whether nobody can read it any more, wherever it still lies."""
        end = self.ends_at(job)
        return end is not None and end <= now

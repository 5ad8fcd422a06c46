"""The numbers of our own policy."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Numbers:
    """What `terraform/modules/autoscaling` makes a policy of. `surge`: (metric in targets, percent to add), each from there on."""

    slots: int = 100
    typical_job_seconds: float = 20
    acceptable_latency_seconds: float = 60
    #: The share of slots that should be full.
    full: float = 0.9
    #: The share of slots in use below which jobs that wait are not short of workers.
    busy: float = 0.5
    out_cooldown_seconds: float = 60
    in_cooldown_seconds: float = 180
    surge: tuple[tuple[float, int], ...] = ((2, 100), (4, 300), (8, 700))
    surge_minutes: int = 1
    surge_cooldown_seconds: float = 60

    @property
    def times_over(self) -> float:
        """How often a task works off its slots in the acceptable latency, and what it works on at once."""
        return 1 + self.acceptable_latency_seconds / self.typical_job_seconds

    def fed(self, rpm: float) -> int:
        """So many tasks use up a quota."""
        return max(1, -int(-rpm * self.typical_job_seconds // (60 * self.slots)))


OURS: Final = Numbers()

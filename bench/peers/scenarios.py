"""What is asked of each system."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from bench.peers import work
from bench.peers.systems import SYSTEMS, System

REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
#: Of the peers' queue, for all of them: twice and more of what AWS's examples have.
RECEIVES_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of run. Numbers of jobs are those for three regions."""

    name: str
    title: str
    jobs: int
    concurrency: int = 100
    model_seconds: float = 0.5
    #: Of each region, unknown to the systems; none: everything is served.
    requests_per_minute: float | None = None
    refill: Literal["smooth", "minute"] = "smooth"
    #: Of `smooth`: how much a region saves up while nobody calls. Our own choice: AWS does not tell.
    burst_seconds: float = 5.0
    #: Jobs a second; 0: all of them wait in the queue when the worker starts.
    rate: float = 0.0
    regions: int = 3
    #: Worker processes.
    workers: int = 1
    #: Longer than that it is not waited for.
    limit_seconds: float = 300.0
    systems: tuple[str, ...] = tuple(SYSTEMS)

    def regions_of(self, system: System) -> tuple[str, ...]:
        """Those that this system uses here."""
        return REGIONS[: min(self.regions, system.regions)]

    def jobs_of(self, system: System) -> int:
        """With a quota, a system that uses a third of the regions gets a third of the jobs: as many minutes of work."""
        if self.requests_per_minute is None:
            return self.jobs
        return self.jobs * len(self.regions_of(system)) // self.regions

    def quotas(self, phase_seconds: float) -> list[dict[str, Any]]:
        """As the simulator takes them."""
        if self.requests_per_minute is None:
            return []
        refill = {"burst_seconds": self.burst_seconds} if self.refill == "smooth" else {"phase_seconds": phase_seconds}
        return [
            {
                "match": {"region": region, "model": work.MODEL},
                "requests_per_minute": self.requests_per_minute,
                "refill": self.refill,
                **refill,
            }
            for region in REGIONS[: self.regions]
        ]

    def told(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


#: Few, since a run takes more than two minutes.
_BY_MINUTE: Final = ("quarry", "threads", "litellm", "adaptive-3")
_GROWS: Final = ("quarry", "threads", "celery")


def _growing(what: str, title: str, **changes: Any) -> Scenario:
    return Scenario(f"growth-{what}", title, 600, systems=_GROWS, **changes)


SCENARIOS: Final = {
    "cpu": [Scenario("cpu", "no quota, all jobs in the queue", 2000)],
    "paced": [Scenario("paced", "no quota, 20 jobs a second", 200, rate=20.0)],
    "smooth": [Scenario("smooth", "600 requests a minute in each region, refilled all the time", 3000, requests_per_minute=600)],
    # Two whole minutes, and enough beside that the second one is not short of jobs.
    "minute": [
        Scenario(
            "minute",
            "600 requests a minute in each region, at each full minute",
            4050,
            requests_per_minute=600,
            refill="minute",
            systems=_BY_MINUTE,
        )
    ],
    "growth": [
        *(_growing("slots", f"{slots} slots", concurrency=slots) for slots in (20, 50, 200)),
        *(_growing("workers", f"{workers} workers", workers=workers, concurrency=50) for workers in (1, 2, 4)),
        *(_growing("targets", f"{regions} regions", regions=regions) for regions in (1, 2, 3)),
        *(Scenario("growth-queue", f"{jobs} jobs", jobs, systems=_GROWS) for jobs in (500, 1500, 4500)),
    ],
}

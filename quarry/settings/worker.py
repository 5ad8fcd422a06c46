"""Settings of the worker process, `QUARRY_WORKER__…`."""

from pydantic import Field

from quarry.job import Priority
from quarry.settings.group import Group, Port


class WorkerSettings(Group):
    """The worker process."""

    slots: int = Field(
        100, ge=1, le=2000, description="Jobs in flight per process. Too many: memory and throttling; too few: idle quota."
    )
    receivers: int = Field(
        4,
        ge=1,
        le=32,
        description="Concurrent long polls of each lane. Too few cap the rate at which jobs are taken (each brings up to 10).",
    )
    lane_weights: str = Field(
        "6,3,1",
        pattern=r"^[1-9][0-9]{0,2},[1-9][0-9]{0,2},[1-9][0-9]{0,2}$",
        description="Shares of what is received while every lane has work: of `high`, `normal` and `low`. An empty lane's share "
        "goes to the others. Too far apart: `low` crawls; too near: `high` waits.",
    )
    lane_ageing_seconds: int = Field(
        60,
        ge=1,
        le=86_400,
        description="A lane whose jobs have waited so long weighs twice as much, after twice as long three times, up to five "
        "times. Too short: a backlog of `low` counts like `normal`; too long: it counts as little as ever.",
    )
    reserved_slots: int | None = Field(
        None,
        ge=0,
        description="Slots that only `high` may take (by default a twentieth of all: none of fewer than 20). Too many: idle "
        "slots; too few: `high` waits until a call ends.",
    )
    spare_slots: int = Field(
        0,
        ge=0,
        le=1000,
        description="Slots on top of the others, for jobs of `high` and `normal` whose tenants hold less than their fair share; an "
        "eighth as many is a good number. With 0, who comes while all slots are taken waits for one. With others, several workers "
        "work a tenant's backlog in these lanes more slowly: set `demote_over_per_minute` in tenants.toml as well.",
    )
    lease_seconds: int = Field(
        60,
        ge=10,
        le=600,
        description="How long a claim lasts unless renewed, which happens every third of it. Too short: a pause loses the job to "
        "another worker; too long: the jobs of a dead worker wait.",
    )
    drain_seconds: int = Field(
        110,
        ge=1,
        le=3600,
        description="Time on SIGTERM to finish what runs; the rest is handed back. Must be below the platform's kill time "
        "(ECS stopTimeout is at most 120 s on Fargate), or calls are paid twice.",
    )
    grace_seconds: int | None = Field(
        None,
        ge=1,
        le=86_400,
        description="How long the platform waits between SIGTERM and SIGKILL: say here what is set there (`stop_grace_period` of "
        "Compose, `stopTimeout` of ECS), and a worker whose drain is not shorter stops at its start. Without it nobody checks.",
    )
    inflight_bytes: int = Field(
        268_435_456,
        ge=1_048_576,
        description="Content of the jobs in flight, together; a job waits until there is room. Memory is about four times that. "
        "Too much: the process is killed; too little: slots stay empty while large jobs run.",
    )
    sweep_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="Between looks for jobs that lost their message (one worker at a time looks). Too long: such jobs wait.",
    )
    scale_in_protection: bool = Field(
        True,
        description="Ask the ECS agent not to choose this task where tasks are stopped, while it makes paid calls. Nothing happens "
        "where there is no such agent. Without it, a scale-in or a deployment cuts calls that outlast the drain.",
    )
    metrics_port: Port = Field(9090, description="Port of /livez, /readyz and /metrics; 0 takes any free one.")
    metrics_host: str = Field("127.0.0.1", description="Address that port listens on; 0.0.0.0 in a container.")

    @property
    def reserved(self) -> int:
        """Slots that only `high` may take. A twentieth is our own choice."""
        return self.slots // 20 if self.reserved_slots is None else self.reserved_slots

    @property
    def weights(self) -> dict[Priority, int]:
        """The weights of the lanes."""
        return dict(zip(Priority, map(int, self.lane_weights.split(",")), strict=True))

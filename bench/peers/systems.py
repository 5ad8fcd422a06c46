"""The systems that do the same work, side by side, and what a job costs each in calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.processes import ROOT, quarry

#: The peers' Python; Quarry's own has none of their packages.
PYTHON: Final = ROOT / ".venv-bench" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class System:
    """How one is started; `module` says how it was tuned, with links to the documentation that this follows."""

    name: str
    title: str
    #: Below `bench/peers`, without `.py`; none for Quarry.
    module: str
    #: The arguments of the peers' Python.
    command: Sequence[str]
    #: Regions that it knows how to use.
    regions: int = 3
    env: Mapping[str, str] = field(default_factory=dict)
    #: What puts its jobs on the queue; the module itself where none is named.
    submitter: str = ""
    #: What takes a message off the queue.
    settles: str = "a delete for each message"

    @property
    def is_quarry(self) -> bool:
        """Whether it is ours."""
        return not self.module

    def argv(self, concurrency: int) -> list[str]:
        """The worker's command line."""
        if self.is_quarry:
            return quarry(*self.command)
        return [str(PYTHON), "-m", *(part.format(concurrency=concurrency) for part in self.command)]

    def submit_argv(self, first: int, last: int, rate: float) -> list[str]:
        """The command line that submits those jobs."""
        module = f"bench.peers.{self.submitter or self.module}"
        return [str(PYTHON), "-m", module, "submit", str(first), str(last), str(rate)]


_CELERY: Final = (
    "celery", "-A", "bench.peers.celery_app", "worker", "--pool", "gevent", "--concurrency", "{concurrency}",
    "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING",
)  # fmt: skip
_TASKIQ: Final = (
    "taskiq", "worker", "bench.peers.taskiq_app:broker", "--workers", "1", "--max-async-tasks", "{concurrency}",
    "--ack-type", "when_executed", "--log-level", "WARNING",
)  # fmt: skip

SYSTEMS: Final = {
    system.name: system
    for system in (
        System("quarry", "Quarry", "", ("worker",), settles="a batch of deletes for up to ten messages"),
        System("celery", "Celery (gevent)", "celery_app", _CELERY),
        System("taskiq", "Taskiq", "taskiq_app", _TASKIQ),
        System("threads", "a thread a message", "threads", ("bench.peers.threads", "work"), env={"BENCH_RETRIES": "backoff"}),
        System("litellm", "LiteLLM Router", "litellm_router", ("bench.peers.litellm_router",), submitter="threads"),
        System("adaptive", "botocore adaptive", "threads", ("bench.peers.threads", "work"), 1, {"BENCH_RETRIES": "adaptive"}),
        System(
            "adaptive-3",
            "botocore adaptive, 3 clients",
            "threads",
            ("bench.peers.threads", "work"),
            3,
            {"BENCH_RETRIES": "adaptive"},
        ),
    )
}


def missing() -> str | None:
    """What to say where the peers' environment is not there."""
    return (
        None if Path(PYTHON).exists() else "the peers need an environment of their own: run `make bench`, which builds .venv-bench"
    )

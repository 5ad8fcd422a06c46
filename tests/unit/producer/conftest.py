"""The producer's verbs on the fakes."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from producer.cancel import Canceller
from producer.following import Following
from producer.lookup import Lookup
from producer.results import Results
from producer.submit import Submitter
from producer.waiting import Waiters
from quarry.erasure.eraser import Eraser
from quarry.inference.routes import Route, Routes
from quarry.invocation import Target
from quarry.job import Priority
from quarry.settings import JobSettings
from quarry.telemetry.metrics import ProducerMetrics
from quarry.tenants.keeping import Keeping
from quarry.tenants.policy import Tenants
from quarry.testing.clock import FakeClock
from quarry.testing.erasures import MemoryErasures
from quarry.testing.payloads import MemoryPayloads
from quarry.testing.queue import MemoryQueue
from quarry.testing.store import MemoryStore

ROUTES = Routes([Route.of("default", Target("echo", "", "echo"))])


@dataclass
class Producer:
    """Verbs over memory; ten may wait."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    payloads: MemoryPayloads = field(default_factory=MemoryPayloads)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.lanes = {lane: MemoryQueue(self.clock, lane=lane) for lane in Priority}
        self.queue = self.lanes[Priority.NORMAL]
        metrics = ProducerMetrics(self.registry)
        self.waiters = Waiters(self.store, self.clock, 10, metrics)
        results = Results(self.payloads, self.clock, timedelta(hours=1))
        self.tenants = Tenants()
        keeping = Keeping(self.tenants)
        self.erasures = MemoryErasures(self.store, keeping.kept_for)
        self.lookup = Lookup(self.store, results, self.waiters, self.clock, keeping=keeping, erasures=self.erasures)
        self.following = Following(self.store, self.lookup, self.clock, 10, metrics)
        self.canceller = Canceller(self.store, self.lookup, self.clock)
        self.eraser = Eraser(self.store, self.erasures, self.payloads, self.clock)
        self.submitter = Submitter(self.store, self.payloads, self.lanes, ROUTES, self.tenants, JobSettings(), self.clock, metrics)

    async def submit(self, key: str | None = None, **body: Any) -> Any:
        """Submit a prompt."""
        return await self.submitter.submit("default", {"prompt": "Hi"} | body, key)

    def count(self, name: str, **labels: str) -> float:
        """A metric's value."""
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def producer() -> Producer:
    """One without jobs."""
    return Producer()

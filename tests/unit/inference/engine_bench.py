"""An engine on the bench, for the tests of invocations."""

from prometheus_client import CollectorRegistry

from quarry.errors import (
    LeaseLost,
    OutOfTime,
)
from quarry.inference.candidates import Request
from quarry.inference.engine import Engine
from quarry.inference.routes import Route
from quarry.invocation import Completion, Invocation, Target
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import FakeClock
from quarry.testing.provider import ScriptedProvider, Step

TARGET = Target("bedrock", "us-east-1", "m")
HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello"}]},), max_tokens=100)
OTHERS = (Target("bedrock", "us-west-2", "n"), Target("bedrock", "eu-west-1", "o"))


class Bench:
    """An engine over one scripted target."""

    def __init__(self, *steps: Step) -> None:
        self.provider = ScriptedProvider(*steps)
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.engine = Engine({"bedrock": self.provider}, InferenceMetrics(self.registry), self.clock)
        self.asked = 0
        self.lost_after = self.late_after = 100

    async def before_call(self, target: Target) -> None:
        self.asked += 1
        if self.asked > self.late_after:
            raise OutOfTime
        if self.asked > self.lost_after:
            raise LeaseLost

    async def call(self, target: Target = TARGET) -> Completion:
        """Invoke; time stands still."""
        return await self.walk(target)

    async def walk(self, *targets: Target) -> Completion:
        """Invoke over several targets; time stands still."""
        return await self.engine.invoke(Route.of("default", *targets), Request(HELLO, labels={"a": "b"}), self.before_call)

    async def invoke(self, target: Target = TARGET) -> Completion:
        """Invoke, while time skips over the waits."""
        return await self.clock.run(self.call(target))

    @property
    def waited_seconds(self) -> float:
        return self.clock.monotonic()

    def invocations(self, outcome: str) -> float | None:
        labels = {"provider": TARGET.provider, "region": TARGET.region, "model": TARGET.model, "outcome": outcome}
        return self.registry.get_sample_value("quarry_invocations_total", labels)

"""The test kit that ships with Quarry: a clock that stands still, the ports in memory, a model by script, and builders of data.

The fakes are held to the ports by the same contract suites as the adapters on AWS.
"""

from quarry.testing.builders import NOW, a_claimed_job, a_completion, a_delivery, a_job, a_key, a_lease, an_envelope, an_invocation
from quarry.testing.clock import ClockView, FakeClock
from quarry.testing.deadletters import MemoryDeadLetters
from quarry.testing.erasures import MemoryErasures
from quarry.testing.keys import MemoryKeys
from quarry.testing.payloads import MemoryPayloads
from quarry.testing.provider import ScriptedProvider
from quarry.testing.queue import DeadLetter, MemoryQueue
from quarry.testing.store import MemoryStore

__all__ = [
    "NOW",
    "ClockView",
    "DeadLetter",
    "FakeClock",
    "MemoryDeadLetters",
    "MemoryErasures",
    "MemoryKeys",
    "MemoryPayloads",
    "MemoryQueue",
    "MemoryStore",
    "ScriptedProvider",
    "a_claimed_job",
    "a_completion",
    "a_delivery",
    "a_job",
    "a_key",
    "a_lease",
    "an_envelope",
    "an_invocation",
]

"""The protocol, searched for a sequence of steps that breaks a promise.

Hypothesis plays the world: callers, models, operators, the network and the hand on the power switch. After every step the
promises are checked, and at the end, when nothing goes wrong any more, every job must end. What it finds it shortens, and prints
as a list of steps: that is a test, to be pasted. The search is the same in every run; `HYPOTHESIS_PROFILE=long pytest tests/model`
searches longer and elsewhere each time, and prints what repeats it (`--hypothesis-seed=…`).
"""

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.model.wire import Mishap, What
from tests.model.world import ERRORS, World

_NUMBER: Final = st.integers(0, 7)
_STORE: Final = (
    "create",
    "create_with_key",
    "withdraw",
    "get",
    "claim",
    "renew",
    "record",
    "replace",
    "request_cancel",
    "clear_bury",
)
_QUEUE: Final = ("send", "receive", "ack", "release", "resend", "extend", "bury")
_PAYLOADS: Final = ("put", "get", "refresh")
_SWEEP: Final = ("take_notices", "due", "take_role")
#: What workers do most often first: Hypothesis shrinks towards the front.
_OPERATIONS: Final = st.sampled_from(("*", "claim", "record", "replace", *_STORE, *_QUEUE, *_SWEEP, *_PAYLOADS))
_SECONDS: Final = st.sampled_from((1, 5, 15, 30, 57, 61, 66, 130, 1000))


class Protocol(RuleBasedStateMachine):
    """Each rule is one thing that can happen."""

    @initialize(seed=_NUMBER, workers=st.sampled_from((2, 1, 3)))
    def begin(self, seed: int, workers: int) -> None:
        self.world = World(seed, workers)
        self.clocks_may_lie = seed == 7

    @rule(key=st.sampled_from(("a", "b")))
    def submit_with_key(self, key: str) -> None:
        self.world.submit(key, 0, 0, large=False)

    @rule(
        max_attempts=st.sampled_from((3, 1, 2)),
        deadline_seconds=st.sampled_from((86_400, 60, 600)),
        large=st.booleans(),
    )
    def submit(self, max_attempts: int, deadline_seconds: int, large: bool) -> None:
        self.world.submit(None, max_attempts, deadline_seconds, large=large)

    @rule(number=_NUMBER)
    def cancel(self, number: int) -> None:
        self.world.cancel(number)

    @rule(number=_NUMBER)
    def redrive(self, number: int) -> None:
        self.world.redrive(number)

    @rule(number=_NUMBER)
    def discard(self, number: int) -> None:
        self.world.discard(number)

    @rule(number=_NUMBER, how=st.sampled_from(("answer", "large answer", *ERRORS)))
    def answer(self, number: int, how: str) -> None:
        self.world.answer(number, how)

    @rule(operation=_OPERATIONS, what=st.sampled_from(What), skip=st.sampled_from((0, 0, 1, 3)))
    def arrange(self, operation: str, what: What, skip: int) -> None:
        self.world.arrange(Mishap(operation, what, skip))

    @rule(operation=_OPERATIONS, what=st.sampled_from(What), times=st.sampled_from((1, 1, 8)))
    def arrange_now(self, operation: str, what: What, times: int) -> None:
        self.world.arrange(Mishap(operation, what, 0, times))

    @rule(seconds=_SECONDS)
    def pass_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=_SECONDS)
    def pass_more_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(number=_NUMBER)
    def crash(self, number: int) -> None:
        self.world.crash(number)

    @rule(number=_NUMBER, seconds=_SECONDS)
    def pause(self, number: int, seconds: int) -> None:
        self.world.pause(number, seconds)

    @rule()
    def resume(self) -> None:
        self.world.resume()

    @rule()
    def arrive(self) -> None:
        self.world.arrive()

    @rule(number=_NUMBER, seconds=st.sampled_from((57, 61, 66)))
    def overtake(self, number: int, seconds: int) -> None:
        self.world.overtake(number, seconds)

    @rule(number=_NUMBER)
    def drain(self, number: int) -> None:
        self.world.drain(number)

    @rule(number=_NUMBER, offset_seconds=st.sampled_from((0.0, 2.4, -2.4)))
    def jump(self, number: int, offset_seconds: float) -> None:
        self.world.jump(number, offset_seconds)

    @precondition(lambda self: self.clocks_may_lie)
    @rule(number=_NUMBER, offset_seconds=st.sampled_from((600.0, -600.0, 0.0)))
    def jump_far(self, number: int, offset_seconds: float) -> None:
        self.world.jump(number, offset_seconds)

    @rule(number=_NUMBER, generation=st.integers(0, 2))
    def send_again(self, number: int, generation: int) -> None:
        self.world.send_again(number, generation)

    @rule()
    def deliver_again(self) -> None:
        self.world.deliver_again()

    @rule()
    def purge(self) -> None:
        self.world.purge()

    @rule(rate=st.sampled_from((0.0, 0.1, 0.3)), seed=_NUMBER)
    def weather(self, rate: float, seed: int) -> None:
        self.world.weather(rate, seed)

    @rule(hours=st.sampled_from((0.02, 0.5, 13, 24 * 15)), times=st.sampled_from((1, 2, 6)))
    def outage(self, hours: float, times: int) -> None:
        self.world.outage(hours, times)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.world.come_to_rest()
            finally:
                self.world.close()


settings.register_profile(
    "short",
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# Twenty minutes or so.
settings.register_profile(
    "long", settings.get_profile("short"), max_examples=10_000, stateful_step_count=60, derandomize=False, print_blob=True
)
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "short")
pytestmark = pytest.mark.timeout(120 if PROFILE == "short" else 7200)


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings.get_profile(PROFILE)

"""The protocol, searched for a sequence of steps that breaks a promise.

Hypothesis plays the world: callers, models, operators, the network and the hand on the power switch. After every step the
promises are checked, and at the end, when nothing goes wrong any more, every job must end. What it finds it shortens, and prints
as a list of steps: that is a test, to be pasted. The search is the same in every run; `HYPOTHESIS_PROFILE=long pytest tests/model`
searches longer and elsewhere each time, and prints what repeats it (`--hypothesis-seed=…`).
"""

import os
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.model.wire import Mishap, What
from tests.model.world import ERRORS, World

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
_OTHERS: Final = ("take_notices", "due", "take_role", "put", "get", "refresh")
#: What the promises hang on twice.
_OPERATIONS: Final = st.sampled_from(("*", "claim", "record", "ack", "bury", "clear_bury", *_STORE, *_QUEUE, *_OTHERS))
_NUMBER: Final = st.integers(0, 7)
_SECONDS: Final = st.sampled_from((1, 5, 15, 30, 57, 61, 66, 130, 1000))
_WHAT: Final = st.sampled_from(What)
_HALFWAY: Final = st.sampled_from((What.REFUSE_LATE, What.STALL_AFTER, What.LOSE_ANSWER, What.CRASH_AFTER))
_KEY: Final = st.sampled_from("ab")

#: The methods of `World`, each with its weight and its arguments. (One rule with a table, since Hypothesis switches whole rules off
#: in many of its runs: without submissions, or time, or answers, nothing is found.)
_STEPS: Final[Mapping[str, tuple[int, tuple[st.SearchStrategy[Any], ...]]]] = {
    "submit": (3, (st.sampled_from((3, 1, 2)), st.sampled_from((86_400, 60, 600)), st.sampled_from((False, False, True)))),
    "submit_with_key": (1, (_KEY,)),
    "submit_twice": (1, (_KEY, st.builds(Mishap, st.sampled_from(("send", "create_with_key")), _HALFWAY))),
    "answer": (4, (_NUMBER, st.sampled_from(("answer", "large answer", *ERRORS)))),
    "pass_time": (4, (_SECONDS,)),
    "cancel": (1, (_NUMBER,)),
    "cancel_slowly": (1, (_NUMBER,)),
    "arrange": (4, (st.builds(Mishap, _OPERATIONS, _WHAT, st.sampled_from((0, 0, 0, 1, 3)), st.sampled_from((1, 1, 1, 8))),)),
    "weather": (1, (st.sampled_from((0.0, 0.0, 0.1, 0.3)), _NUMBER)),
    "cut_off": (1, (st.sampled_from((10, 40)), _SECONDS)),
    "arrive": (2, ()),
    "crash": (1, (_NUMBER,)),
    "pause": (1, (_NUMBER, _SECONDS)),
    "overtake": (2, (_NUMBER, st.sampled_from((57, 61, 66)))),
    "resume": (2, ()),
    "drain": (2, (_NUMBER, st.booleans())),
    "outage": (1, (st.sampled_from((0.02, 0.5, 13, 24 * 15)), st.sampled_from((1, 2, 6)))),
    "jump": (1, (_NUMBER, st.sampled_from((0, 1, -1)))),
    "send_again": (1, (_NUMBER, st.integers(0, 2))),
    "deliver_again": (1, ()),
    "purge": (1, ()),
    "redrive": (2, (_NUMBER,)),
    "discard": (1, (_NUMBER,)),
}


@st.composite
def _steps(draw: st.DrawFn) -> tuple[str, tuple[Any, ...]]:
    name = draw(st.sampled_from([name for name, (weight, _) in _STEPS.items() for _ in range(weight)]))
    return name, draw(st.tuples(*_STEPS[name][1]))


class Protocol(RuleBasedStateMachine):
    """Steps in any order."""

    # With clocks that are far off, only the fence protects a job.
    @initialize(seed=_NUMBER, workers=st.sampled_from((2, 1, 3)), skew_seconds=st.sampled_from((2.4, 2.4, 2.4, 600.0)))
    def begin(self, seed: int, workers: int, skew_seconds: float) -> None:
        self.world = World(seed, workers, skew_seconds)

    @rule(step=_steps())
    def take(self, step: tuple[str, tuple[Any, ...]]) -> None:
        name, arguments = step
        getattr(self.world, name)(*arguments)

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

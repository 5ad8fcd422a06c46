"""What every error and stop reason of Bedrock does to a job, wherever in its route the target stands: each is tried over HTTP.

`python -m tests.support.positions URL`, beside `quarry simulator`, writes the table into its page of the docs; a test holds the
page to what happens.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from docs.markdown import table
from quarry.aws import bedrock_client, new_session
from quarry.clock import SystemClock
from quarry.errors import InvocationError
from quarry.inference.board import Board
from quarry.inference.candidates import Request
from quarry.inference.converse_stream import Patience
from quarry.inference.engine import Engine
from quarry.inference.providers.bedrock import BedrockProvider
from quarry.inference.routes import Route, RouteTarget
from quarry.inference.verdicts import ERROR_CODES, STOP_REASONS
from quarry.invocation import Completion, Invocation, Target
from quarry.job import Failed, RetryScheduled, Snoozed
from quarry.simulator.wire import statuses, streamed_errors
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import NOW, a_claimed_job
from tests.support.simulator import Simulator
from worker import outcome

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors-on-a-route.md"
BLOCK: Final = re.compile(r"(<!-- recorded: errors on a route -->\n).*?(<!-- end -->)", re.DOTALL)
REGIONS: Final = ("us-east-1", "us-east-2", "us-west-2")
MODEL: Final = "amazon.nova-lite-v1:0"
#: Position → how many targets there are, and which of them fails. Those before it throttle, those behind it answer.
POSITIONS: Final[Mapping[str, tuple[int, int]]] = {"only": (1, 0), "first": (3, 0), "second": (3, 1), "last": (3, 2)}
#: Events of a stream: it began, and said something.
_BEGUN: Final = 3
#: The trials of a stream in which nothing more comes are to end soon.
_SOON_STALLED: Final = Patience(first=10.0, next=0.5)
HELLO: Final = Invocation(messages=({"role": "user", "content": [{"text": "hello"}]},), max_tokens=10)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that can go wrong: how it is called, how the simulator is told to do it, and whether that is within a stream."""

    name: str
    act: Mapping[str, Any] = field(default_factory=dict)
    streamed: bool = False


def troubles() -> Iterator[Trouble]:
    """Every error shape of the service model, those of AWS's front ends, what one code is refined to, and broken connections."""
    known = statuses()
    for code in ERROR_CODES:
        yield Trouble(f"`{code}`", {"error": code} | ({} if code in known else {"status": 403}))
    yield Trouble("`ValidationException`: the input is too long", {"error": "ValidationException", "message": "Input is too long"})
    unusable = "The provided model identifier is invalid."
    yield Trouble("`ValidationException`: no such model", {"error": "ValidationException", "message": unusable})
    yield Trouble("an unknown code, status 400", {"error": "NeverHeardOfException", "status": 400})
    yield Trouble("an unknown code, status 500", {"error": "NeverHeardOfException", "status": 500})
    yield Trouble("an unknown code, status 502", {"error": "NeverHeardOfException", "status": 502})
    yield Trouble("the connection is reset after the request", {"reset": True})
    yield Trouble("the connection is closed without an answer", {"close": True})
    for code in sorted(streamed_errors("ConverseStreamOutput")):
        yield Trouble(f"a stream: `{code}` after the first text", {"error": code, "after_events": _BEGUN}, streamed=True)
    yield Trouble("a stream: nothing more comes", {"hang": True, "after_events": _BEGUN}, streamed=True)
    yield Trouble("a stream: the connection is reset", {"reset": True, "after_events": _BEGUN}, streamed=True)
    yield Trouble("a stream: it ends without `messageStop`", {"close": True, "after_events": _BEGUN}, streamed=True)
    for reason in STOP_REASONS:
        yield Trouble(f"stop reason `{reason}`", {"stop_reason": reason})


class Trial:
    """Engines that call a simulator, a new one each time, and a job whose attempt it is."""

    def __init__(self, engine: Callable[[], Engine], simulator: Simulator) -> None:
        self._engine = engine
        self._simulator = simulator

    async def told(self, trouble: Trouble, position: str) -> tuple[str, str, bool]:
        """What becomes of the job, the class of the error at that target, and whether it may have been billed."""
        count, at = POSITIONS[position]
        self._simulator.reset()
        for region in REGIONS[:at]:
            self._simulator.rule({"error": "ThrottlingException"}, match={"region": region})
        self._simulator.rule(trouble.act, match={"region": REGIONS[at]})
        targets = [Target("bedrock", region, MODEL) for region in REGIONS[:count]]
        result = await self._result(targets, streamed=trouble.streamed)
        calls = self._simulator.calls()["calls"]
        again = f"asked {calls} times; " if calls > count else ""
        return again + _words(result, str(targets[at])), *_error_at(result, str(targets[at]))

    async def _result(self, targets: Sequence[Target], *, streamed: bool) -> Completion | InvocationError:
        route = Route("default", tuple(RouteTarget(each, streamed=streamed) for each in targets))
        try:
            return await self._engine().invoke(route, Request(HELLO), _at_once)
        except InvocationError as error:
            return error


async def _at_once(_target: Target) -> None:
    """No lease to look after."""


def _words(result: Completion | InvocationError, target: str) -> str:
    if isinstance(result, Completion):
        if str(result.served_by) != target:
            return "the next one answers"
        return "completed, `filtered`" if result.filtered else "completed"
    match outcome.decide(result, a_claimed_job(), NOW, 0.5).record:
        case Snoozed(reason=reason):
            return f"waits, `{reason.value}`"
        case RetryScheduled():
            return "a later attempt"
        case Failed(reason=reason):
            return f"failed, `{reason.value}`"
    raise AssertionError(f"nothing is said of {result!r}")


def _error_at(result: Completion | InvocationError, target: str) -> tuple[str, bool]:
    """The code of what that target raised, and whether it may have been billed; empty where it answered."""
    if isinstance(result, InvocationError) and result.target == target:
        return result.code, result.may_be_billed
    reasons = [each.reason for each in result.fallbacks if each.target == target]
    return (reasons[0], False) if reasons else ("", False)


def leading_to(simulator: Simulator) -> dict[str, str]:
    """The environment in which the SDK calls it."""
    return {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": simulator.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@asynccontextmanager
async def trial(simulator: Simulator) -> AsyncIterator[Trial]:
    """A trial of a running simulator, to which the environment leads."""
    async with AsyncExitStack() as stack:
        session = new_session()
        clients = {region: await stack.enter_async_context(bedrock_client(region, 4, session)) for region in REGIONS}
        providers, metrics, clock = (
            {"bedrock": BedrockProvider(clients, _SOON_STALLED)},
            InferenceMetrics(CollectorRegistry()),
            SystemClock(),
        )

        def engine() -> Engine:
            # Each trial is the first: no target is left alone, or paced, for what it did in another one.
            return Engine(providers, metrics, clock, lambda: 0.0, Board(None, metrics, clock))

        yield Trial(engine, simulator)


async def written(simulator: Simulator) -> str:
    """The table: a row for each trouble, a column for each position."""
    rows = []
    async with trial(simulator) as trying:
        for trouble in troubles():
            cells = {position: await trying.told(trouble, position) for position in POSITIONS}
            _, code, billed = cells["only"]
            told = (f"`{code}`" if code else "", ("yes" if billed else "no") if code else "as ever")
            rows.append((trouble.name, *told, *(words for words, _, _ in cells.values())))
    return table(("what the target does", "code", "may be billed", "only target", "first of three", "second", "last"), rows)


def main() -> int:
    """Write the page, with the simulator at the address that is given."""
    simulator = Simulator(sys.argv[1])
    os.environ |= leading_to(simulator)
    text = asyncio.run(written(simulator))
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The simulator's HTTP server: Converse for AWS clients, and `/_simulator` for whoever directs the play.

POST   /model/{modelId}/converse, /converse-stream, /invoke, /invoke-with-response-stream, /count-tokens
POST   /v1/chat/completions, /endpoints/{name}/invocations   the same model and the same rules as other servers speak
POST   /_simulator/rules   a rule → 201 {"id"}      GET: all rules      DELETE: none any more; …/{id}: not that one
POST   /_simulator/quotas  a quota → 201 {"id"}     GET: the quotas, and what was served and throttled     DELETE: the same
POST   /guardrail/{id}/version/{version}/apply   ApplyGuardrail
POST   /_simulator/guardrails  a guardrail → 201 {"id"}    DELETE: none any more
GET    /_simulator/calls   what was called and billed (?request_id=)    DELETE: count from zero
GET    /livez
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from quarry import __version__
from quarry.errors import ConfigurationError
from quarry.inference.model_facts import output_bound
from quarry.simulator.brain import Brain, count_by_length, echo, generation
from quarry.simulator.control import Control
from quarry.simulator.guardrails import Guardrails, WordFilter, blocked, passed
from quarry.simulator.guardrails import answered as ruled
from quarry.simulator.ledger import Ledger
from quarry.simulator.openai_chat import OTHER_SERVICES
from quarry.simulator.operations import OPERATIONS, Answer, Operation
from quarry.simulator.quotas import Hold, Quota, Quotas
from quarry.simulator.rules import Act, RuleBook
from quarry.simulator.sending import left_alone, sent, streamed
from quarry.simulator.smollm2 import ModelMissing, smollm2
from quarry.simulator.wire import Call, Generation, Refusal, refused
from quarry.telemetry.events import Event
from quarry.telemetry.logs import configure, get_logger

_log = get_logger(__name__)

#: Above what Bedrock takes (25 MB for an InvokeModel body, by its service model).
_BODY_MAX_BYTES: Final = 32 * 1024 * 1024
#: Hundreds of workers' connections may come at one moment.
_BACKLOG: Final = 4096
_SHUTDOWN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Thinking:
    """What answers, and what counts for it; its name, and why it is not the one that was asked for."""

    brain: Brain = echo
    count: Brain = count_by_length
    name: str = "echo"
    missing: str = ""


ECHO: Final = Thinking()


class Simulator:
    """The handlers and what they share. What takes long, a brain does elsewhere."""

    def __init__(
        self,
        rules: RuleBook,
        ledger: Ledger,
        thinking: Thinking = ECHO,
        quotas: Quotas | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        """`now` is in seconds since the epoch; minutes are counted by it."""
        self._rules = rules
        self._ledger = ledger
        self._thinking = thinking
        self._quotas = quotas or Quotas()
        self._guardrails = Guardrails()
        self._now = now or _steady_clock()

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=_BODY_MAX_BYTES)
        app.add_routes(
            [
                *(web.post(f"/model/{{model}}/{name}", partial(self._serve, operation=each)) for name, each in OPERATIONS.items()),
                *(web.post(path, partial(self._serve, operation=each)) for path, each in OTHER_SERVICES.items()),
                *Control(self._rules, self._ledger, self._quotas, self._guardrails, self._now).routes(),
                web.post("/guardrail/{id}/version/{version}/apply", self.apply),
                web.get("/livez", self.livez),
                web.route("*", "/{path:(?!_simulator).*}", self.unknown),
            ]
        )
        return app

    async def _serve(self, request: web.Request, operation: Operation) -> web.StreamResponse:
        """Serve one call, by the rules and within the quotas."""
        started = time.monotonic()
        # What a cancelled handler leaves behind: it is cancelled when its client goes away.
        outcome: str = "client_left"
        response: web.StreamResponse | None = None
        hold: Hold | None = None
        try:
            call, answer = await self._admitted(request, operation)
            streams = operation.streams or call.streams
            act, hold = self._directed(call, operation.bills, streams)
            if act.delay_seconds:
                await asyncio.sleep(act.delay_seconds)
            midway = act.midway(streams)
            if act.refusal is not None and not midway:
                raise act.refusal
            ending = act.error or act.fault or "answered"
            if ending == "answered" or midway:
                made = await self._guarded(act, call, operation)
                if hold is not None:
                    hold.spend(made.input_tokens, made.output_tokens)
                pace = self._rules.pace(act, made.output_tokens)
                said = answer(made, int((time.monotonic() - started + sum(pace)) * 1000))
                response = await sent(said, pace) if isinstance(said, web.Response) else await streamed(request, said, act, pace)
            outcome = ending
        except Refusal as refusal:
            outcome, response = refusal.code, operation.refuse(refusal)
            if hold is not None:
                hold.used = 0
        finally:
            if hold is not None:
                hold.end(self._now())
            self._ledger.ended(outcome)
        return response or await left_alone(request, outcome)

    def _directed(self, call: Call, bills: bool, streams: bool) -> tuple[Act, Hold | None]:
        """What to do with a call, and what is held back for it; it is billed, unless it is to be refused.

        A rule's error stands for a service that did not get as far as its quotas. All else happens within them: what a quota
        refuses uses up no rule.

        Raises:
            Refusal: a quota is spent.
        """
        hold: Hold | None = None

        def begin(act: Act) -> None:
            nonlocal hold
            if bills and (act.refusal is None or act.midway(streams)):
                hold = self._held(call)
                self._ledger.billed(call.request_id)

        return self._rules.take(call, begin), hold

    def _held(self, call: Call) -> Hold | None:
        """Take from the quota what the call may need; None where there is no quota for it."""
        now = self._now()
        pair = self._quotas.pair(call.region, call.model, now)
        if pair is None:
            return None
        tokens = 0
        if pair.tokens is not None:
            # By length, whatever the brain: it must be known at once.
            tokens = generation(call, [], "end_turn").input_tokens
            if call.generates:
                tokens += output_bound(call.model, call.body.get("inferenceConfig", {}).get("maxTokens"))
        return pair.take(tokens, now)

    async def _admitted(self, request: web.Request, operation: Operation) -> tuple[Call, Answer]:
        """Count the call, and refuse what the service itself would."""
        request_id = ""
        try:
            raw = await operation.read(request)
            request_id = raw.request_id
            call, answer = operation.speak(raw)
            request_id = call.request_id
        finally:
            self._ledger.began(request_id)
        operation.check(call)
        return call, answer

    async def _guarded(self, act: Act, call: Call, operation: Operation) -> Generation:
        guardrail: WordFilter | None = self._guardrails.of(call) if call.generates else None
        if guardrail is None:
            return await self._generated(act, call, operation)
        if said := blocked(guardrail, call):
            self._ledger.refused(call.request_id)
            return said
        return passed(guardrail, call, await self._generated(act, call, operation))

    async def _generated(self, act: Act, call: Call, operation: Operation) -> Generation:
        content: list[Any] | None = act.content if act.text is None else [{"text": act.text}]
        if content is not None and call.generates:
            return generation(call, content, act.stop_reason or "end_turn")
        try:
            usual = await (self._thinking.brain if call.generates else self._thinking.count)(call)
        except Refusal:
            if operation.bills:
                self._ledger.refused(call.request_id)
            raise
        return replace(usual, stop_reason=act.stop_reason) if act.stop_reason else usual

    async def apply(self, request: web.Request) -> web.Response:
        """ApplyGuardrail; a rule's error may come first. It is none of the calls that are counted."""
        try:
            call, body = await self._guardrails.applied(request)
            act = self._rules.take(call)
            if act.refusal is not None:
                raise act.refusal
        except Refusal as refusal:
            return refused(refusal)
        return ruled(body)

    async def unknown(self, _request: web.Request) -> web.Response:
        """Another operation of the service, or none."""
        return refused(Refusal("UnknownOperationException"))

    async def livez(self, _request: web.Request) -> web.Response:
        """The event loop turns; which brain answers, and why it is not the one that was asked for."""
        missing = {"missing": self._thinking.missing} if self._thinking.missing else {}
        return web.json_response({"status": "alive", "brain": self._thinking.name, **missing})


@asynccontextmanager
async def serving(simulator: Simulator, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve while the block runs; yields the base URL. Port 0 takes any free one.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    # A handler whose client has left is cancelled: thousands of hung calls would pile up else.
    runner = web.AppRunner(simulator.app(), access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigurationError(f"the simulator cannot listen on {host}:{port}: {reason}; choose another --port") from error
        yield f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _thinking(model_python: Path | None) -> AsyncIterator[Thinking]:
    """The model where a Python to run it is given, and the echo where it cannot be had."""
    async with AsyncExitStack() as stack:
        chosen = ECHO
        if model_python is not None:
            try:
                model = await stack.enter_async_context(smollm2(model_python))
                chosen = Thinking(model, model.count, "smollm2")
            except ModelMissing as error:
                chosen = Thinking(missing=str(error))
                _log.warning(Event.BRAIN_MISSING, brain="smollm2", instead="echo", error=str(error))
        yield chosen


async def run(rules: RuleBook, quotas: Iterable[Quota] = (), *, host: str, port: int, model_python: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        _thinking(model_python) as thinking,
        serving(_begun(rules, quotas, thinking), host=host, port=port) as url,
    ):
        serves = "Bedrock Runtime"
        _log.info(Event.SERVICE_STARTED, version=__version__, url=url, serves=serves, rules=len(rules), brain=thinking.name)
        await stop.wait()
    _log.info(Event.SERVICE_STOPPED)


def main(rules: RuleBook, quotas: Iterable[Quota] = (), *, host: str, port: int, model_python: Path | None = None) -> int:
    """Run a simulator; returns the exit code.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    configure("info", service="simulator")
    asyncio.run(run(rules, quotas, host=host, port=port, model_python=model_python))
    return 0


def _begun(rules: RuleBook, quotas: Iterable[Quota], thinking: Thinking) -> Simulator:
    """A simulator with these from now on."""
    rules.start()
    now, in_force = _steady_clock(), Quotas()
    for quota in quotas:
        in_force.add(quota, now())
    return Simulator(rules, Ledger(), thinking, in_force, now)


def _steady_clock() -> Callable[[], float]:
    """Seconds since the epoch, that go on steadily when the machine's clock is set."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset

"""`/_simulator`: for whoever directs the play."""

import json
from collections.abc import Callable

from aiohttp import web

from quarry.simulator.guardrails import Guardrails
from quarry.simulator.ledger import Ledger
from quarry.simulator.quotas import Quotas, parse_quota
from quarry.simulator.rules import RuleBook, parse_rule


class Control:
    """The handlers that set rules, quotas and guardrails, and show what came of them."""

    def __init__(self, rules: RuleBook, ledger: Ledger, quotas: Quotas, guardrails: Guardrails, now: Callable[[], float]) -> None:
        self._rules = rules
        self._guardrails = guardrails
        self._ledger = ledger
        self._quotas = quotas
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.post("/_simulator/rules", self.add_rule),
            web.get("/_simulator/rules", self.list_rules),
            web.delete("/_simulator/rules", self.drop_rules),
            web.delete("/_simulator/rules/{id}", self.drop_rule),
            web.post("/_simulator/quotas", self.add_quota),
            web.get("/_simulator/quotas", self.show_quotas),
            web.delete("/_simulator/quotas", self.drop_quotas),
            web.delete("/_simulator/quotas/{id}", self.drop_quota),
            web.post("/_simulator/guardrails", self.add_guardrail),
            web.delete("/_simulator/guardrails", self.drop_guardrails),
            web.get("/_simulator/calls", self.show_calls),
            web.delete("/_simulator/calls", self.forget_calls),
        ]

    async def add_rule(self, request: web.Request) -> web.Response:
        """Take a rule."""
        return await _added(request, lambda value: self._rules.add(parse_rule(value)))

    async def list_rules(self, _request: web.Request) -> web.Response:
        """The rules in force."""
        return web.json_response({"rules": self._rules.listed()})

    async def drop_rules(self, _request: web.Request) -> web.Response:
        """Serve as usual again."""
        self._rules.clear()
        return web.Response(status=204)

    async def drop_rule(self, request: web.Request) -> web.Response:
        """Without that one."""
        return web.Response(status=204 if self._rules.drop(request.match_info["id"]) else 404)

    async def add_quota(self, request: web.Request) -> web.Response:
        """Take a quota, in the place of one with the same match."""
        return await _added(request, lambda value: self._quotas.add(parse_quota(value), self._now()))

    async def show_quotas(self, _request: web.Request) -> web.Response:
        """The quotas in force, and what each pair of region and model made of them."""
        return web.json_response(self._quotas.report(self._now()))

    async def drop_quotas(self, _request: web.Request) -> web.Response:
        """Serve without limits again."""
        self._quotas.clear()
        return web.Response(status=204)

    async def drop_quota(self, request: web.Request) -> web.Response:
        """Without that one."""
        return web.Response(status=204 if self._quotas.drop(request.match_info["id"], self._now()) else 404)

    async def add_guardrail(self, request: web.Request) -> web.Response:
        """Take a guardrail."""
        return await _added(request, self._guardrails.add)

    async def drop_guardrails(self, _request: web.Request) -> web.Response:
        """Have none."""
        self._guardrails.clear()
        return web.Response(status=204)

    async def show_calls(self, request: web.Request) -> web.Response:
        """The counters."""
        return web.json_response(self._ledger.summary(request.query.get("request_id")))

    async def forget_calls(self, _request: web.Request) -> web.Response:
        """Count from zero."""
        self._ledger.reset()
        return web.Response(status=204)


async def _added(request: web.Request, add: Callable[[object], str]) -> web.Response:
    """201 and an id, or 400 and one sentence."""
    try:
        added = add(json.loads(await request.read()))
    except (ValueError, RecursionError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({"id": added}, status=201)

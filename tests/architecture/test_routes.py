"""Who may call what: every operation of the API has a rule, and asks for what the rule says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from producer.auth import rules
from producer.auth.gate import Gate
from producer.auth.principal import Principal
from producer.auth.rules import RULES, Operation, Public, operations, require_rules
from producer.auth.witness import Witness
from producer.body import Bodies
from producer.health import Health
from producer.routes.context import Context
from producer.web import create_app
from quarry.access import BUILT_IN, DEFAULT_ROLE, PERMISSIONS, permitted
from quarry.settings import ApiSettings
from quarry.telemetry.audit import AuditLog
from quarry.telemetry.metrics import ProducerMetrics
from tests.unit.producer.conftest import Producer

GUARDED = [(operation, rule) for operation, rule in RULES.items() if isinstance(rule, str)]
OPEN = [operation for operation, rule in RULES.items() if isinstance(rule, Public)]


class Permitting:
    """Takes a credential for its bearer's permissions."""

    async def authenticate(self, credential: str) -> Principal | None:
        return Principal("acme", "somebody", "test", frozenset(credential.split(",")) & PERMISSIONS.keys())


def an_app(*schemes: Permitting, producer: Producer | None = None) -> FastAPI:
    """The real one, over the fakes."""
    producer = producer or Producer()
    witness = Witness(AuditLog(None, producer.clock), 0)
    context = Context(
        Gate(schemes, witness), witness, producer.submitter, producer.lookup, producer.following, producer.canceller,
        producer.eraser,        Bodies(1 << 20), Health({}, producer.clock), ApiSettings(), producer.clock,
    )  # fmt: skip
    return create_app(context, ProducerMetrics(CollectorRegistry()))


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://quarry") as client:
        yield client


async def status_of(app: FastAPI, operation: Operation, *permissions: str) -> int:
    """What an operation answers to a caller with these permissions."""
    method, template = operation
    path = template.replace("{request_id}", "0" * 32) if method != "*" else f"{template}/swagger-ui.css"
    headers = {"Authorization": f"Bearer {','.join(permissions)}"} if permissions else {}
    async with calling(app) as client:
        return (await client.request("GET" if method == "*" else method, path, headers=headers)).status_code


def test_every_operation_has_a_rule_and_every_rule_an_operation() -> None:
    """Those that FastAPI adds by itself included. A new route makes this fail until somebody has said who may call it."""
    assert {operation for operation, _ in operations(an_app().routes)} == set(RULES)


def test_every_permission_that_a_rule_asks_for_can_be_had() -> None:
    """And guards something; the default role has all of them, and no role has one that there is not."""
    assert {rule for _, rule in GUARDED} == set(PERMISSIONS)
    assert BUILT_IN[DEFAULT_ROLE] == frozenset(PERMISSIONS)
    assert all(permissions <= PERMISSIONS.keys() for permissions in BUILT_IN.values())


@pytest.mark.parametrize(("operation", "permission"), GUARDED, ids=str)
async def test_every_operation_asks_for_its_permission(operation: Operation, permission: str) -> None:
    """All the others together do not open it, it alone does, and nothing does without a credential."""
    app = an_app(Permitting())
    assert await status_of(app, operation, *(PERMISSIONS.keys() - {permission}), "none") == 403
    assert await status_of(app, operation) == 401
    assert await status_of(app, operation, permission) not in (401, 403)


@pytest.mark.parametrize("operation", OPEN, ids=str)
async def test_what_is_public_is_served_to_anybody(operation: Operation) -> None:
    """It says why it is, and looks at no credential."""
    rule = RULES[operation]
    assert isinstance(rule, Public)
    assert len(rule.why) > 10
    assert await status_of(an_app(Permitting()), operation) == 200


@pytest.mark.parametrize("schemes", [(), (Permitting(),)], ids=["anonymous", "authenticated"])
async def test_a_route_without_a_rule_is_served_to_nobody(schemes: tuple[Permitting, ...]) -> None:
    """Whatever they may do elsewhere; its handler is not run."""
    app, served = an_app(*schemes), []
    app.add_api_route("/v1/forgotten", lambda: served.append("served"))
    assert await status_of(app, ("GET", "/v1/forgotten"), *PERMISSIONS) == 403
    assert served == []


def test_what_no_gate_stands_before_is_not_even_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starlette's own routes and mounted apps pass the gate by, and so does a router under a prefix, which the rules do not see: if
    they are not public by a rule, the API does not start.
    """
    with monkeypatch.context() as fewer:
        fewer.setattr(rules, "RULES", {each: rule for each, rule in RULES.items() if each != ("GET", "/openapi.json")})
        with pytest.raises(RuntimeError, match=r"no rule .*openapi.json"):
            an_app()
    bare, plain, mounting, prefixed, router = *(FastAPI(openapi_url=None) for _ in range(4)), APIRouter()
    plain.router.routes.append(Route("/v1/forgotten", PlainTextResponse("served")))
    mounting.router.routes.append(Mount("/forgotten", PlainTextResponse("served")))
    router.add_api_route("/livez", lambda: "another one")
    prefixed.include_router(router, prefix="/forgotten")
    require_rules(bare.routes)
    for app in (plain, mounting, prefixed):
        with pytest.raises(RuntimeError, match=r"no rule .*/forgotten"):
            require_rules(app.routes)


@pytest.mark.parametrize(
    ("permission", "effects"),
    [
        ("submit:jobs", {"submitted"}),
        ("read:jobs", {"shown"}),
        ("cancel:jobs", {"cancelled", "shown"}),
        ("erase:jobs", {"erased"}),
    ],
)
async def test_a_permission_opens_what_it_says_and_no_more(permission: str, effects: set[str]) -> None:
    """By what happens when its bearer calls everything, on a job of their tenant: whatever the rules say. (Who may cancel a job is
    shown that job, as it is then.)
    """
    producer = Producer()
    producer.following.close()  # what follows a job ends, though the job does not
    job = (await producer.submitter.submit("acme", {"prompt": "Hi", "custom_id": "shown"})).job
    happened = set()
    async with calling(an_app(Permitting(), producer=producer)) as client:
        for (method, template), _ in GUARDED:
            path = template.replace("{request_id}", job.request_id)
            bodies = {"/v1/jobs/bulk": {"jobs": [{"prompt": "Hi"}]}, "/v1/jobs/lookup": {"request_ids": [job.request_id]}}
            body = None if method in ("GET", "DELETE") or path.endswith("/cancel") else bodies.get(path, {"prompt": "Hi"})
            answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {permission}"})
            assert answer.status_code in (200, 202, 204, 403), answer.text
            happened |= {"shown"} if '"shown"' in answer.text else set()
    happened |= {"submitted"} if len(producer.store.jobs) > 1 else set()
    left = producer.store.found("acme", job.request_id)
    happened |= {"erased"} if left is None else {"cancelled"} if left.status.is_terminal else set()
    assert happened == effects


def test_scopes_are_roles_and_permissions_and_nothing_else() -> None:
    """Together; what is unknown allows nothing, and takes nothing away."""
    roles = {**BUILT_IN, "idle": frozenset[str]()}
    assert permitted(("reader", "cancel:jobs"), roles) == {"read:jobs", "cancel:jobs"}
    for nothing in ("", "*", "admin", "Reader", "read:*", "read:jobs ", "idle", "reader,member"):
        assert permitted((nothing,), roles) == set(), nothing
    assert permitted(("nonsense", "reader"), roles) == {"read:jobs"}
    assert permitted((), roles) == set()

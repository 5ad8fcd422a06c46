"""`quarry erase`, typed: what is chosen is nowhere any more, and everybody else's is where it was."""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.integration.test_erasure import DEBUG, versioned
from tests.support.canary import found
from tests.support.issuer import AUDIENCE, TestIssuer, a_key
from tests.support.keys import with_key
from tests.support.processes import Process, eventually, quarry
from tests.support.simulator import Simulator
from tests.support.stack import Stack


@dataclass
class Person:
    """Somebody whose jobs can be told from all others by their tenant, their metadata, and the words in them."""

    tenant: str
    user: str
    words: str
    ids: list[str] = field(default_factory=list)


def people() -> tuple[Person, ...]:
    """Two of one tenant, of whom one is to be erased; the only one of another tenant; and a namesake who has to stay."""
    words = 'Zaunk\u00f6nig "{}" \\ eats'
    of = ("acme", "4711"), ("acme", "4712"), ("left", "4713"), ("other", "4711")
    return tuple(Person(tenant, user, words.format(f"73{i}9")) for i, (tenant, user) in enumerate(of))


def asked(person: Person) -> list[dict[str, Any]]:
    """Small, large, streamed, and failed for good."""
    same = {"metadata": {"user": person.user, "subject": person.words}}
    return [
        {"prompt": person.words, "system": person.words, "custom_id": person.words, "idempotency_key": person.user, **same},
        {"prompt": f"{person.words} " * 2_000, **same},
        {"prompt": person.words, "stream": True, **same},
        {"prompt": f"This fails: {person.words}", "max_attempts": 1, **same},
    ]


class Scene:
    """A running service, and its tenants' tokens."""

    def __init__(self, stack: Stack, api: httpx.Client, issuer: TestIssuer) -> None:
        self.stack = stack
        self.api = api
        self.tokens = {each: with_key(issuer.token(issuer.claims(tenant=each))) for each in ("acme", "left", "other")}

    def submit(self, person: Person, body: dict[str, Any]) -> str:
        """A job of theirs; its id."""
        answer = self.api.post("/v1/jobs", json=body, headers=self.tokens[person.tenant])
        assert answer.status_code == 202, answer.text
        person.ids.append(answer.json()["request_id"])
        return person.ids[-1]

    def statuses(self, person: Person) -> list[str]:
        """Of their jobs; of what is not there, what the API says."""
        answers = [self.api.get(f"/v1/jobs/{each}", headers=self.tokens[person.tenant]).json() for each in person.ids]
        return [each.get("code") or each["status"] for each in answers]

    def typed(self, name: str, *arguments: str) -> Process:
        """`quarry erase …`, begun; what it prints is a log like any other."""
        command = quarry("erase", "--json", *arguments)
        return Process(command, self.stack.environ(), self.stack.directory / f"{name}.log")


def told(command: Process) -> tuple[int, dict[str, str]]:
    """Its exit code, and what it said of which job."""
    code = command.popen.wait(60)
    lines = [json.loads(line) for line in command.output.splitlines() if line.startswith('{"request_id"')]
    return code, {each["request_id"]: each["what"] for each in lines}


def test_a_person_and_a_tenant_are_erased_and_nobody_else(stack: Stack, simulator: Simulator) -> None:
    """By metadata, and all of a tenant, in a bucket that keeps old versions, with everything at its most talkative; a job that is
    being answered too. Whoever shares the tenant, or the metadata, is not touched; and nobody is, where it is only tried.

    Red when: `quarry/cli/erase.py`: `dict(arguments.metadata or ())` -> `{}`
    Red when: `quarry/erasure/many.py`, after `async def run(`: `if self._dry_run:` -> `if not self._tenant:`
    Red when: `quarry/erasure/many.py`: `self._promised.add(each)` -> `pass`
    """
    stack.use(simulator)
    stack.env |= {"QUARRY_AUDIT__FILE": str(stack.directory / "audit.log")}
    versioned(stack)
    everyone = erased, neighbour, gone, namesake = people()
    simulator.rule({"error": "ModelErrorException", "message": "It broke."}, match={"text_contains": "fails"})
    simulator.rule({"text": f"{erased.words} " * 400, "tokens_per_second": 30}, match={"text_contains": "slowly"})
    issuer = TestIssuer(a_key("RS256"))
    with issuer.serving(), ExitStack() as running:
        stack.env |= {"QUARRY_API__AUTH": "jwt", "QUARRY_JWT__ISSUER": issuer.url, "QUARRY_JWT__AUDIENCE": AUDIENCE, **DEBUG}
        running.enter_context(stack.running_worker())
        scene = Scene(stack, running.enter_context(stack.running_api()), issuer)
        for person in everyone:
            for body in asked(person):
                scene.submit(person, body)
        slow = {"prompt": f"Say slowly: {erased.words}", "max_tokens": 4_000, "stream": True, "metadata": {"user": erased.user}}
        scene.submit(erased, slow)
        tried = scene.typed("tried", "--tenant", "acme", "--metadata", "user=4711", "--dry-run")
        ends = ["completed"] * 3 + ["failed"]
        for person in everyone:
            eventually(lambda person=person: scene.statuses(person)[:4] == ends, seconds=60)  # type: ignore[misc]
        eventually(lambda: scene.statuses(erased)[4] == "processing")
        assert told(tried) == (0, dict.fromkeys(erased.ids, "erased"))
        before = {person.user + person.tenant: sorted(found(stack, person.words)) for person in everyone}
        assert all({where.split(":")[0] for where in each} == {"table", "bucket"} for each in before.values()), before

        commands = [
            scene.typed("by-metadata", "--tenant", "acme", "--metadata", "user=4711", "--yes"),
            scene.typed("by-tenant", "--tenant", "left", "--yes"),
        ]
        assert [told(each) for each in commands] == [(0, dict.fromkeys(person.ids, "erased")) for person in (erased, gone)]
        assert found(stack, erased.words, gone.words) == []
        for person in (erased, gone):
            assert set(scene.statuses(person)) == {"job_not_found"}
        for person in (neighbour, namesake):
            assert sorted(found(stack, person.words)) == before[person.user + person.tenant]
            assert scene.statuses(person) == ends
        eventually(stack.queue_is_empty)
    audit = [json.loads(line) for line in (stack.directory / "audit.log").read_text().splitlines()]
    acts = {(each["tenant"], each["count"]) for each in audit if each.get("count")}
    assert acts == {("acme", 5), ("left", 4)}

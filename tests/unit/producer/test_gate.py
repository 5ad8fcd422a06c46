"""The gate: who is let pass, and what the audit log has of it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request

from producer.auth.gate import Gate
from producer.auth.principal import Principal
from producer.auth.witness import Witness, address_of
from quarry.access import PERMISSIONS
from quarry.errors import Forbidden, Unauthenticated
from quarry.telemetry.audit import AuditFile, AuditLog
from quarry.testing import FakeClock


class Named:
    """Takes `NAME.TENANT` for a caller of that tenant; refuses what is its own and ends with `!`."""

    def __init__(self, name: str, *permissions: str) -> None:
        self._name = name
        self._permissions = frozenset(permissions)
        self.asked: list[str] = []

    async def authenticate(self, credential: str) -> Principal | None:
        self.asked.append(credential)
        name, _, tenant = credential.partition(".")
        if name != self._name:
            return None
        if tenant.endswith("!"):
            raise Unauthenticated("no valid credential came with the request", claimed="0123")
        return Principal(tenant, "somebody", name, self._permissions)


def a_request(authorization: str | None = None, path: str = "/v1/jobs", *forwarded: str, peer: str | None = "192.0.2.1") -> Request:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    if authorization is not None:
        headers.append((b"authorization", authorization.encode()))
    client = (peer, 4711) if peer else None
    return Request({"type": "http", "method": "POST", "headers": headers, "client": client, "route": SimpleNamespace(path=path)})


class Guarded:
    """A gate with two schemes, and what the audit log says."""

    def __init__(self, path: Path) -> None:
        self.one, self.other = Named("one", *PERMISSIONS), Named("other", "read:jobs")
        self._path = path
        self.gate = Gate([self.one, self.other], Witness(AuditLog(AuditFile(str(path)), FakeClock()), 0))

    def records(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [{name: each[name] for name in each if name not in ("audit", "id", "at")} for each in lines]


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path / "audit.jsonl")


async def test_the_first_scheme_that_knows_a_credential_tells_whose_it_is(guarded: Guarded) -> None:
    """The next is asked only about what is not the first one's; being let pass is not recorded here, what is done then is."""
    assert (await guarded.gate.admit(a_request("Bearer one.acme"))).tenant == "acme"
    assert guarded.other.asked == []
    assert (await guarded.gate.admit(a_request("bearer one.acme"))).scheme == "one"
    with pytest.raises(Forbidden):
        await guarded.gate.admit(a_request("Bearer other.acme"))
    assert (await guarded.gate.admit(a_request("Bearer other.acme", "/v1/jobs/lookup"))).scheme == "other"
    assert [each["act"] for each in guarded.records()] == ["permission.refused"]


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic one.acme", "one.acme", "Bearer who.acme"])
async def test_without_a_credential_that_somebody_knows_nobody_passes(authorization: str | None, guarded: Guarded) -> None:
    """And that is recorded: what was asked for, from where."""
    with pytest.raises(Unauthenticated):
        await guarded.gate.admit(a_request(authorization))
    assert guarded.records() == [
        {
            "act": "authentication.refused", "verdict": "refused", "tenant": "", "subject": "", "scheme": "",
            "client": "192.0.2.1", "method": "POST", "route": "/v1/jobs",
        }
    ]  # fmt: skip


async def test_a_credential_that_its_scheme_refuses_is_shown_to_no_other(guarded: Guarded) -> None:
    """The record has the part of it that is public, and no more."""
    with pytest.raises(Unauthenticated):
        await guarded.gate.admit(a_request("Bearer one.acme!"))
    assert guarded.other.asked == []
    [record] = guarded.records()
    assert record["claimed"] == "0123"
    assert "acme" not in str(record)


@pytest.mark.parametrize("tenant", ["", "#keys", "acme#0", "acme/../other", "a" * 65])
async def test_a_tenant_that_could_reach_into_another_is_refused(tenant: str, guarded: Guarded) -> None:
    """Whichever scheme believed it."""
    with pytest.raises(Unauthenticated):
        await guarded.gate.admit(a_request(f"Bearer one.{tenant}"))


async def test_what_may_not_be_done_is_recorded_with_who_tried(guarded: Guarded) -> None:
    """And with the permission that was missing."""
    with pytest.raises(Forbidden):
        await guarded.gate.admit(a_request("Bearer other.acme"))
    [record] = guarded.records()
    assert (record["tenant"], record["subject"], record["permission"]) == ("acme", "somebody", "submit:jobs")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, ("203.0.113.9",), "192.0.2.1"),
        (1, (), "192.0.2.1"),
        (1, ("203.0.113.9",), "203.0.113.9"),
        (1, ("6.6.6.6, 203.0.113.9",), "203.0.113.9"),
        (1, ("6.6.6.6", "203.0.113.9"), "203.0.113.9"),
        (2, ("6.6.6.6, 203.0.113.9, 10.0.0.2",), "203.0.113.9"),
        (2, ("203.0.113.9",), "203.0.113.9"),
        (1, ("203.0.113.9:4711",), "203.0.113.9"),
        (1, ("[2001:db8::1]:4711",), "2001:db8::1"),
        (1, ("2001:DB8::1",), "2001:db8::1"),
        (1, ("fe80::1%" + "x" * 10_000,), "fe80::1"),
        (1, ("6.6.6.6, unknown",), "192.0.2.1"),
        (1, ("",), "192.0.2.1"),
        (1, ("x" * 10_000,), "192.0.2.1"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(proxies: int, forwarded: tuple[str, ...], address: str) -> None:
    """A caller can write what they like into the header: it stands left of what the proxies added, and nobody looks there."""
    assert address_of(a_request(None, "/", *forwarded), proxies) == address


def test_a_request_from_nowhere_has_no_address() -> None:
    """Over a Unix socket."""
    assert address_of(a_request(None, "/", peer=None), 0) == ""

"""`quarry keys`: what it takes, what it does, and what it shows; never a secret but once."""

import argparse
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from quarry.cli import exits, main, parser
from quarry.cli.audit import OperatorAudit
from quarry.cli.keys.creating import create
from quarry.cli.keys.listing import as_table, shown
from quarry.cli.keys.revoking import revoke
from quarry.cli.keys.rotating import rotate
from quarry.cli.keys.words import check_scopes
from quarry.clock import SystemClock
from quarry.errors import StoreUnavailable
from quarry.keys.key import ApiKey, taken_apart
from quarry.settings import load_settings
from quarry.telemetry.audit import AuditLog
from quarry.testing import NOW, FakeClock, MemoryKeys, a_key

DAY = timedelta(days=1)


AUDIT = OperatorAudit(AuditLog(None, SystemClock()), "ops@host")


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


def typed(*arguments: str) -> argparse.Namespace:
    return parser().parse_args(["keys", *arguments])


def opened(keys: MemoryKeys, text: str) -> ApiKey:
    """The key that this opens."""
    parts = taken_apart(text)
    assert parts is not None
    key = keys.keys[parts[0]]
    assert key.is_opened_by(parts[1])
    return key


# --- create -----------------------------------------------------------------------------------------------------------


async def test_create_prints_the_key_and_nothing_else(
    keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """To stdout; what is said beside it goes to stderr, without the secret."""
    assert await create(keys, clock, AUDIT, typed("create", "--tenant", "acme")) == exits.DONE
    printed = capsys.readouterr()
    [line] = printed.out.splitlines()
    key = opened(keys, line)
    assert (key.tenant, key.name, key.scopes, key.created_at) == ("acme", "", ("member",), NOW)
    assert (key.ends_at, key.lifetime) == (NOW + 365 * DAY, 365 * DAY)
    assert key.key_id in printed.err
    assert line[-43:] not in printed.err


async def test_create_takes_what_it_is_told(keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Each scope once, in the order in which they were named; 0 days are no end."""
    options = ["--name", "Büro 2", "--scope", "read:jobs", "--scope", "reader", "--scope", "read:jobs", "--expires-in", "0"]
    await create(keys, clock, AUDIT, typed("create", "--tenant", "a_B-9", *options))
    key = opened(keys, capsys.readouterr().out.strip())
    assert (key.tenant, key.name, key.scopes, key.ends_at) == ("a_B-9", "Büro 2", ("read:jobs", "reader"), None)


async def test_a_key_that_may_not_be_there_is_not_printed(
    keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is handed a key that may not open anything."""
    keys.fail_next("create", known=False)
    with pytest.raises(StoreUnavailable):
        await create(keys, clock, AUDIT, typed("create", "--tenant", "acme"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        *(["create", "--tenant", each] for each in ("", "#", "a#b", "a/b", "-a", "_a", "ä", "a b", "a\n", "a" * 65)),
        *(["create", "--tenant", "a", "--expires-in", each] for each in ("-1", "3651", "x", "1.5", "")),
        *(["create", "--tenant", "a", "--name", each] for each in ("a\nb", "\x1b[31m", "x" * 101)),
        *(["rotate", "0", "--overlap", each] for each in ("-1", "8761", "x", "nan", "inf")),
        ["rotate"],
        ["revoke"],
        ["list", "--tenant", "a#"],
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As wrong usage, before anything is asked of AWS."""
    with pytest.raises(SystemExit) as ended:
        main(["keys", *arguments])
    assert ended.value.code == exits.USAGE
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("scope", ["", "Member", "read:", ":jobs", "read:jobs:all", "*", "read jobs", "read:jobs\n", "auditor"])
def test_a_scope_that_means_nothing_is_refused(scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that opens less than was meant is found out late; those that there are, are named."""
    monkeypatch.setenv("QUARRY_ENVIRONMENT", "local")
    with pytest.raises(exits.WrongUsage, match="there are member, submitter, reader, submit:jobs"):
        check_scopes([scope], load_settings())


# --- rotate -----------------------------------------------------------------------------------------------------------


async def test_rotate_makes_a_second_key_like_the_first(
    keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the same tenant, name, scopes and lifetime; both are good until the overlap is over."""
    old, _ = a_key(tenant="acme", name="ci", scopes=("read:jobs", "reader"), lifetime=30 * DAY, created_at=NOW - 20 * DAY)
    await keys.create(old)
    assert await rotate(keys, clock, AUDIT, old.key_id, timedelta(hours=24)) == exits.DONE
    printed = capsys.readouterr()
    new = opened(keys, printed.out.strip())
    assert (new.tenant, new.name, new.scopes, new.lifetime) == (old.tenant, old.name, old.scopes, old.lifetime)
    assert (new.created_at, new.ends_at) == (NOW, NOW + 30 * DAY)
    assert keys.keys[old.key_id] == replace(old, ends_at=NOW + DAY)
    assert f"key {old.key_id} ends at 2026-11-22T12:00:00.000Z" in printed.err


async def test_a_rotated_key_can_be_rotated_again(keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """The third is as good as the first was meant to be: the lifetime is not what the overlap left."""
    old, _ = a_key(lifetime=30 * DAY)
    await keys.create(old)
    for _ in range(2):
        await rotate(keys, clock, AUDIT, old.key_id, DAY)
        assert opened(keys, capsys.readouterr().out.strip()).ends_at == NOW + 30 * DAY


async def test_rotate_moves_no_end_further_out(keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a key that ends before the overlap is over; what is said is when it ends."""
    old, _ = a_key(ends_at=NOW + timedelta(hours=1))
    await keys.create(old)
    await rotate(keys, clock, AUDIT, old.key_id, DAY)
    assert keys.keys[old.key_id] == old
    assert "ends at 2026-11-21T13:00:00.000Z" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "word"), [({"revoked_at": NOW}, "revoked"), ({"ends_at": NOW}, "expired")], ids=["revoked", "expired"]
)
async def test_what_is_over_is_not_rotated(
    keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str], changes: dict[str, object], word: str
) -> None:
    """A revoked key does not come back by another name."""
    old, _ = a_key(**changes)
    await keys.create(old)
    with pytest.raises(exits.CommandFailed, match=rf"key {old.key_id} is {word}"):
        await rotate(keys, clock, AUDIT, old.key_id, DAY)
    assert keys.keys == {old.key_id: old}
    assert capsys.readouterr().out == ""


async def test_rotate_hands_the_new_key_out_whatever_becomes_of_the_old(
    keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It fails then, and says what to do."""
    old, _ = a_key()
    await keys.create(old)
    keys.fail_next("end")
    with pytest.raises(exits.CommandFailed, match=rf"quarry keys revoke {old.key_id}"):
        await rotate(keys, clock, AUDIT, old.key_id, DAY)
    assert opened(keys, capsys.readouterr().out.strip()).is_live(NOW)
    assert keys.keys[old.key_id] == old


# --- revoke -----------------------------------------------------------------------------------------------------------


async def test_revoke_ends_a_key_and_says_how_soon(keys: MemoryKeys, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Doing it twice is no error."""
    key, _ = a_key()
    await keys.create(key)
    for _ in range(2):
        assert await revoke(keys, clock, AUDIT, key.key_id, 7) == exits.DONE
        printed = capsys.readouterr()
        assert printed.out == ""
        assert f"key {key.key_id} is revoked; within 7 s" in printed.err
        await clock.advance(60)
    assert keys.keys[key.key_id] == replace(key, revoked_at=NOW)


@pytest.mark.parametrize("what", ["0" * 16, "nonsense", pytest.param(a_key()[1], id="a whole key")])
async def test_what_is_not_there_is_told_so(keys: MemoryKeys, clock: FakeClock, what: str) -> None:
    """In a sentence that does not repeat what may be a whole key."""
    for verb in (revoke(keys, clock, AUDIT, what, 5), rotate(keys, clock, AUDIT, what, DAY)):
        with pytest.raises(exits.CommandFailed, match="there is no such key; `quarry keys list`") as failed:
            await verb
        assert what not in str(failed.value)


# --- list -------------------------------------------------------------------------------------------------------------


def test_a_list_shows_what_anybody_may_know() -> None:
    """As JSON and as a table; never what is kept of the secret."""
    used = {"last_used_at": NOW + timedelta(hours=1)}
    live, text = a_key(tenant="acme", name="ci", scopes=("read:jobs", "member"), lifetime=DAY, **used)
    endless, over = a_key(lifetime=None)[0], a_key(revoked_at=NOW)[0]
    found = [shown(key, NOW) for key in (live, endless, over)]
    assert found[0] == {
        "key_id": live.key_id, "tenant": "acme", "name": "ci", "scopes": ["read:jobs", "member"],
        "created_at": "2026-11-21T12:00:00.000Z", "ends_at": "2026-11-22T12:00:00.000Z", "revoked_at": None,
        "last_used_at": "2026-11-21T13:00:00.000Z", "state": "live",
    }  # fmt: skip
    assert [each["state"] for each in found] == ["live", "live", "revoked"]
    assert found[2]["revoked_at"] == "2026-11-21T12:00:00.000Z"
    table = as_table(found)
    head, first, second, _ = table.splitlines()
    assert head.split() == ["id", "tenant", "name", "scopes", "created", "ends", "last", "used", "state"]
    assert first.split() == [
        live.key_id, "acme", "ci", "read:jobs,member", "2026-11-21T12:00:00.000Z", "2026-11-22T12:00:00.000Z",
        "2026-11-21T13:00:00.000Z", "live",
    ]  # fmt: skip
    assert second.split()[-3:] == ["never", "never", "live"]
    for said in (table, json.dumps(found)):
        assert not [
            secret
            for secret in (text[-43:], *(s for key in (live, endless, over) for s in (key.salt, key.digest)))
            if secret in said
        ]


def test_an_empty_list_has_a_head() -> None:
    """So that nobody takes it for a failure."""
    assert as_table([]).startswith("id  tenant")

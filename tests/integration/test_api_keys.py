"""Who has a key is served, as its tenant and nobody else, and as long as the key is good."""

from typing import Any

import httpx

from quarry.keys.expressions import to_item
from quarry.testing import NOW, a_key
from tests.support.keys import ASKING, created, id_of, listed, secret_of, typed, with_key
from tests.support.processes import eventually
from tests.support.proxy import FaultProxy, Line, leading_to
from tests.support.stack import Stack

#: What is promised of a revocation.
EFFECTIVE_SECONDS = 10.0


def test_a_key_opens_its_tenants_jobs_and_no_others(stack: Stack) -> None:
    """With a key a job is taken, without one nothing is served, and another tenant's job is as if there were none.

    Red when: `producer/auth/api_key.py`: `return Principal(key.tenant,` -> `return Principal("default",`
    """
    ours, theirs = created(stack, "--tenant", "ours"), created(stack, "--tenant", "theirs")
    with stack.running_api(**ASKING) as api:
        submitted = api.post("/v1/jobs", json={"prompt": "Hi"}, headers=with_key(ours))
        assert submitted.status_code == 202, submitted.text
        path = submitted.headers["Location"]
        assert api.get(path, headers=with_key(ours)).status_code == 200
        refused = api.post("/v1/jobs", json={"prompt": "Hi"})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert said(api.get(path, headers=with_key(theirs))) == said(api.get(f"/v1/jobs/{'0' * 32}", headers=with_key(theirs)))


def test_a_revoked_key_opens_nothing_within_seconds(stack: Stack) -> None:
    """While the API runs and the key is in use; other keys of the tenant go on.

    Red when: `producer/auth/keyring.py`: `return known.key if now < known.until else` -> `return known.key if known else`
    """
    key, other = (created(stack, "--tenant", "acme") for _ in range(2))
    with stack.running_api(**ASKING) as api:
        assert status(api, key) == status(api, other) == 200
        revoked = typed(stack, "revoke", id_of(key))
        assert (revoked.returncode, revoked.stdout) == (0, "")
        assert "within 5 s" in revoked.stderr
        eventually(lambda: status(api, key) == 401, seconds=EFFECTIVE_SECONDS)
        assert (status(api, key), status(api, other)) == (401, 200)
    assert listed(stack)[id_of(key)]["state"] == "revoked"
    unknown = typed(stack, "revoke", "0" * 16)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no such key" in unknown.stderr


def test_callers_change_over_from_key_to_key(stack: Stack) -> None:
    """After a rotation both keys are good, with the same rights; when the overlap is over, the old one is not.

    Red when: `quarry/cli/keys/rotating.py`: `at=now + overlap, revoked=False)` -> `at=now, revoked=False)`
    Red when: `quarry/keys/expressions.py`, after `def bring_forward(`: `"SET #ends_at = :at, ` -> `"SET #ended_at = :at, `
    """
    old = created(stack, "--tenant", "acme", "--name", "ci", "--scope", "read:jobs", "--expires-in", "30")
    with stack.running_api(**ASKING) as api:
        new = created(stack, id_of(old), verb="rotate")
        assert [status(api, key) for key in (old, new)] == [200, 200]
        assert [api.post("/v1/jobs", json={"prompt": "Hi"}, headers=with_key(key)).status_code for key in (old, new)] == [403, 403]
        newest = created(stack, id_of(old), "--overlap", "0", verb="rotate")
        eventually(lambda: status(api, old) == 401, seconds=EFFECTIVE_SECONDS)
        assert [status(api, key) for key in (new, newest)] == [200, 200]
    keys = listed(stack, "--tenant", "acme")
    assert [keys[id_of(key)]["state"] for key in (old, new, newest)] == ["expired", "live", "live"]
    assert {(key["name"], *key["scopes"]) for key in keys.values()} == {("ci", "read:jobs")}


def test_what_is_wrong_with_a_key_is_not_told_and_not_written(stack: Stack) -> None:
    """A wrong secret, an unknown id, what has expired or was revoked, and no key at all: one answer, and the table as it was.

    Red when: `producer/auth/api_key.py`: `if not key.is_opened_by(secret) or` -> `if`
    Red when: `producer/auth/api_key.py`: `or not key.is_live(now)` -> `or not key`
    Red when: `producer/auth/api_key.py`:
    `now = self._clock.now()` -> `now = self._clock.now(); await self._keyring._keys.touch(key_id, now)`
    """
    good, revoked = (created(stack, "--tenant", "acme") for _ in range(2))
    assert typed(stack, "revoke", id_of(revoked)).returncode == 0
    record, over = a_key(tenant="acme", ends_at=NOW.replace(year=2025))
    stack.client("dynamodb").put_item(TableName=stack.name, Item=to_item(record))
    wrong = [a_key(key_id=id_of(good))[1], a_key()[1], over, revoked, "quarry_1_2", f"{good}x", good.upper(), "x"]
    with stack.running_api(**ASKING) as api:
        before = rows(stack)
        refused = [api.get("/v1/jobs", headers=with_key(key)) for key in wrong for _ in range(2)]
        answers = {said(answer) for answer in [*refused, api.get("/v1/jobs")]}
        assert {status for status, _ in answers} == {401}
        assert len(answers) == 1
    # What is noted of a use is written when the API ends, at the latest.
    assert rows(stack) == before


def test_the_last_use_of_a_key_is_shown(stack: Stack) -> None:
    """Of a key that opened something; not of one that was only tried with a wrong secret.

    Red when: `producer/auth/last_uses.py`: `await self._write_the_last()` -> `pass`
    Red when: `producer/auth/api_key.py`: `self._uses.note(key, now)` -> `pass`
    """
    used, unused = (created(stack, "--tenant", "acme") for _ in range(2))
    with stack.running_api(**ASKING) as api:
        assert status(api, used) == 200
        assert status(api, a_key(key_id=id_of(unused))[1]) == 401
    keys = listed(stack)
    assert (keys[id_of(used)]["last_used_at"] or "") >= keys[id_of(used)]["created_at"]
    assert keys[id_of(unused)]["last_used_at"] is None


def test_nothing_secret_of_a_key_is_shown_or_logged(stack: Stack) -> None:
    """Neither in the log of the API at its most talkative, wherever a caller puts a key, nor by any verb but for the once.

    Red when: `producer/auth/api_key.py`:
    `key_id, secret = parts` -> `key_id, secret = parts; __import__("logging").warning("tried %s", secret)`
    Red when: `quarry/cli/keys/listing.py`: `"name": key.name,` -> `"name": key.digest,`
    """
    key = created(stack, "--tenant", "acme")
    with stack.running_api(**ASKING, QUARRY_LOG_LEVEL="debug") as api:
        assert status(api, key) == 200
        for other in (a_key(key_id=id_of(key))[1], key.upper(), f"{key},{key}"):
            assert status(api, other) == 401
        api.get(f"/v1/jobs?cursor={key}", headers=with_key(key))
        api.get(f"/v1/jobs/{key}", headers=with_key(key))
        api.get(f"/{key}")
        api.post("/v1/jobs", content=key, headers=with_key(key) | {"Content-Type": "application/json"})
        api.post("/v1/jobs", json={"prompt": "Hi", key: key}, headers=with_key(key) | {"Idempotency-Key": key})
    secret = secret_of(key)
    [record] = [row for row in rows(stack) if row["sk"]["S"] == "key"]
    shown = typed(stack, "list").stdout + typed(stack, "list", "--json").stdout + typed(stack, "revoke", id_of(key)).stderr
    for each in (secret, record["digest"]["S"], record["salt"]["S"]):
        assert each not in (stack.directory / "api.log").read_text()
        assert each not in shown
    assert id_of(key) in shown


def test_nobody_is_let_in_or_called_wrong_while_the_store_is_away(stack: Stack) -> None:
    """Who was let in a moment ago included: callers are told to come again, and when the store is back, a good key is good.

    Red when: `producer/auth/keyring.py`: `else await self._again.of(key_id)` -> `else known.key`
    Red when: `producer/auth/keyring.py`: `return await asyncio.shield(reading)` ->
    `return None if (await asyncio.wait([reading]))[0].pop().exception() else reading.result()`
    """
    key, other = (created(stack, "--tenant", "acme") for _ in range(2))
    with FaultProxy("dynamodb", stack.aws_url) as proxy:
        env = ASKING | leading_to(proxy) | {"QUARRY_API__KEY_CACHE_SECONDS": "1"}
        with stack.running_api(**env) as api:

            def tried(key: str) -> int:
                # Refused for what it says, without a look into the store, once the key has been looked at.
                headers = with_key(key) | {"Content-Type": "application/json"}
                return api.post("/v1/jobs", content=b"{", headers=headers).status_code

            assert tried(key) == 400
            with proxy.away(Line.REFUSED):
                eventually(lambda: tried(key) == 503)
                assert tried(other) == 503
            eventually(lambda: tried(key) == tried(other) == 400)


def test_no_key_is_made_for_a_table_that_is_not_there(stack: Stack) -> None:
    """The setting is named, and nothing is printed that could be taken for a key.

    Red when: `quarry/cli/keys/office.py`: `retention_days)).check()` -> `retention_days)).close()`
    """
    stack.env["QUARRY_STORE__TABLE"] = f"{stack.name}-2"
    for arguments in (("create", "--tenant", "acme"), ("list",), ("rotate", "0" * 16), ("revoke", "0" * 16)):
        ended = typed(stack, *arguments)
        assert (ended.returncode, ended.stdout) == (78, ""), ended.stderr
        assert "QUARRY_STORE__TABLE" in ended.stderr


def status(api: httpx.Client, key: str) -> int:
    """What a caller with this key is answered."""
    return api.get("/v1/jobs", headers=with_key(key)).status_code


def said(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, answer.content


def rows(stack: Stack) -> list[dict[str, Any]]:
    """The whole table, in an order."""
    found: list[dict[str, Any]] = stack.client("dynamodb").scan(TableName=stack.name, ConsistentRead=True)["Items"]
    return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

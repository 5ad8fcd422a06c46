"""Who has a token of the issuer is served, as the tenant it names; and it makes no difference what is wrong with one."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.issuer import AUDIENCE, TestIssuer, a_key, b64
from tests.support.processes import ROOT, eventually, quarry
from tests.support.stack import Stack

RSA = a_key("RS256")


@contextmanager
def _served(stack: Stack, issuer: TestIssuer, auth: str = "jwt", **env: str) -> Iterator[httpx.Client]:
    # `local`, so that the issuer may be on http.
    settings = {"QUARRY_API__AUTH": auth, "QUARRY_JWT__ISSUER": issuer.url, "QUARRY_JWT__AUDIENCE": AUDIENCE}
    with stack.running_api(**(settings | env)) as api:
        yield api


def _with(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def _sound(issuer: TestIssuer, **changed: Any) -> str:
    return issuer.token(issuer.claims(**changed))


def _as_secret(issuer: TestIssuer) -> str:
    """HS256, with what everybody knows as the secret."""
    signing = f"{b64({'alg': 'HS256', 'kid': 'first', 'typ': 'JWT'})}.{b64(issuer.claims())}"
    public = RSA.as_pem(private=False)  # type: ignore[union-attr]
    return f"{signing}.{b64(hmac.digest(public, signing.encode(), hashlib.sha256))}"


def _altered(issuer: TestIssuer) -> str:
    header, payload, signature = _sound(issuer).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{b64(claims | {'tenant': 'theirs'})}.{signature}"


BAD: dict[str, Callable[[TestIssuer], str]] = {
    "expired": lambda issuer: _sound(issuer, exp=int(time.time()) - 31),
    "malformed": lambda _: "a.b.c",
    "unsigned": lambda issuer: _sound(issuer).rpartition(".")[0] + ".",
    "alg none": lambda issuer: f"{b64({'alg': 'none', 'typ': 'JWT'})}.{b64(issuer.claims())}.",
    "HS256 with the public key": _as_secret,
    "altered": _altered,
    "wrong audience": lambda issuer: _sound(issuer, aud="somebody else"),
    "wrong issuer": lambda issuer: _sound(issuer, iss="https://issuer.example"),
    "unknown key id": lambda issuer: issuer.token(issuer.claims(), kid="nobody's"),
    "by another key": lambda issuer: issuer.token(issuer.claims(), a_key("RS256", "another"), kid="first"),
    "with a key of its own": lambda issuer: issuer.token(
        issuer.claims(), a_key("RS256", "another"), jwk=a_key("RS256", "another").as_dict(private=False)
    ),
    "critical": lambda issuer: issuer.token(issuer.claims(), crit=["exp"]),
    "not yet": lambda issuer: _sound(issuer, nbf=int(time.time()) + 120),
    "no subject": lambda issuer: _sound(issuer, sub=None),
    "no tenant": lambda issuer: _sound(issuer, tenant=None),
    "a tenant that is no name": lambda issuer: _sound(issuer, tenant="ours#job"),
    "too large": lambda issuer: _sound(issuer, padding="x" * 8192),
}


def test_a_token_opens_its_tenants_jobs_and_bad_ones_are_all_alike(stack: Stack) -> None:
    """A sound token gets a job in; whatever is wrong with one, the answer is the same to the byte; none is in the log.

    Red when: `producer/auth/jwt.py`: `if not validate_compact(` -> `if validate_compact(`
    """
    with TestIssuer(RSA).serving() as issuer, _served(stack, issuer) as api:
        sound, theirs = _sound(issuer, tenant="ours"), _sound(issuer, tenant="theirs")
        submitted = api.post("/v1/jobs", json={"prompt": "Hi"}, headers=_with(sound))
        assert submitted.status_code == 202, submitted.text
        path = submitted.headers["Location"]
        assert api.get(path, headers=_with(sound)).status_code == 200
        assert api.get(path, headers=_with(theirs)).status_code == 404
        answers = {name: _told(api.get(path, headers=_with(making(issuer)))) for name, making in BAD.items()}
        expected = _told(api.get(path))
        assert expected[0] == 401
        assert {name: answer for name, answer in answers.items() if answer != expected} == {}
        log = (stack.directory / "api.log").read_text()
        assert sound.split(".")[1] not in log
        assert sound.split(".")[2] not in log


def _told(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return answer.status_code, [(name, value) for name, value in answer.headers.raw if name.lower() != b"date"], answer.content


def test_a_token_by_a_rotated_key_opens_after_one_fetch(stack: Stack) -> None:
    """A key that is not known is sought; after that, key ids that nobody has bring no further fetch.

    Red when: `producer/auth/jwks.py`: `_UNKNOWN_SECONDS: Final = 30.0` -> `_UNKNOWN_SECONDS: Final = 0.0`
    """
    with TestIssuer(RSA).serving() as issuer, _served(stack, issuer) as api:
        old = _sound(issuer)
        assert api.get("/v1/jobs", headers=_with(old)).status_code == 200
        assert issuer.asked["/keys"] == 1
        issuer.rotate(a_key("ES256", "next"))
        assert api.get("/v1/jobs", headers=_with(_sound(issuer))).status_code == 200
        assert issuer.asked["/keys"] == 2
        for number in range(50):
            answer = api.get("/v1/jobs", headers=_with(issuer.token(issuer.claims(), RSA, kid=f"x{number}")))
            assert answer.status_code == 401
        assert issuer.asked["/keys"] == 2


@pytest.mark.parametrize("fault", [500, "hang"])
def test_without_its_issuer_the_api_starts_and_says_that_it_cannot_tell(stack: Stack, fault: int | str) -> None:
    """A token is answered with 503, not with 401; callers with a key are served. Once the issuer is there, so are its callers.

    Red when: `producer/auth/jwks.py`: `raise IssuerUnavailable("there are no keys of the issuer")` -> `return None`
    """
    key = subprocess.run(
        quarry("keys", "create", "--tenant", "ours"), env=stack.environ(), check=True, capture_output=True, cwd=ROOT, text=True
    ).stdout.strip()
    with TestIssuer(RSA).serving() as issuer:
        issuer.fault = fault
        with _served(stack, issuer, "api_key,jwt") as api:
            answer = api.get("/v1/jobs", headers=_with(_sound(issuer)))
            assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unavailable")
            assert answer.headers["Retry-After"]
            assert api.get("/v1/jobs", headers=_with(key)).status_code == 200
            assert '"dependency":"issuer"' in (stack.directory / "api.log").read_text().replace(" ", "")
            issuer.fault = None
            eventually(
                lambda: api.get("/v1/jobs", headers=_with(_sound(issuer))).status_code == 200,
                what="the issuer's callers",
                seconds=60,
            )


def test_keys_and_tokens_work_side_by_side(stack: Stack) -> None:
    """Each opens the jobs of its tenant, and both those of one tenant; a role of a token bounds what it may do.

    Red when: `producer/auth/schemes.py`: `for name in means.settings.api.schemes]` -> `for name in means.settings.api.schemes[:1]]`
    """
    key = subprocess.run(
        quarry("keys", "create", "--tenant", "ours"), env=stack.environ(), check=True, capture_output=True, cwd=ROOT, text=True
    ).stdout.strip()
    claims = {"QUARRY_JWT__TENANT_CLAIM": "https://acme.example/tenant", "QUARRY_JWT__ROLES_CLAIM": "realm_access.roles"}
    with TestIssuer(RSA).serving() as issuer, _served(stack, issuer, "api_key,jwt", **claims) as api:

        def token(tenant: str, role: str) -> str:
            named = {"https://acme.example/tenant": tenant, "realm_access": {"roles": [role]}}
            return issuer.token(issuer.claims(tenant="theirs", roles=["member"]) | named)

        reader, member, stranger = token("ours", "reader"), token("ours", "member"), token("theirs", "member")
        submitted = [api.post("/v1/jobs", json={"prompt": "Hi"}, headers=_with(each)) for each in (key, member)]
        assert [answer.status_code for answer in submitted] == [202, 202]
        for path in (answer.headers["Location"] for answer in submitted):
            assert [api.get(path, headers=_with(each)).status_code for each in (key, member, reader, stranger)] == [
                200,
                200,
                200,
                404,
            ]
        refused = api.post("/v1/jobs", json={"prompt": "Hi"}, headers=_with(reader))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")

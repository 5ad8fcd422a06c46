"""Who has a key is served, as its tenant and nobody else."""

import subprocess

import httpx

from tests.support.processes import ROOT, quarry
from tests.support.stack import Stack


def _created(stack: Stack, *options: str) -> str:
    made = subprocess.run(
        quarry("keys", "create", *options), env=stack.environ(), check=True, capture_output=True, cwd=ROOT, text=True
    )
    return made.stdout.strip()


def _with(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_opens_its_tenants_jobs_and_no_others(stack: Stack) -> None:
    """With a key a job is taken, without one nothing is served, and another tenant's job is as if there were none.

    Red when: `producer/auth/api_key.py`: `return Principal(key.tenant,` -> `return Principal("default",`
    """
    ours, theirs = _created(stack, "--tenant", "ours"), _created(stack, "--tenant", "theirs")
    with stack.running_api(QUARRY_ENVIRONMENT="production", QUARRY_API__AUTH="api_key") as api:
        submitted = api.post("/v1/jobs", json={"prompt": "Hi"}, headers=_with(ours))
        assert submitted.status_code == 202, submitted.text
        path = submitted.headers["Location"]
        assert api.get(path, headers=_with(ours)).status_code == 200
        refused = api.post("/v1/jobs", json={"prompt": "Hi"})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert _unlike(api.get(path, headers=_with(theirs))) == _unlike(api.get(f"/v1/jobs/{'0' * 32}", headers=_with(theirs)))


def _unlike(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, answer.content

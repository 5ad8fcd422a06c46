"""What is done, and what somebody was not let do, is on record: apart from the log, and without what it was about."""

import json
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from quarry.telemetry.audit import REFUSALS_PER_SECOND
from tests.support.keys import id_of, secret_of
from tests.support.processes import ROOT, free_port, quarry
from tests.support.stack import Stack

SECRET = "the words of the prompt"  # noqa: S105 - no password
LIVE = {"QUARRY_ENVIRONMENT": "production", "QUARRY_API__AUTH": "api_key"}


def recorded(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def operate(stack: Stack, *arguments: str) -> str:
    """An operator's command; returns what it prints."""
    done = subprocess.run(quarry(*arguments), env=stack.environ(), capture_output=True, cwd=ROOT, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} | more


def test_every_act_is_on_record_with_who_and_from_where(stack: Stack) -> None:
    """Callers' and operators': one line each, a bulk's too. No prompt, no key, and nothing that was only read.

    Red when: `producer/routes/jobs.py`, after `if not already:`: `verbs.witness.saw(Act.JOB_CANCELLED, caller, request,` -> `dict(`
    Red when: `producer/auth/gate.py`: `raise Forbidden("you may not do that here")` -> `pass`
    Red when: `quarry/cli/dlq/office.py`: `deed.record(audit, arguments.tenant, report)` -> `pass`
    """
    path = stack.directory / "audit.jsonl"
    stack.env["QUARRY_AUDIT__FILE"] = str(path)
    member = operate(stack, "keys", "create", "--tenant", "acme", "--name", "ci")
    reader = operate(stack, "keys", "create", "--tenant", "acme", "--scope", "reader")
    with stack.running_api(**LIVE, QUARRY_API__TRUSTED_PROXIES="1") as api:
        spoofed = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
        made = api.post("/v1/jobs", json={"prompt": SECRET}, headers=bearer(member, **spoofed)).json()["request_id"]
        bulk = {"jobs": [{"prompt": SECRET}, {"prompt": 3}, {"prompt": SECRET}]}
        rows = api.post("/v1/jobs/bulk", json=bulk, headers=bearer(member)).json()["jobs"]
        assert api.get(f"/v1/jobs/{made}", headers=bearer(reader)).status_code == 200
        assert api.post(f"/v1/jobs/{made}/cancel", headers=bearer(reader)).status_code == 403
        assert api.post(f"/v1/jobs/{made}/cancel", headers=bearer(member)).status_code == 202
        assert api.post(f"/v1/jobs/{made}/cancel", headers=bearer(member)).status_code == 200
        assert api.get("/v1/jobs", headers=bearer(member[:-3] + "xyz")).status_code == 401
        assert api.get("/v1/jobs").status_code == 401
    operate(stack, "dlq", "redrive", made, "--tenant", "acme")
    operate(stack, "dlq", "redrive", made, "--tenant", "acme")

    records = recorded(path)
    callers, readers = id_of(member), id_of(reader)
    assert [(each["act"], each["verdict"], each["tenant"]) for each in records] == [
        ("key.created", "allowed", "acme"),
        ("key.created", "allowed", "acme"),
        ("job.submitted", "allowed", "acme"),
        ("jobs.submitted", "allowed", "acme"),
        ("permission.refused", "refused", "acme"),
        ("job.cancelled", "allowed", "acme"),
        ("authentication.refused", "refused", ""),
        ("authentication.refused", "refused", ""),
        ("jobs.redriven", "allowed", "acme"),
    ]
    created, _, submitted, many, refused, cancelled, wrong, without, redriven = records
    assert (created["key_id"], created["scheme"], created["name"]) == (callers, "operator", "ci")
    assert "@" in created["subject"]
    assert (submitted["subject"], submitted["client"], submitted["request_id"]) == (callers, "203.0.113.9", made)
    ends = (rows[0]["request_id"], rows[2]["request_id"])
    assert (many["count"], many["refused_count"], many["first_request_id"], many["last_request_id"]) == (2, 1, *ends)
    assert (refused["subject"], refused["permission"]) == (readers, "cancel:jobs")
    assert (refused["method"], refused["route"]) == ("POST", "/v1/jobs/{request_id}/cancel")
    assert (cancelled["request_id"], cancelled["client"]) == (made, "127.0.0.1")
    assert (wrong["claimed"], "claimed" in without) == (callers, False)
    assert (redriven["count"], redriven["first_request_id"], redriven["last_request_id"]) == (1, made, made)
    assert len({each["id"] for each in records}) == len(records)
    assert not [secret for secret in (SECRET, secret_of(member), secret_of(reader)) if secret in path.read_text()]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_stops_nobody(stack: Stack) -> None:
    """Jobs are taken, as if records could be written; each that could not be is counted, and the log says so once.

    Red when: `quarry/telemetry/audit.py`: `if self._strict:` -> `if True:`
    """
    key = operate(stack, "keys", "create", "--tenant", "acme")
    port = str(free_port())
    with stack.running_api(**LIVE, QUARRY_AUDIT__FILE="/dev/full", QUARRY_API__METRICS_PORT=port) as api:
        answers = [api.post("/v1/jobs", json={"prompt": "Hi"}, headers=bearer(key)).status_code for _ in range(3)]
        counted = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert answers == [202, 202, 202]
    assert 'quarry_audit_records_total{outcome="lost"} 3.0' in counted
    assert (stack.directory / "api.log").read_text().count("audit.failed") == 1


def test_an_operator_does_nothing_that_cannot_be_recorded(stack: Stack) -> None:
    """Where the file cannot be opened nothing is begun; where the record cannot be written no key is shown.

    Red when: `quarry/cli/audit.py`: `strict=True` -> `strict=False`
    """
    for file, code in ((f"{stack.directory}/none/audit.jsonl", 78), ("/dev/full", 1)):
        command = quarry("keys", "create", "--tenant", "acme")
        done = subprocess.run(
            command, env=stack.environ(QUARRY_AUDIT__FILE=file), capture_output=True, cwd=ROOT, text=True, check=False
        )
        assert (done.returncode, done.stdout, "QUARRY_AUDIT__FILE" in done.stderr) == (code, "", True)


def test_roles_are_what_their_file_says(stack: Stack) -> None:
    """Beside the built-in ones, or in their place; for the keys that there are, from the next start of the API.

    Red when: `producer/opening.py`: `roles = load_roles(settings.api.roles_file)` -> `roles = load_roles(None)`
    """
    roles = stack.directory / "roles.toml"
    roles.write_text('[roles]\nstopper = ["cancel:jobs"]\n')
    stack.env["QUARRY_API__ROLES_FILE"] = str(roles)
    key = operate(stack, "keys", "create", "--tenant", "acme", "--scope", "stopper")
    wrong = quarry("keys", "create", "--tenant", "acme", "--scope", "stoper")
    refused = subprocess.run(wrong, env=stack.environ(), capture_output=True, cwd=ROOT, text=True, check=False)
    assert (refused.returncode, "stoper" in refused.stderr) == (2, True)
    with stack.running_api(**LIVE) as api:
        assert api.post(f"/v1/jobs/{'0' * 32}/cancel", headers=bearer(key)).status_code == 404
        assert api.get("/v1/jobs", headers=bearer(key)).status_code == 403


def test_a_flood_of_wrong_keys_fills_no_disk(stack: Stack) -> None:
    """Some records of each second, and the number of those that have none: all are accounted for.

    Red when: `quarry/telemetry/audit.py`: `return self._left >= 0` -> `return True`
    """
    path = stack.directory / "audit.jsonl"
    with stack.running_api(**LIVE, QUARRY_AUDIT__FILE=str(path)) as api:
        began = time.monotonic()
        for _ in range(300):
            assert api.get("/v1/jobs", headers=bearer("quarry_0123456789abcdef_" + "x" * 43)).status_code == 401
        seconds = time.monotonic() - began
    records = recorded(path)
    assert len(records) + sum(each.get("folded", 0) for each in records) == 300
    # Those of as many seconds, the first and the last begun ones too; and what each of the others came to.
    assert len(records) <= (seconds + 2) * (REFUSALS_PER_SECOND + 1)

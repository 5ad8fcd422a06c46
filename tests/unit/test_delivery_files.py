"""What the workflows of GitHub say, held to the page on delivery. `make check-infra` lints them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted((ROOT / ".github" / "scripts").glob("*.sh"))
PAGE = (ROOT / "docs" / "howto" / "delivery.md").read_text()
#: What `on:` is to YAML 1.1.
ON = True
USES = re.compile(r"^\s*(?:- )?uses: (\S+?)@(\S+)(?: # (\S+))?$", re.MULTILINE)


def loaded(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def workflow(name: str) -> dict[Any, Any]:
    return loaded(ROOT / ".github" / "workflows" / f"{name}.yml")


def texts() -> str:
    return "\n".join(path.read_text() for path in WORKFLOWS)


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in loaded(path)["jobs"].values() for step in job.get("steps", [])]


def test_every_action_is_pinned_and_listed() -> None:
    """With its hash and the tag that it was read from; what is listed is used."""
    rows = re.findall(r"^\| `(\S+)` \| (\S+) \| `([0-9a-f]{40})` \| tag `(\S+)` of github\.com/(\S+) \|$", PAGE, re.MULTILINE)
    listed = {(action, commit, version) for action, version, commit, tag, _ in rows if version == tag}
    assert all(action.startswith(source) for action, *_, source in rows)
    assert set(USES.findall(texts())) == listed
    used = [step["uses"] for path in WORKFLOWS for step in steps(path) if "uses" in step]
    assert len(used) == len(USES.findall(texts())) > 20


def test_every_image_that_is_pulled_is_listed() -> None:
    """With its tag: base images, and those that Compose starts and that are not ours."""
    dockerfiles = "\n".join(path.read_text() for path in (ROOT / "docker").glob("*.Dockerfile"))
    bases = set(re.findall(r"^ARG BASE=(\S+)$", dockerfiles, re.MULTILINE))
    froms = set(re.findall(r"^FROM (\S+)", dockerfiles, re.MULTILINE))
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    started = {each["image"] for each in services if "${TAG" not in each["image"]}
    listed = set(re.findall(r"^\| `([a-z/]+:[\w.-]+)` \| `docker", PAGE, re.MULTILINE))
    assert froms == {"${BASE}"}
    assert listed == bases | started


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_no_more(path: Path) -> None:
    """A job that asks AWS may have a token for it; nothing writes to the repository; a stranger's code has no rights."""
    found = loaded(path)
    assert found["permissions"] == {"contents": "read"}
    assert not {"pull_request_target", "workflow_run"} & set(found[ON])
    for job in found["jobs"].values():
        allowed = {"contents": "read", "id-token": "write"} if _asks_aws(job) else {}
        assert job.get("permissions", {}) == allowed


def _asks_aws(job: dict[str, Any]) -> bool:
    used = [step.get("uses", "") for step in job.get("steps", [])]
    return any("configure-aws-credentials" in each for each in used) or "deploy.yml" in job.get("uses", "")


def test_no_key_of_aws_is_kept() -> None:
    """Credentials are had by a token; the only secret is the smoke test's key, and it is an environment's."""
    assert set(re.findall(r"secrets\.(\w+)", texts())) == {"SMOKE_KEY"}
    assert "aws-access-key-id" not in texts()
    for name in ("deploy", "rollback"):
        assert all("environment" in job for job in workflow(name)["jobs"].values())


def test_a_fork_gets_no_plan() -> None:
    """What it would run is anybody's."""
    [job] = workflow("plan")["jobs"].values()
    assert "github.event.pull_request.head.repo.full_name == github.repository &&" in job["if"]


def test_what_is_to_be_set_is_on_the_page() -> None:
    """Each variable and secret, and none that nobody reads."""
    section = PAGE.partition("## What to set")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| (?:repository|environment)", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(re.findall(r"(?:vars|secrets)\.(\w+)", texts()))


def test_scripts_are_called_and_exist() -> None:
    """By a workflow or by one another."""
    inside = "\n".join(path.read_text() for path in SCRIPTS)
    called = set(re.findall(r"\.github/scripts/([\w-]+\.sh)", texts())) | set(re.findall(r'"\$here/([\w-]+\.sh)"', inside))
    assert called == {path.name for path in SCRIPTS}


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if path.stem != "ci"], ids=lambda path: path.stem)
def test_what_a_caller_gives_is_no_code(path: Path) -> None:
    """Inputs reach a script by its environment: in its text they would be run. And a failure before a pipe is one."""
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []
    assert loaded(path)["defaults"] == {"run": {"shell": "bash"}}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_runs_for_hours(path: Path) -> None:
    """Every job of our own has a bound."""
    assert [name for name, job in loaded(path)["jobs"].items() if "uses" not in job and "timeout-minutes" not in job] == []


def run_by(name: str) -> list[str]:
    return [
        step["run"].split("/")[-1].split()[0]
        for step in steps(ROOT / f".github/workflows/{name}.yml")
        if "scripts/" in step.get("run", "")
    ]


def test_the_smoke_test_is_the_gate() -> None:
    """After the workers, and after the API; production comes after staging, both after the tests."""
    assert run_by("deploy") == ["verify.sh", "init.sh", "images.sh", "deploy.sh", "smoke.sh", "deploy.sh", "smoke.sh", "deploy.sh"]
    assert not any("continue-on-error" in step for path in WORKFLOWS for step in steps(path))
    jobs = workflow("release")["jobs"]
    needs = {name: job.get("needs") for name, job in jobs.items()}
    assert needs == {"test": None, "images": "test", "staging": "images", "production": ["images", "staging"]}


def test_a_deployment_that_failed_is_taken_back() -> None:
    """The last step, and only then; the API goes first."""
    last = steps(ROOT / ".github/workflows/deploy.yml")[-1]
    assert last["if"].startswith("failure() && ")
    assert '"producer=$PRODUCER_BEFORE" "worker=$WORKER_BEFORE"' in last["run"]
    assert run_by("rollback")[-1] == "smoke.sh"


def test_nothing_is_deployed_beside_another() -> None:
    """Of one environment; and nothing that has begun is cancelled."""
    groups = [workflow(name)["concurrency"] for name in ("deploy", "rollback")]
    assert groups == [{"group": "deploy-${{ inputs.environment }}", "cancel-in-progress": False}] * 2

"""The scripts of the workflows: what they take, in which order they do what, and where they stop.

`tests/integration/test_smoke.py` runs the smoke test.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import told_aws
from tests.support.processes import ROOT

SCRIPTS = ROOT / ".github" / "scripts"
DIGEST = "@sha256:" + "0" * 64
BEFORE, NOW, NEXT = "111.ecr/quarry:1", "111.ecr/quarry:2", "111.ecr/quarry:3"
#: A script → what it does not take.
REFUSED = {
    "deploy.sh": ["", "root", "root worker", "root api=image", "root worker="],
    "images.sh": ["", "running", "after root", "before"],
    "init.sh": ["", "root more"],
    "plan.sh": ["", "root more"],
    "push.sh": ["", "registry tag"],
    "rolled-out.sh": ["", "cluster service", "cluster service revision soon"],
    "sign.sh": ["", "sbom", "sbom quarry-worker:1"],
    "smoke.sh": ["", "api.example.com", "https://api.example.com soon", "https://api.example.com 0", "https://api.example.com 1 2"],
    "verify.sh": ["", "owner/name", "owner/name quarry-worker:1"],
}


@pytest.fixture
def machine(tmp_path: Path) -> "Machine":
    """A machine with programs that are told what to say."""
    return Machine(tmp_path)


class Machine:
    """Runs scripts, and knows what they called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin, self.told, self.calls = told_aws.install(folder / "bin"), folder / "told", folder / "calls"
        self.root = folder / "root"
        self.root.mkdir()
        self.env = {"PATH": f"{self.bin}:{os.environ['PATH']}", "TOLD": str(self.told), "POLL_SECONDS": "0"}

    def has(self, program: str, says: str = "exit 0") -> None:
        """Such a program; its calls are noted."""
        path = self.bin / program
        path.write_text(f'#!/bin/bash\necho "{program} $*" >>{self.calls}\n{says}\n')
        path.chmod(0o755)

    def called(self) -> list[str]:
        """The calls, in order."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def run(self, script: str, *arguments: str, code: int = 0, **env: str) -> str:
        """What it prints; it ends with `code`."""
        done = subprocess.run(
            [SCRIPTS / script, *arguments], env=self.env | env, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        self.said = done.stderr
        return done.stdout

    def makes(self, **revisions: int) -> None:
        """A root that has made both services, of these revisions."""
        outputs = {"cluster_name": "quarry"}
        for part, number in revisions.items():
            outputs |= {f"{part}_service_name": f"quarry-{part}", f"{part}_task_definition_arn": arn(part, number)}
        (self.folder / "outputs.json").write_text(json.dumps({name: {"value": value} for name, value in outputs.items()}))
        self.has("terraform", f"case $* in *output*) cat {self.folder}/outputs.json ;; esac")

    def ran(self, *images: str) -> None:
        """The images of the revisions of each family, from the first."""
        parts = ("worker", "producer")
        listed = {f"quarry-{part}": {"taskDefinitionArns": [arn(part, i + 1) for i in range(len(images))]} for part in parts}
        told_aws.tell(self.told, "list-task-definitions", listed)
        definitions = {arn(part, i + 1): definition(part, image) for part in parts for i, image in enumerate(images)}
        told_aws.tell(self.told, "describe-task-definition", definitions)


def arn(part: str, number: int) -> str:
    return f"arn:aws:ecs:us-east-1:111122223333:task-definition/quarry-{part}:{number}"


def definition(part: str, image: str) -> dict[str, Any]:
    containers = [{"name": "beside", "image": "another"}, {"name": part, "image": f"{part}/{image}"}]
    return {"taskDefinition": {"containerDefinitions": containers}}


def service(*primary: tuple[str, str]) -> list[dict[str, Any]]:
    """What ECS says of a service, from one look to the next: the revision of its primary deployment, and how far it is."""
    old = {"status": "ACTIVE", "taskDefinition": arn("worker", 0), "rolloutState": "COMPLETED"}
    return [
        {"services": [{"deployments": [old, {"status": "PRIMARY", "taskDefinition": revision, "rolloutState": state}]}]}
        for revision, state in primary
    ]


@pytest.mark.parametrize(("script", "arguments"), [(script, each) for script, bad in REFUSED.items() for each in bad], ids=str)
def test_what_cannot_be_meant_is_refused(machine: Machine, script: str, arguments: str) -> None:
    """With code 2 and the usage, before anything is called."""
    for program in ("aws", "cosign", "curl", "docker", "quarry", "syft", "terraform"):
        machine.has(program)
    machine.run(script, *arguments.split(), code=2)
    assert machine.said
    assert machine.called() == []


def test_every_script_is_asked() -> None:
    """One that is new is in the table above."""
    assert {path.name for path in SCRIPTS.iterdir()} == set(REFUSED)


def test_images_are_named_by_the_digest_that_was_pushed(machine: Machine) -> None:
    """Of that registry: the engine also knows those of others. A name for GitHub has no hyphen."""
    machine.has("docker", f"[ $1 = image ] && printf 'old.ecr/quarry-worker{DIGEST}\\n%s{DIGEST}\\n\\n' \"${{5%:*}}\"; exit 0")
    lines = machine.run("push.sh", "new.ecr", "v1", "worker", "producer-lambda").splitlines()
    assert lines == [f"worker=new.ecr/quarry-worker{DIGEST}", f"producer_lambda=new.ecr/quarry-producer-lambda{DIGEST}"]
    assert "docker push --quiet new.ecr/quarry-worker:v1" in machine.called()


def test_what_was_not_pushed_is_not_named(machine: Machine) -> None:
    """An image without a digest of the registry is no release."""
    machine.has("docker")
    assert machine.run("push.sh", "new.ecr", "v1", "worker", code=1) == ""
    assert "no digest" in machine.said


def test_an_image_is_listed_signed_and_attested(machine: Machine) -> None:
    """By its digest; the list is kept beside."""
    machine.has("syft")
    machine.has("cosign")
    machine.run("sign.sh", str(machine.folder / "sbom"), f"ecr/quarry-worker{DIGEST}")
    listed = f"{machine.folder}/sbom/quarry-worker.spdx.json"
    assert machine.called() == [
        f"syft scan registry:ecr/quarry-worker{DIGEST} --output spdx-json={listed}",
        f"cosign sign --yes ecr/quarry-worker{DIGEST}",
        f"cosign attest --yes --type spdxjson --predicate {listed} ecr/quarry-worker{DIGEST}",
    ]


def test_only_what_the_release_workflow_signed_is_deployed(machine: Machine) -> None:
    """Of this repository: a dot in its name is no wildcard. What is not signed ends the script."""
    machine.has("cosign")
    machine.run("verify.sh", "own.er/quarry", f"ecr/quarry-worker{DIGEST}")
    [call] = machine.called()
    assert r"^https://github\.com/own\.er/quarry/\.github/workflows/release\.yml@refs/tags/v.+$" in call
    machine.has("cosign", "exit 1")
    machine.run("verify.sh", "owner/quarry", f"ecr/quarry-worker{DIGEST}", code=1)


def test_the_state_is_kept_where_it_is_said(machine: Machine) -> None:
    """In S3, locked; without a bucket nothing is begun."""
    machine.has("terraform")
    machine.run("init.sh", str(machine.root), code=1)
    assert machine.called() == []
    machine.run("init.sh", str(machine.root), STATE_BUCKET="states", STATE_KEY="quarry", AWS_REGION="us-east-1")
    [call] = machine.called()
    assert "-backend-config=bucket=states" in call
    assert "-backend-config=use_lockfile=true" in call
    assert 'backend "s3"' in (machine.root / "backend_override.tf").read_text()


def test_the_images_that_run_are_told(machine: Machine) -> None:
    """Those of the primary deployment's revision, which after a rollback is not the newest."""
    machine.makes(worker=3)
    machine.ran(BEFORE, NOW, NEXT)
    told_aws.tell(machine.told, "describe-services", service((arn("worker", 2), "COMPLETED"))[0])
    assert machine.run("images.sh", "running", str(machine.root)) == f"worker=worker/{NOW}\n"


def test_nothing_runs_before_the_first_deployment(machine: Machine) -> None:
    """A root without a state has no outputs: that is no failure."""
    machine.has("terraform", "echo {}")
    assert machine.run("images.sh", "running", str(machine.root)) == ""


@pytest.mark.parametrize(
    ("ran", "runs", "before"),
    [
        ([BEFORE, NOW], 2, BEFORE),
        ([BEFORE, NOW, NOW], 3, BEFORE),
        ([BEFORE, NEXT, BEFORE, NOW], 4, BEFORE),
        ([BEFORE, NOW, BEFORE], 3, None),
        ([NOW], 1, None),
    ],
    ids=["one before", "settings changed since", "one was rolled back", "rolled back already", "the first"],
)
def test_the_images_before_are_told(machine: Machine, ran: list[str], runs: int, before: str | None) -> None:
    """The last one that ran before the running one first did: never one from which somebody has rolled back to it."""
    machine.makes(worker=runs)
    machine.ran(*ran)
    told_aws.tell(machine.told, "describe-services", service((arn("worker", runs), "COMPLETED"))[0])
    printed = machine.run("images.sh", "before", str(machine.root), code=0 if before else 1)
    assert printed == (f"worker=worker/{before}\n" if before else "")


@pytest.mark.parametrize(
    ("looks", "code", "says"),
    [
        ([(2, "IN_PROGRESS"), (2, "IN_PROGRESS"), (2, "COMPLETED")], 0, "runs quarry-worker:2"),
        ([(2, "IN_PROGRESS"), (1, "IN_PROGRESS")], 1, "rolled back from quarry-worker:2 to quarry-worker:1"),
        ([(1, "COMPLETED")], 1, "rolled back from quarry-worker:2 to quarry-worker:1"),
        ([(2, "FAILED")], 1, "failed"),
    ],
    ids=["through", "being rolled back", "rolled back", "failed"],
)
def test_a_rollback_is_no_success(machine: Machine, looks: list[tuple[int, str]], code: int, says: str) -> None:
    """Though the service is stable then. It waits as long as the deployment goes on."""
    told_aws.tell(machine.told, "describe-services", service(*((arn("worker", number), state) for number, state in looks)))
    machine.run("rolled-out.sh", "quarry", "quarry-worker", arn("worker", 2), code=code)
    assert says in machine.said


def test_a_deployment_that_takes_too_long_is_given_up(machine: Machine) -> None:
    """So is one of which ECS says nothing."""
    told_aws.tell(machine.told, "describe-services", service((arn("worker", 2), "IN_PROGRESS")))
    machine.run("rolled-out.sh", "quarry", "quarry-worker", arn("worker", 2), "0", code=3)
    told_aws.tell(machine.told, "describe-services", {"services": []})
    machine.run("rolled-out.sh", "quarry", "quarry-worker", arn("worker", 2), "0", code=3)


@pytest.mark.parametrize("order", [("worker", "producer"), ("producer", "worker")], ids=["forwards", "backwards"])
def test_one_part_after_the_other(machine: Machine, order: tuple[str, str]) -> None:
    """In the order given: while the first is deployed, the other keeps what it runs."""
    machine.makes(worker=1, producer=1)
    machine.ran(NOW)
    looks = [each for part in ("worker", "producer", *order) for each in service((arn(part, 1), "COMPLETED"))]
    told_aws.tell(machine.told, "describe-services", looks)
    machine.run("deploy.sh", str(machine.root), *(f"{part}={NEXT}" for part in order))
    applied = [call.split("-var ")[1:] for call in machine.called() if " apply " in call]
    first = {part: f"{part}/{NOW}" for part in order} | {order[0]: NEXT}
    assert applied == [
        [f"worker_image={first['worker']} ", f"producer_image={first['producer']}"],
        [f"worker_image={NEXT} ", f"producer_image={NEXT}"],
    ]


def test_the_next_part_waits_for_the_one_before(machine: Machine) -> None:
    """What was rolled back is not built upon."""
    machine.makes(worker=2, producer=1)
    machine.ran(NOW, NEXT)
    looks = service((arn("worker", 1), "COMPLETED"), (arn("producer", 1), "COMPLETED"), (arn("worker", 1), "COMPLETED"))
    told_aws.tell(machine.told, "describe-services", looks)
    machine.run("deploy.sh", str(machine.root), f"worker={NEXT}", f"producer={NEXT}", code=1)
    assert len([call for call in machine.called() if " apply " in call]) == 1
    assert "rolled back" in machine.said


def test_a_silent_aws_deploys_nothing(machine: Machine) -> None:
    """What runs is not known then: that is not the same as nothing."""
    machine.makes(worker=1, producer=1)
    machine.has("aws", "exit 255")
    for script, arguments in (("deploy.sh", [f"worker={NEXT}", f"producer={NEXT}"]), ("plan.sh", [])):
        machine.run(script, str(machine.root), *arguments, code=255)
    assert not [call for call in machine.called() if " apply " in call or " plan " in call]


def test_the_first_deployment_needs_both(machine: Machine) -> None:
    """One of the images alone makes no Quarry."""
    machine.has("terraform", "echo {}")
    machine.run("deploy.sh", str(machine.root), f"worker={NEXT}", code=2)
    assert "both" in machine.said


def test_a_plan_changes_no_image_and_takes_no_lock(machine: Machine) -> None:
    """Before there is anything, too."""
    machine.makes(worker=1, producer=1)
    machine.ran(NOW)
    told_aws.tell(machine.told, "describe-services", service((arn("worker", 1), "COMPLETED"), (arn("producer", 1), "COMPLETED")))
    machine.run("plan.sh", str(machine.root))
    call = machine.called()[-1]
    assert f"-var worker_image=worker/{NOW} -var producer_image=producer/{NOW}" in call
    assert "-lock=false" in call
    machine.has("terraform", "echo {}")
    machine.run("plan.sh", str(machine.root))
    assert "worker_image=quarry-worker:none" in machine.called()[-1]

"""What `terraform/examples/complete` makes, used: jobs, deaths, deployments, and its end.

The tests are in an order: the last one destroys.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.e2e.terraform.conftest import WORKERS, Deployed
from tests.support.drift import changes, compared, read_gaps
from tests.support.inventory import beyond, inventory
from tests.support.processes import eventually

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

_GAPS: Final = Path(__file__).parent / "emulator_gaps.toml"
JOBS: Final = 60


def test_a_second_plan_changes_nothing_but_what_the_emulator_forgets(deployed: Deployed) -> None:
    """Each change is explained by a row of `emulator_gaps.toml`, and each row explains a change: mended ones go."""
    gaps = read_gaps(_GAPS)
    deployed.figures["rows of the allow-list"] = str(len(gaps))
    unexplained, unneeded = compared(changes(deployed.root.plan()), gaps)
    assert not unexplained, "\n".join(" ".join(each) for each in unexplained)
    assert not unneeded, "\n".join(f"{gap.address} {gap.attribute}" for gap in unneeded)


def test_jobs_are_answered_by_the_services_containers(deployed: Deployed) -> None:
    """A job that is submitted through the load balancer is done by a worker that ECS started, with a task's credentials."""
    eventually(lambda: len(deployed.workers()) == WORKERS, seconds=100, what="the workers")
    job = deployed.stack.finished(deployed.stack.submit(prompt="Hello"))
    assert job["status"] == "completed"
    assert job["result"]["text"] == "Hello"
    # A worker tells of it once it has been recorded.
    eventually(lambda: any(job["request_id"] in each.output for each in deployed.workers().values()), what="the worker's line")
    assert deployed.aws.simulator.calls()["answered"] == 1


def test_a_killed_task_is_replaced_and_nothing_is_lost(deployed: Deployed) -> None:
    """A worker is killed while calls are under way: ECS starts another one, and every job is completed."""
    rule = deployed.aws.simulator.rule({"delay_seconds": 2})
    accepted = deployed.stack.submit_many(JOBS)
    workers = deployed.workers()
    victim = workers.popitem()[1]

    def statuses() -> set[str]:
        return {deployed.stack.job(each)["status"] for each in accepted[:10]}

    eventually(lambda: "processing" in statuses(), seconds=60, what="calls to be under way")
    victim.made.kill()
    eventually(lambda: workers.keys() < deployed.workers().keys() - {victim.made.id}, seconds=60, what="another worker")
    finished = [deployed.stack.finished(each, seconds=180) for each in accepted]
    deployed.aws.simulator.drop(rule)
    assert {job["status"] for job in finished} == {"completed"}


def test_a_bad_image_is_rolled_back_and_jobs_go_on(deployed: Deployed) -> None:
    """The deployment of an image that cannot be had fails by itself; the workers that were there stay, with the calls that they had
    under way, and do what comes afterwards.
    """
    good, workers = deployed.worker_service()["taskDefinition"], deployed.workers()
    rule = deployed.aws.simulator.rule({"delay_seconds": 30})
    under_way = deployed.stack.submit_many(JOBS)
    # Without a look at all that has not changed, which takes a minute.
    deployed.root.apply("-refresh=false", **deployed.variables | {"worker_image": "quarry-worker:no-such-image"})
    deployed.aws.simulator.drop(rule)

    def states() -> list[tuple[bool, str]]:
        return sorted((each["taskDefinition"] == good, each["rolloutState"]) for each in deployed.worker_service()["deployments"])

    eventually(lambda: states() == [(False, "FAILED"), (True, "COMPLETED")], seconds=90, what=lambda: f"the rollback: {states()}")
    finished = [deployed.stack.finished(each, seconds=60) for each in [*under_way, *deployed.stack.submit_many(JOBS)]]
    assert {(job["status"], job["attempts"]) for job in finished} == {("completed", 1)}
    assert workers.keys() == deployed.workers().keys()


def test_a_destroy_leaves_nothing(deployed: Deployed) -> None:
    """Whatever an apply made is gone from the services' own lists, each of which had seen something of it; tasks have ended."""
    made = beyond(deployed.after, deployed.before)
    assert set(made) == set(deployed.after)
    deployed.root.destroy()
    deployed.figures["destroy"] = f"{deployed.root.seconds['destroy']:.0f} s"
    assert beyond(inventory(deployed.aws), deployed.before) == {}
    assert not [*deployed.registry.targets, *deployed.registry.policies, *deployed.registry.actions]
    eventually(lambda: not deployed.aws.tasks(), seconds=60, what="its tasks to end")

"""The policies that Terraform made, at work on real containers: by the evaluator in `tests/support/scaling`, with short minutes.

The modules of `terraform/` that scaling needs are applied by a root of this folder's own, `scaled/`; jobs are submitted to an API
beside it.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from bench import record
from tests.e2e.terraform.conftest import Emulated
from tests.support.containers import Container, image
from tests.support.emulated_ecs import SIMULATOR_URL
from tests.support.processes import eventually
from tests.support.scaling.emulated import Service, running
from tests.support.scaling.loop import Loop
from tests.support.stack import Stack
from tests.support.terraform import Root

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(900)]

NAME: Final = "scaled"
SLOTS: Final = 10
#: Of the evaluator; and workers write their metrics as often.
SECONDS_A_MINUTE: Final = 1
SIZES: Final = {"slots": SLOTS, "min_tasks": 1, "max_tasks": 20, "typical_job_seconds": 15, "seconds_a_minute": SECONDS_A_MINUTE}
COMMAND: Final = "make burst"


@dataclass
class Scaled:
    """What was applied, and the way to change it."""

    emulated: Emulated
    root: Root
    stack: Stack
    sizes: dict[str, int] = field(default_factory=dict)

    def apply(self, *options: str, **sizes: int) -> None:
        """Make it so: `slots`, `min_tasks`, `max_tasks`, `typical_job_seconds`, `seconds_a_minute`."""
        self.sizes = SIZES | sizes
        self.root.apply(*options, name=NAME, worker_image=image("worker"), bedrock_url=SIMULATOR_URL, **self.sizes)

    def tasks(self) -> dict[str, Container]:
        """The workers' containers that run."""
        return self.emulated.aws.tasks(f"{NAME}-worker")

    def settled(self) -> bool:
        """Whether one worker runs, of the task definition that there should be."""
        answer = self.emulated.aws.client("ecs").describe_services(cluster=NAME, services=[f"{NAME}-worker"])
        [service] = answer["services"]
        return len(service["deployments"]) == 1 and service["runningCount"] == 1 and len(self.tasks()) == 1

    def loop(self) -> Loop:
        """Of the policies and alarms as they now are; nothing has happened yet."""
        service = Service(self.emulated.aws, NAME, f"{NAME}-worker", f"Quarry/{NAME}", self.sizes["seconds_a_minute"])
        alarms = self.root.values("aws_cloudwatch_metric_alarm")
        return Loop(self.emulated.registry, alarms, service, f"service/{NAME}/{NAME}-worker")


@pytest.fixture(scope="module")
def scaled(emulated: Emulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    """A service of one worker, and an API."""
    directory = tmp_path_factory.mktemp("scaled")
    emulated.aws.simulator.reset()
    root = emulated.root(directory, "examples/scaled", Path(__file__).parent / "scaled")
    made = Scaled(emulated, root, Stack(emulated.aws.url, directory, name=f"{NAME}-jobs"))
    made.apply()
    with made.stack.running_api():
        yield made
    root.destroy()


def changes(loop: Loop) -> list[tuple[int, int, str]]:
    """From how many tasks to how many, and by which policy."""
    return [(each.before, each.tasks, each.why) for each in loop.minutes if each.why]


def within(what: str, seconds: float, loop: Loop, true: Callable[[], bool]) -> None:
    """Wait for it, and else say what the loop did."""

    def said() -> str:
        return f"{what}; the last minutes were {[str(each) for each in loop.minutes[-5:]]}"

    eventually(true, seconds=seconds, what=said)


def test_a_backlog_takes_it_from_one_to_three_workers_and_back(scaled: Scaled) -> None:
    """Each time tasks are busy for three minutes there is one more, until their slots do not fill; when all is done, they go."""
    loop, simulator = scaled.loop(), scaled.emulated.aws.simulator
    within("one worker", 60, loop, lambda: len(scaled.tasks()) == 1)
    rule = simulator.rule({"delay_seconds": 30})
    # More than 90 % of the slots of two workers, and less than of three.
    accepted = scaled.stack.submit_many(25)
    with running(loop, SECONDS_A_MINUTE):
        within("three workers", 60, loop, lambda: len(scaled.tasks()) == 3)
        within("work for three", 60, loop, lambda: (found := loop.minutes[-1].followed) is not None and found < SLOTS)
        simulator.drop(rule)
        within("one worker", 120, loop, lambda: len(scaled.tasks()) == 1)
    seen, tracking = changes(loop), f"{NAME}-worker-backlog-per-task"
    # A task tells nothing while it starts, which takes several minutes of this clock on a busy machine: meanwhile more may be asked
    # for. Where it takes less than a minute, three are enough: `bench/autoscaling` has start-up times.
    assert [each for each in seen if each[1] > each[0]][:2] == [(1, 2, tracking), (2, 3, tracking)]
    assert seen[-1][1:] == (1, tracking)
    assert {scaled.stack.finished(each, seconds=60)["status"] for each in accepted} == {"completed"}


#: Work for three times as many slots as one worker has, where what is put off counts.
PUT_OFF: Final = 150
FAILING_MINUTES: Final = 20


@pytest.mark.long
def test_jobs_that_nobody_can_answer_start_no_worker(scaled: Scaled) -> None:
    """The target fails and is left alone; jobs are put off, and the queue hides them as it hides what is worked.

    Workers say that their slots are free, and no other one is started. When the target answers, the jobs are answered.
    """
    loop, simulator = scaled.loop(), scaled.emulated.aws.simulator
    simulator.reset()
    within("one worker", 60, loop, lambda: len(scaled.tasks()) == 1)
    rule = simulator.rule({"error": "ServiceUnavailableException"})
    accepted = scaled.stack.submit_many(PUT_OFF)
    # What nobody has received yet is work that waits, and may start a worker.
    eventually(lambda: scaled.stack.queue_counts() == (0, PUT_OFF), seconds=60, what="all jobs to be put off")
    hidden = []
    with running(loop, SECONDS_A_MINUTE):
        while len(loop.minutes) < FAILING_MINUTES:
            hidden.append(scaled.stack.queue_counts()[1])
            within("another minute", 60, loop, lambda: len(loop.minutes) >= len(hidden))
    assert changes(loop) == []
    # By these the fleet would have grown.
    assert sorted(hidden)[len(hidden) // 2] > 2 * SLOTS
    simulator.drop(rule)
    statuses = Counter(scaled.stack.finished(each, seconds=200)["status"] for each in accepted)
    # Those whose attempts were the probes have failed.
    assert set(statuses) <= {"completed", "failed"}
    assert statuses["completed"] > PUT_OFF * 0.8


WAKING_SECONDS_A_MINUTE: Final = 2


def test_a_job_wakes_an_empty_service_which_then_sleeps_again(scaled: Scaled) -> None:
    """From no task to the first answer, and back to none."""
    scaled.emulated.aws.simulator.reset()
    # A task that starts and works nothing for three minutes is taken for idle: they have to be long enough for its start.
    scaled.apply("-refresh=false", min_tasks=0, seconds_a_minute=WAKING_SECONDS_A_MINUTE)
    eventually(scaled.settled, seconds=100, what="one worker of the slower clock")
    loop = scaled.loop()
    with running(loop, WAKING_SECONDS_A_MINUTE):
        within("no worker", 120, loop, lambda: not scaled.tasks())
        request = scaled.stack.submit(prompt="Hello")
        job = scaled.stack.finished(request, seconds=60)
        assert (job["status"], job["result"]["text"]) == ("completed", "Hello")
        within("no worker", 120, loop, lambda: not scaled.tasks())
    tracking = f"{NAME}-worker-backlog-per-task"
    assert changes(loop) == [(1, 0, tracking), (0, 1, f"{NAME}-worker-wake"), (1, 0, tracking)]


#: The burst: jobs, and how long a call takes; then, while tasks go, some jobs whose calls last longer than a drain.
BURST: Final = 2000
CALL_SECONDS: Final = 2
LATE: Final = 60
LATE_CALL_SECONDS: Final = 6
BURST_SECONDS_A_MINUTE: Final = 2
BURST_SIZES: Final = {"slots": 20, "max_tasks": 8, "typical_job_seconds": 60, "seconds_a_minute": BURST_SECONDS_A_MINUTE}


@pytest.mark.long
def test_a_burst_of_two_thousand_jobs(scaled: Scaled) -> None:
    """Out within two minutes of the burst, and in when it is over; all are answered, and no call is paid again that no task took
    with it. Written as a record where AUTOSCALING_RECORD names a file.
    """
    scaled.apply("-refresh=false", **BURST_SIZES)
    loop, simulator = scaled.loop(), scaled.emulated.aws.simulator
    simulator.reset()
    eventually(scaled.settled, seconds=200, what="one worker of the new size")
    rule = simulator.rule({"delay_seconds": CALL_SECONDS})
    with running(loop, BURST_SECONDS_A_MINUTE):
        within("some quiet minutes", 60, loop, lambda: len(loop.minutes) >= 5)
        burst_at = len(loop.minutes)
        accepted = scaled.stack.submit_many(BURST)
        within("all to be answered", 400, loop, scaled.stack.queue_is_empty)
        simulator.drop(rule)
        simulator.rule({"delay_seconds": LATE_CALL_SECONDS})
        eventually(lambda: _submitted_until_in(scaled, loop, accepted), seconds=200, what="tasks to go")
        within("one worker", 300, loop, lambda: len(scaled.tasks()) == 1 and scaled.stack.queue_is_empty())
    statuses = Counter(scaled.stack.finished(each, seconds=60)["status"] for each in accepted)
    billed = simulator.calls()["by_request_id"]
    paid_again = sum(max(0, billed[each]["billed"] - 1) for each in accepted)
    in_flight = sum(each["in_flight"] for each in drains(scaled))
    first_out = next(each.number for each in loop.minutes if each.tasks > each.before)
    figures = {
        "jobs": len(accepted),
        "completed": statuses["completed"],
        "burst_at": burst_at,
        "minutes_until_out": first_out - burst_at + 1,
        "calls_in_flight_at_kills": in_flight,
        "calls_paid_again": paid_again,
        "seconds_a_minute": BURST_SECONDS_A_MINUTE,
        "call_seconds": CALL_SECONDS,
        "sizes": {**SIZES, **BURST_SIZES},
        "changes": [
            {"minute": each.number, "from": each.before, "to": each.tasks, "by": each.why} for each in loop.minutes if each.why
        ],
        "series": {
            "waiting": [each.total("ApproximateNumberOfMessagesVisible") for each in loop.minutes],
            "working": [each.total("SlotsInUse") * each.total("RunningTaskCount") for each in loop.minutes],
            "running": [each.total("RunningTaskCount") for each in loop.minutes],
            "asked": [each.tasks for each in loop.minutes],
        },
    }
    print({name: value for name, value in figures.items() if name != "series"})  # noqa: T201 - what was measured
    if named := os.environ.get("AUTOSCALING_RECORD"):
        record.write(Path(named), record.header(0, COMMAND), figures)
    assert statuses == {"completed": len(accepted)}
    assert first_out - burst_at + 1 <= 2
    assert in_flight > 0
    assert paid_again <= in_flight


def _submitted_until_in(scaled: Scaled, loop: Loop, accepted: list[str]) -> bool:
    """Keep a few long calls under way, until the policies remove tasks; then no more."""
    if any(each.tasks < each.before for each in loop.minutes):
        return True
    if sum(scaled.stack.queue_counts()) < LATE:
        # The same call may be cut by one scale-in after the other: here they come each few seconds, and nothing is protected.
        accepted += scaled.stack.submit_many(LATE, max_attempts=10)
    return False


def drains(scaled: Scaled) -> list[dict[str, Any]]:
    """What workers said when they were asked to stop, as their log group has it."""
    logs = scaled.emulated.aws.client("logs")
    group = f"/{NAME}/worker"
    streams = [each["logStreamName"] for each in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    # It is among the last that a worker says.
    ends = [logs.get_log_events(logGroupName=group, logStreamName=each, limit=2000)["events"] for each in streams]
    lines = [json.loads(event["message"]) for events in ends for event in events if event["message"].startswith("{")]
    return [line for line in lines if line["event"] == "drain.started"]

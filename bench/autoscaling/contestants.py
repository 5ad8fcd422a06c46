"""Who scales: we, and what is copied most.

Sources, read in November 2026 as stored copies:

* Queue length by steps: `QueueProcessingFargateService` of the AWS CDK (`aws-cdk-lib/aws-ecs-patterns`,
  `queue-processing-service-base.ts`): one task fewer at 0 waiting messages, one more from 100, five more from 500, by the maximum
  of five minutes, which is the CDK's period for SQS. Without its CPU policy, which is a contestant by itself. The cool-down is the
  300 s that Application Auto Scaling has by default for ECS.
* CPU: the service module of terraform-aws-modules/ecs (`modules/service/variables.tf`, `autoscaling_policies`): target tracking of
  CPU at 75 %, 60 s out, 300 s in.
* Ours, by what SQS hides: ours where the workers do not tell of their slots (`cloudwatch_metrics = false`), and as it was before.
* Backlog per task, naive: the queue's messages by the running tasks, with an acceptable backlog as the target, as the EC2 Auto
  Scaling User Guide has it ("Scaling policy based on Amazon SQS"). This was our own policy before. With messages in flight counted,
  since a task is busy with `slots` of them. Its numbers are those it had: 60 s out, 300 s in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.autoscaling.numbers import Numbers
from bench.autoscaling.scaling import Metric, Policy, Sample, Step, StepIn, StepsOut, TargetTracking, Together, Tracking


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy, and whether it knows of quotas. `of_failures`: only there it differs from another one."""

    title: str
    policy: Callable[[Numbers], Policy]
    bounded_by_quota: bool = False
    of_failures: bool = False


def ours(numbers: Numbers) -> Policy:
    """Target tracking of the work per task, and steps for a surge, by the same metric; free slots add nothing."""

    def work_per_task(sample: Sample) -> float:
        work = _work(numbers, sample, sample.used)
        return min(work, numbers.slots) if sample.used < numbers.busy * numbers.slots else work

    return _followed(numbers, work_per_task)


def _by_hidden(numbers: Numbers) -> Policy:
    return _followed(numbers, lambda sample: _work(numbers, sample, (sample.in_progress + sample.hidden) / max(1, sample.running)))


def _work(numbers: Numbers, sample: Sample, used: float) -> float:
    return max(used / numbers.full, (sample.waiting / max(1, sample.running) + used) / numbers.times_over)


def _followed(numbers: Numbers, work_per_task: Metric) -> Policy:
    tracking = Tracking(numbers.slots, numbers.out_cooldown_seconds, numbers.in_cooldown_seconds)
    steps = [Step(times * numbers.slots, percent) for times, percent in numbers.surge]
    surge = StepsOut(work_per_task, steps, numbers.surge_cooldown_seconds, numbers.surge_minutes, percent=True)
    return Together(TargetTracking(work_per_task, tracking), surge)


def _queue_length(_: Numbers) -> Policy:
    def waiting(sample: Sample) -> float:
        return sample.waiting

    out = StepsOut(waiting, [Step(100, 1), Step(500, 5)], cooldown_seconds=300, minutes=5)
    return Together(out, StepIn(waiting, Step(0, -1), cooldown_seconds=300, minutes=5))


def _cpu(_: Numbers) -> Policy:
    return TargetTracking(lambda sample: sample.cpu_percent, Tracking(75, out_cooldown_seconds=60, in_cooldown_seconds=300))


def _naive(numbers: Numbers) -> Policy:
    def backlog_per_task(sample: Sample) -> float:
        return (sample.waiting + sample.in_progress + sample.hidden) / max(1, sample.running)

    target = numbers.slots * numbers.times_over
    return TargetTracking(backlog_per_task, Tracking(target, out_cooldown_seconds=60, in_cooldown_seconds=300))


CONTESTANTS: Final[Mapping[str, Contestant]] = {
    "ours": Contestant("ours", ours, bounded_by_quota=True),
    "ours-hidden": Contestant("ours, by what SQS hides", _by_hidden, bounded_by_quota=True, of_failures=True),
    "queue-length": Contestant("queue length, steps", _queue_length),
    "cpu": Contestant("CPU, target tracking", _cpu),
    "naive": Contestant("backlog per task, naive", _naive),
}

"""A worker of ECS and its agent: protected while calls run, and nobody's prisoner.

The agent is a stub (tests/support/ecs_agent.py). What ECS does with a protected task is not shown by these tests.
"""

import signal
from contextlib import ExitStack

from tests.support.ecs_agent import EcsAgent
from tests.support.processes import Process, eventually
from tests.support.simulator import Simulator
from tests.support.stack import Stack

#: For beats, looks and idle seconds together, on a busy machine.
SECONDS = 60.0


def waits_for(agent: EcsAgent, worker: Process, *enabled: bool) -> None:
    """Until the agent was asked for exactly this, in order."""
    eventually(
        lambda: [put.enabled for put in agent.puts] == list(enabled),
        seconds=SECONDS,
        what=lambda: f"{enabled}: {agent.puts}\n{worker.output}",
    )


def attempts(stack: Stack, worker: Process) -> list[str]:
    """What a worker counted of them."""
    return [line for line in stack.metrics(worker).splitlines() if line.startswith("quarry_attempts_total")]


def test_a_worker_is_protected_while_it_makes_a_call_and_free_afterwards(stack: Stack, simulator: Simulator) -> None:
    """Ten calls: one request to protect, and one to release, a while after the last; metrics tell.

    Red when: `worker/lease.py`: `return any(held.call_started for held in self._held)` -> `return False`
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 2})
    with EcsAgent().serving() as agent, stack.running_api(), stack.running_worker(**agent.environ) as worker:
        requests = [stack.submit(prompt=f"job {i}") for i in range(10)]
        waits_for(agent, worker, True)
        assert agent.puts[0].minutes == 15
        # The agent knows of it before the worker has its answer.
        eventually(lambda: "quarry_task_protected 1.0" in stack.metrics(worker))
        assert {stack.finished(each)["status"] for each in requests} == {"completed"}
        waits_for(agent, worker, True, False)
        eventually(lambda: "quarry_task_protected 0.0" in stack.metrics(worker))
        assert 'quarry_task_protection_requests_total{outcome="released"} 1.0' in stack.metrics(worker)


def test_a_worker_that_is_stopped_finishes_and_is_protected_no_more(stack: Stack, simulator: Simulator) -> None:
    """ECS stops a protected task too: a Spot interruption, or somebody by hand. The drain is what the call then has.

    Red when: `worker/protection.py`: `await protection.end()` -> `pass`
    """
    stack.use(simulator)
    simulator.rule(act={"delay_seconds": 3})
    with EcsAgent().serving() as agent, stack.running_api():
        with stack.running_worker(**agent.environ) as worker:
            request_id = stack.submit(prompt="Hello")
            waits_for(agent, worker, True)
            worker.signal(signal.SIGTERM)
            assert worker.popen.wait(20) == 0
        job = stack.job(request_id)
    assert (job["status"], job["attempts"], simulator.calls()["calls"]) == ("completed", 1, 1)
    assert [put.enabled for put in agent.puts] == [True, False]


def test_a_worker_of_an_older_deployment_stands_aside_finishes_and_is_released(stack: Stack, simulator: Simulator) -> None:
    """Its call goes on to its end, under protection; what is submitted from then on is worked by the newer one alone.

    Red when: `worker/heartbeat.py`: `self._succession.follow({each.worker: each.origin for each in living if each.origin})` ->
    `pass`
    """
    stack.use(simulator)
    simulator.rule(act={"hang": True}, times=1)
    with ExitStack() as running:
        agent, newer = (running.enter_context(EcsAgent(revision).serving()) for revision in ("1", "2"))
        api, old = running.enter_context(stack.running_api()), running.enter_context(stack.running_worker("old", **agent.environ))
        hanging = stack.submit(prompt="first")
        waits_for(agent, old, True)
        new = running.enter_context(stack.running_worker("new", **newer.environ))
        eventually(lambda: "quarry_standing_aside 1.0" in stack.metrics(old), seconds=SECONDS, what=lambda: old.output)
        assert (agent.is_protected, stack.job(hanging)["status"]) == (True, "processing")

        def leaves_it_to_the_newer_one() -> bool:
            before = attempts(stack, old)
            assert {stack.finished(each)["status"] for each in stack.submit_many(20)} == {"completed"}
            return attempts(stack, old) == before

        # Polls that were under way may still bring something.
        eventually(leaves_it_to_the_newer_one, seconds=SECONDS)
        assert api.post(f"/v1/jobs/{hanging}/cancel").status_code == 202
        waits_for(agent, old, True, False)
        assert "quarry_standing_aside 0.0" in stack.metrics(new)
        assert '"reason": "succeeded"' in old.output

"""What failed for good has a reason and a way back: dead letters are listed, redriven and discarded from the command line."""

import json
import signal
import subprocess
from typing import Any

from quarry.attempts import Failure
from quarry.cli import exits
from quarry.clock import SystemClock
from quarry.job import Claimed, Failed, StatusReason, advance
from quarry.store.item import to_item
from quarry.testing import a_job, a_lease, an_envelope
from tests.support.processes import ROOT, START_SECONDS, eventually, quarry, running
from tests.support.simulator import Simulator
from tests.support.stack import Stack


def dlq(stack: Stack, *arguments: str, code: int = exits.DONE) -> subprocess.CompletedProcess[str]:
    """`quarry dlq …`, as an operator would type it."""
    done = subprocess.run(
        quarry("dlq", *arguments),
        env=stack.environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr + done.stdout
    return done


def listed(stack: Stack, *filters: str) -> dict[str, dict[str, Any]]:
    """The groups of `quarry dlq list`, by reason."""
    groups = [json.loads(line) for line in dlq(stack, "list", "--json", *filters).stdout.splitlines()]
    return {group["reason"]: group for group in groups}


def counts(group: dict[str, Any]) -> tuple[int, int, int]:
    return group["both"], group["records_only"], group["queue_only"]


def buried(stack: Stack, simulator: Simulator, count: int) -> list[str]:
    """So many jobs that failed twice each and were buried."""
    simulator.rule(act={"error": "ModelErrorException"})
    ids = [stack.submit(prompt="Hello", max_attempts=2) for _ in range(count)]
    for request_id in ids:
        assert stack.finished(request_id, seconds=60)["status"] == "failed"
    eventually(lambda: len(stack.dead_letters()) == count, what="all to be buried")
    eventually(stack.queue_is_empty)
    return ids


def laid(stack: Stack, count: int) -> list[str]:
    """So many jobs that failed, and their dead letters, without having worked them."""
    sqs, dynamodb = stack.client("sqs"), stack.client("dynamodb")
    dead = sqs.get_queue_url(QueueName=f"{stack.name}-dlq")["QueueUrl"]
    now = SystemClock().now()
    claimed = (advance(a_job(created_at=now), Claimed(a_lease()), now) for _ in range(count))
    reason = StatusReason.ATTEMPTS_EXHAUSTED
    jobs = [advance(each, Failed(reason, Failure("model_failed", "x"), bury=True), now) for each in claimed]
    for job in jobs:
        dynamodb.put_item(TableName=stack.name, Item=to_item(job, 86_400_000))
        attributes = {"reason": reason.value, "request_id": job.request_id}
        sqs.send_message(
            QueueUrl=dead,
            MessageBody=an_envelope(job).to_wire(),
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
        )
    return [job.request_id for job in jobs]


def test_what_was_buried_comes_back(stack: Stack, simulator: Simulator) -> None:
    """Once the fault is mended, `redrive --all` brings every job to an answer; history is kept, and no dead letter is left.

    Red when: `quarry/deadletters/tidy.py`: `[*over, *stranded, *lost]` -> `[*stranded, *lost]`
    Red when: `quarry/job/transitions.py`: `attempts_before=job.attempts,` -> `attempts=0,`
    """
    stack.use(simulator)
    # So many failures would open the target's breaker, and the jobs would wait for it at no cost.
    with stack.running_api(), stack.running_worker(QUARRY_BREAKER__FAILURES="0"):
        ids = buried(stack, simulator, 7)
        assert {reason: counts(group) for reason, group in listed(stack).items()} == {"attempts_exhausted": (7, 0, 0)}
        assert listed(stack, "--reason", "rejected") == {}
        dry = dlq(stack, "redrive", "--all", "--dry-run")
        assert len(dry.stdout.splitlines()) == 7
        assert len(stack.dead_letters()) == 7
        shown = json.loads(dlq(stack, "show", ids[0], "--json").stdout)
        assert (shown["job"]["status"], len(shown["job"]["attempt_history"])) == ("failed", 2)
        assert shown["dead_letter"]["reason"] == "attempts_exhausted"
        assert "Hello" not in json.dumps(shown)

        simulator.reset()
        done = dlq(stack, "redrive", "--all", "--yes")
        assert "7 redriven" in done.stderr
        jobs = [stack.finished(request_id) for request_id in ids]
        assert {(job["status"], job["attempts"], len(job["attempt_history"])) for job in jobs} == {("completed", 3, 3)}
        assert stack.dead_letters() == []
        assert listed(stack) == {}
        assert simulator.calls()["calls"] == 7
        assert "skipped" in dlq(stack, "redrive", ids[0]).stdout


def test_canaries_that_fail_again_keep_the_others_back(stack: Stack, simulator: Simulator) -> None:
    """The fault is still there: five are tried, the others are neither called nor changed.

    Red when: `quarry/deadletters/redrive.py`: `await self._watch(probes, patience)` -> `pass`
    """
    stack.use(simulator)
    simulator.rule(act={"error": "ModelErrorException"})
    ids = laid(stack, 8)
    with stack.running_api(), stack.running_worker(QUARRY_BREAKER__FAILURES="0"):
        done = dlq(stack, "redrive", "--all", "--yes", "--max-attempts", "1", code=exits.FAILED)
        assert "failed again" in done.stderr
        assert "5 redriven" in done.stderr
        jobs = [stack.finished(request_id) for request_id in ids]
        assert sorted(job["attempts"] for job in jobs) == [1, 1, 1, 2, 2, 2, 2, 2]
        assert simulator.calls()["calls"] == 5
        eventually(lambda: len(stack.dead_letters()) == 8, what="the five to be buried anew")
        assert {reason: counts(group) for reason, group in listed(stack).items()} == {"attempts_exhausted": (8, 0, 0)}


def test_an_interrupted_redrive_goes_on(stack: Stack) -> None:
    """Ctrl-C in the middle: it says how to go on, and the same command then does the rest, each job once.

    Red when: `quarry/deadletters/redrive.py`:
    `if job.status is JobStatus.COMPLETED or not job.status.is_terminal:` -> `if job.status is JobStatus.COMPLETED:`
    """
    # One a second: it has not done them all by the time it is stopped, however long the machine halts before that.
    ids = laid(stack, 25)
    log = stack.directory / "redrive.log"
    with running(quarry("dlq", "redrive", *ids, "--no-canary", "--rate", "1"), stack.environ(), log) as redrive:
        eventually(lambda: redrive.output.count("redriven") >= 2, what="two to be redriven", seconds=START_SECONDS)
        redrive.signal(signal.SIGINT)
        assert redrive.popen.wait(20) == exits.INTERRUPTED
    assert "the same command goes on where this one stopped" in redrive.output
    assert "Traceback" not in redrive.output
    done = redrive.output.count("  redriven ")
    assert 2 <= done < len(ids)
    rest = dlq(stack, "redrive", *ids, "--no-canary")
    assert rest.stdout.count("  redriven ") == len(ids) - done
    assert f"{len(ids)} removed" in rest.stderr
    assert {stack.item(each)["generation"]["N"] for each in ids} == {"1"}
    assert (stack.queue_counts()[0], stack.dead_letters()) == (len(ids), [])


def test_a_message_that_sqs_moved_itself_finds_its_job(stack: Stack) -> None:
    """A job whose message was received too often waits for ever; the redrive sends it again, and it completes.

    Red when: `quarry/deadletters/tidy.py`: `await _send_again(stranded, lanes)` -> `pass`
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    sqs = stack.client("sqs")
    lane = sqs.get_queue_url(QueueName=stack.name)["QueueUrl"]
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=lane, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"])
    sqs.set_queue_attributes(QueueUrl=lane, Attributes={"RedrivePolicy": json.dumps(policy | {"maxReceiveCount": "1"})})
    with stack.running_api():
        request_id = stack.submit(prompt="Hello")
        for _ in range(2):
            sqs.receive_message(QueueUrl=lane, VisibilityTimeout=0, WaitTimeSeconds=1)
        assert len(stack.dead_letters()) == 1
        assert counts(listed(stack)["stranded"]) == (0, 0, 1)
        with stack.running_worker():
            assert "1 sent again" in dlq(stack, "redrive", "--all", "--yes").stderr
            job = stack.finished(request_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert stack.dead_letters() == []


def test_what_is_given_up_is_not_redriven(stack: Stack) -> None:
    """A discarded job stays failed, its dead letter is gone, and `redrive --all` leaves it alone; so do messages without a job.

    Red when: `quarry/job/transitions.py`: `status_reason=StatusReason.DISCARDED, bury_reason=None,` -> `bury_reason=None,`
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    given_up, kept = laid(stack, 2)
    stack.send("[]")
    with stack.running_api(), stack.running_worker():
        eventually(lambda: len(stack.dead_letters()) == 3, what="the malformed message to be buried")
        assert "1 discarded" in dlq(stack, "discard", given_up).stderr
        dlq(stack, "discard", "--reason", "malformed_envelope", code=exits.USAGE)
        dlq(stack, "discard", "--reason", "malformed_envelope", "--yes")
        assert len(stack.dead_letters()) == 1
        job = stack.job(given_up)
        assert (job["status"], job["status_reason"], job["error"]["code"]) == ("failed", "discarded", "model_failed")
        dlq(stack, "redrive", "--all", "--yes")
        assert stack.finished(kept)["status"] == "completed"
        assert stack.job(given_up) == job
        assert stack.dead_letters() == []

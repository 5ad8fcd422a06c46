"""Whoever names a URL is told there of the end of the job: signed, and for as long as it takes."""

import json
import signal

from quarry.webhooks import verify
from tests.integration.test_lost_messages import make_due
from tests.support.ends import listening
from tests.support.processes import eventually
from tests.support.receiver import NEXT_SECRET, SECRET, receiving
from tests.support.stack import Stack


def tell(stack: Stack, policy: str = "") -> None:
    """Let this stack's workers call receivers on loopback, signed with both secrets."""
    path = stack.directory / "tenants.toml"
    path.write_text(f'[tenants.default.webhooks]\nsecret_env = ["HOOK_NEW", "HOOK_OLD"]\n{policy}')
    stack.env |= {
        "QUARRY_ROUTES_FILE": stack.routes(),
        "QUARRY_TENANTS_FILE": str(path),
        "QUARRY_WEBHOOKS__ALLOW_LOOPBACK": "true",
        "HOOK_NEW": NEXT_SECRET,
        "HOOK_OLD": SECRET,
    }


def test_a_receiver_is_told_of_the_end(stack: Stack) -> None:
    """The first try fails, the second is answered: one event, the same id, signed with each secret; the job shows both tries.

    Red when: `worker/notify/consumer.py`:
    `await self._queue.resend(following, after.next_attempt_at - self._clock.now())` -> `await self._queue.ack(delivery)`
    """
    tell(stack)
    with receiving([500]) as receiver, stack.running_api(), stack.running_worker():
        request_id = stack.submit(prompt="Hi", custom_id="mine", webhook_url=f"{receiver.url}/hook?x=1")
        stack.finished(request_id)
        eventually(lambda: stack.job(request_id)["webhook"]["status"] == "delivered")
        told = stack.job(request_id)["webhook"]
    first, second = receiver.received
    for secret in (SECRET, NEXT_SECRET):
        event = verify(second.body, second.headers, [secret])
        assert (event["type"], event["data"]["custom_id"]) == ("job.completed", "mine")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert "result" not in event["data"]
    assert [each["status_code"] for each in told["attempts"]] == [500, 204]


def test_a_hook_outlives_the_worker_that_owed_it(stack: Stack) -> None:
    """Killed between record and reminder, which here is lost: the sweep of another worker finds what is owed.

    Red when: `worker/sweep.py`: `reminded = await remind(self._reminders, job, now)` -> `reminded = True`
    """
    tell(stack)
    stack.env["QUARRY_WORKER__SWEEP_SECONDS"] = "1"
    with receiving() as receiver, stack.running_api():
        # A worker that knows no queue of reminders: it records the end, and reminds nobody.
        with stack.running_worker("first", QUARRY_WEBHOOKS__ENABLED="false", QUARRY_WEBHOOKS__ALLOW_LOOPBACK="false") as first:
            request_id = stack.submit(prompt="Hi", webhook_url=receiver.url)
            stack.finished(request_id)
            first.signal(signal.SIGKILL)
        assert stack.job(request_id)["webhook"]["status"] == "pending"
        with stack.running_worker("second"):
            make_due(stack, request_id)
            eventually(lambda: stack.job(request_id)["webhook"]["status"] == "delivered")
        assert "check_at" not in stack.item(request_id)
    assert [each.headers["webhook-id"] for each in receiver.received] == [f"evt_{request_id}_0"]


def test_the_operator_hears_of_every_end(stack: Stack) -> None:
    """On an SNS topic and on an event bus, of a job without a webhook, and without content.

    Red when: `worker/notify/publish.py`: `await self._put(*self._bus, job, body)` -> `pass`
    """
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()
    ends = listening(stack)
    with stack.running_api(), stack.running_worker():
        request_id = stack.submit(prompt="A secret question")
        [topic], [bus] = eventually(ends.of_topic), eventually(ends.of_bus)
    for event in (json.loads(topic), json.loads(bus)["detail"]):
        assert (event["type"], event["data"]["request_id"]) == ("job.completed", request_id)
    assert "A secret question" not in topic + bus

"""Webhooks to a host that is dead: it is told later, or never, the job says so, and nobody else waits for it."""

import json
import socket
import time
from typing import Any

from quarry.notification import SCHEDULE
from quarry.store.json_forms import json_text
from quarry.webhooks import verify
from tests.integration.test_webhooks import tell
from tests.support.processes import eventually, free_port
from tests.support.receiver import SECRET, receiving
from tests.support.stack import Stack


def webhook(stack: Stack, request_id: str) -> dict[str, Any]:
    """What the job shows of its webhook."""
    told: dict[str, Any] = stack.job(request_id)["webhook"]
    return told


def errors(webhook: dict[str, Any]) -> list[str]:
    """What came of its tries."""
    return [each["error"] for each in webhook["attempts"]]


def was_tried(stack: Stack, request_id: str) -> bool:
    """Whether nobody was there: once, or again where this process was slow to look."""
    return set(errors(webhook(stack, request_id))) == {"not_connected"}


def let_pass(stack: Stack, request_id: str, **said: int) -> None:
    """Let the time pass until its next try; `said` is what the record then says of it."""
    seen, now = stack.item(request_id)["webhook"]["S"], int(time.time() * 1000)
    table = stack.client("dynamodb")
    values = {"seen": seen, "due": json_text(json.loads(seen) | {"next_attempt_at": now} | said)}
    try:
        table.update_item(
            TableName=stack.name,
            Key={"pk": {"S": f"default#{request_id}"}, "sk": {"S": "job"}},
            UpdateExpression="SET webhook = :due, check_at = :now",
            ConditionExpression="webhook = :seen",
            ExpressionAttributeValues={f":{name}": {"S": each} for name, each in values.items()} | {":now": {"N": str(now)}},
        )
    except table.exceptions.ConditionalCheckFailedException:
        return  # tried just now


def test_a_host_that_is_down_is_told_later_or_never(stack: Stack) -> None:
    """Nobody listens. One host comes back, and is told by the next try; the other never does, and that is what its job says.

    Red when: `worker/notify/deliver.py`: `return retried(notification, Try(now, error=error), self._draw())` ->
    `return settled(notification, NotificationStatus.FAILED, Try(now, error=error))`
    Red when: `worker/notify/post.py`: `else "not_connected")` -> `else "broken_off")`
    Red when: `quarry/notification.py`: `return settled(notification, NotificationStatus.GAVE_UP, ended)` -> `return notification`
    """
    tell(stack)
    stack.env["QUARRY_WORKER__SWEEP_SECONDS"] = "1"
    port = free_port()
    with stack.running_api(), stack.running_worker():
        back, gone = (stack.submit(prompt="Hi", webhook_url=f"http://127.0.0.1:{each}/hook") for each in (port, free_port()))
        for each in (back, gone):
            eventually(lambda each=each: was_tried(stack, each))  # type: ignore[misc]
        with receiving(port=port) as receiver:

            def delivered() -> bool:
                told = webhook(stack, back)
                if told["status"] == "pending" and len(told["attempts"]) > 1:
                    let_pass(stack, back)  # on a busy machine it was tried again too soon; the try after that is minutes away
                return bool(told["status"] == "delivered")

            def gave_up() -> bool:
                if webhook(stack, gone)["status"] == "pending":
                    let_pass(stack, gone, tries=len(SCHEDULE))
                return bool(webhook(stack, gone)["status"] == "gave_up")

            let_pass(stack, gone, tries=len(SCHEDULE))
            eventually(delivered)
            eventually(gave_up)
        told = webhook(stack, back)
        assert told["attempts"][-1]["status_code"] == 204
        assert set(errors(told)[:-1]) == {"not_connected"}
        never = webhook(stack, gone)
        assert (set(errors(never)), len(errors(never)) > 1, never["next_attempt_at"]) == ({"not_connected"}, True, None)
        assert [stack.job(each)["status"] for each in (back, gone)] == ["completed"] * 2
    [received] = receiver.received
    assert verify(received.body, received.headers, [SECRET])["data"]["request_id"] == back


def test_a_dead_host_does_not_hold_up_the_others(stack: Stack) -> None:
    """A receiver that takes calls and never answers, many jobs for it, few calls at a time: another one is told at once. Of a
    cancelled job too, which no worker has seen.

    Red when: `worker/notify/hosts.py`:
    `full = self._hosts[where] >= most or self._tenants[where[0]] >= self._of_tenant` -> `full = False`
    """
    tell(stack)
    stack.env |= {"QUARRY_WEBHOOKS__CONCURRENCY": "4", "QUARRY_WEBHOOKS__TIMEOUT_SECONDS": "60"}
    with socket.create_server(("127.0.0.1", 0)) as dead, receiving() as receiver, stack.running_api() as api:
        dead.settimeout(30)
        cancelled = stack.submit(prompt="Hi", webhook_url=receiver.url)
        assert api.post(f"/v1/jobs/{cancelled}/cancel").json()["status"] == "cancelled"
        stack.submit_many(20, webhook_url=f"http://127.0.0.1:{dead.getsockname()[1]}/")
        with stack.running_worker():
            call, _ = dead.accept()
            completed = stack.submit(prompt="Hi", webhook_url=receiver.url)
            for each in (cancelled, completed):
                eventually(lambda each=each: webhook(stack, each)["status"] == "delivered")  # type: ignore[misc]
        call.close()
    told = [verify(each.body, each.headers, [SECRET]) for each in receiver.received]
    ends = {(each["type"], each["data"]["request_id"]) for each in told}
    assert ends == {("job.cancelled", cancelled), ("job.completed", completed)}

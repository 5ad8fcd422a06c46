"""Whoever names a URL is told there of the end of the job: signed, and for as long as it takes."""

from quarry.webhooks import verify
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

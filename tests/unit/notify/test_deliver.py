"""One try to call a receiver, as far as tenants must not come into each other's way."""

from dataclasses import replace
from datetime import timedelta

from quarry.job import Expired, Job, advance
from quarry.notification import SCHEDULE_LASTS, Notification, NotificationStatus, Try
from quarry.tenants.policy import Policy, Tenants
from quarry.tenants.webhooks import Webhooks
from quarry.testing import NOW, FakeClock, a_job
from quarry.webhooks.addresses import Address
from worker.notify.deliver import Later, WebhookTeller
from worker.notify.hosts import Hosts
from worker.notify.post import Unanswered


class Nobody:
    """A receiver that does not answer, and who asked it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def post(self, address: Address, body: bytes, headers: dict[str, str]) -> Unanswered:
        self.asked.append(address.host)
        return Unanswered("timed_out")


class Keys:
    """One for everybody."""

    async def keys(self, policy: Webhooks) -> list[bytes]:
        return [b"x" * 32]


def ended(clock: FakeClock, tenant: str) -> Job:
    return advance(a_job(tenant=tenant, webhook_url="https://hooks.example.com/"), Expired(), clock.now())


async def test_a_host_that_is_silent_for_a_day_is_given_up_by_all_jobs(clock: FakeClock) -> None:
    """Though one call in ten minutes is made for all of them together: what waits for its turn is asked about again and again."""
    nobody, hosts = Nobody(), Hosts(8)
    teller = WebhookTeller(nobody, hosts, Tenants(), Keys(), clock, lambda: 0.5, loopback=False)  # type: ignore[arg-type]
    waiting = {job.request_id: (job, job.webhook) for job in (ended(clock, "t") for _ in range(50))}
    statuses: list[NotificationStatus] = []
    while waiting and clock.now() < NOW + timedelta(days=2):
        for each, (job, notification) in list(waiting.items()):
            if notification and notification.next_attempt_at and notification.next_attempt_at <= clock.now():
                told = await teller.tell(job, notification)
                waiting[each] = job, notification if isinstance(told, Later) else told
                if isinstance(told, Notification) and not told.is_owed:
                    statuses.append(told.status)
                    del waiting[each]
        await clock.advance(60)
    assert statuses == 50 * [NotificationStatus.GAVE_UP]
    assert clock.now() > NOW + SCHEDULE_LASTS
    late, other = ended(clock, "t"), ended(clock, "u")
    assert late.webhook
    assert isinstance(await teller.tell(late, late.webhook), Later), "not before"
    await clock.advance(timedelta(days=2).total_seconds())
    assert other.webhook
    told = await teller.tell(other, other.webhook)
    assert isinstance(told, Notification)
    assert told.is_owed, "its host was not silent to it"


async def test_a_tenant_cannot_silence_a_host_for_another(clock: FakeClock) -> None:
    """Whose calls come to nothing waits, by itself; the other's are made, to the same host."""
    nobody, tenants = Nobody(), Tenants(Policy(webhooks=replace(Webhooks(), allowed_hosts=("hooks.example.com",))))
    teller = WebhookTeller(nobody, Hosts(8), tenants, Keys(), clock, lambda: 0.5, loopback=False)  # type: ignore[arg-type]

    async def tried(tenant: str) -> Try | None:
        job = ended(clock, tenant)
        assert job.webhook
        told = await teller.tell(job, job.webhook)
        assert isinstance(told, Later | Notification)
        return None if isinstance(told, Later) else told.attempts[-1]

    assert [bool(await tried("loud")) for _ in range(4)] == [True, True, True, False]
    assert [bool(await tried("other")) for _ in range(2)] == [True, True]
    assert await tried("loud") is None
    assert len(nobody.asked) == 5

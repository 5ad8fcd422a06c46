"""What one try to tell of a job's end comes to, channel by channel."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from quarry.clock import Clock
from quarry.errors import ConfigurationError
from quarry.job import Job
from quarry.notification import SCHEDULE_LASTS, Notification, NotificationStatus, Try, retried, settled
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.tenants.policy import Tenants
from quarry.webhooks.addresses import Address, checked
from quarry.webhooks.event import encoded, event, event_id
from quarry.webhooks.signing import signed
from worker.notify.hosts import Hosts, Where
from worker.notify.post import Answered, Poster, Unanswered
from worker.notify.secrets import SigningSecrets

_log = get_logger(__name__)
#: The receiver wants no more of it. Source: Standard Webhooks, "Delivery success and failure".
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Later:
    """It cannot be tried now; that is no fault of the receiver, and no try."""

    wait: timedelta


class Teller(Protocol):
    """Tells of jobs' ends on one channel."""

    async def tell(self, job: Job, notification: Notification) -> Notification | Later:
        """Try once; what the notification has come to. Raises nothing of the receiver's."""


class WebhookTeller:
    """Calls the URL that a job was submitted with."""

    def __init__(
        self,
        poster: Poster,
        hosts: Hosts,
        tenants: Tenants,
        secrets: SigningSecrets,
        clock: Clock,
        draw: Callable[[], float],
        *,
        loopback: bool,
    ) -> None:
        """`loopback`: whether this machine may be called."""
        self._poster = poster
        self._hosts = hosts
        self._tenants = tenants
        self._secrets = secrets
        self._clock = clock
        self._draw = draw
        self._loopback = loopback

    async def tell(self, job: Job, notification: Notification) -> Notification | Later:
        """As in `Teller`. What the tenant's policy allows is asked at each try: it may have changed since the submission."""
        policy = self._tenants.of(job.tenant).webhooks
        if job.status.value not in policy.events:
            return settled(notification, NotificationStatus.SKIPPED)
        try:
            address = checked(job.webhook_url or "", policy.rules(loopback=self._loopback))
        except ValueError:
            return settled(notification, NotificationStatus.FAILED, Try(self._clock.now(), error="address_refused"))
        try:
            keys = await self._secrets.keys(policy)
        except ConfigurationError as error:
            _log.warning(Event.SIGNING_KEY_MISSING, tenant=job.tenant, error=str(error))
            keys = []
        if not keys:
            # Unsigned, it would be worth nothing to whom it is for, and anybody could send the like.
            return retried(notification, Try(self._clock.now(), error="no_secret"), self._draw())
        where, now = _where(job, address), self._clock.monotonic()
        if self._hosts.is_silent(where, now) and self._is_late(job):
            # It is called for one job now and then: of many, most would be asked about for as long as their records last.
            return settled(notification, NotificationStatus.GAVE_UP)
        if wait := self._hosts.wait(where, now):
            return Later(wait)
        return self._outcome(notification, await self._post(job, address, keys, include_result=policy.include_result))

    def _is_late(self, job: Job) -> bool:
        """Whether all tries would be over by now."""
        return job.finished_at is not None and self._clock.now() - job.finished_at > SCHEDULE_LASTS

    async def _post(self, job: Job, address: Address, keys: list[bytes], *, include_result: bool) -> Answered | Unanswered:
        body = encoded(event(job, include_result=include_result))
        headers = signed(body, event_id=event_id(job), at=int(self._clock.now().timestamp()), keys=keys)
        answer: Answered | Unanswered = Unanswered("broken_off")
        self._hosts.begin(_where(job, address))
        try:
            answer = await self._poster.post(address, body, headers)
        finally:
            self._hosts.end(_where(job, address), self._clock.monotonic(), answered=isinstance(answer, Answered))
        return answer

    def _outcome(self, notification: Notification, answer: Answered | Unanswered) -> Notification:
        now = self._clock.now()
        match answer:
            case Answered(code) if 200 <= code < 300:
                return settled(notification, NotificationStatus.DELIVERED, Try(now, code))
            case Answered(code) if code == _GONE:
                return settled(notification, NotificationStatus.FAILED, Try(now, code))
            case Answered(code, hint):
                # A redirect too: who moves changes the URL. Following one would be asking a stranger whom to call.
                return retried(notification, Try(now, code), self._draw(), hint)
            case Unanswered(error):
                return retried(notification, Try(now, error=error), self._draw())


def _where(job: Job, address: Address) -> Where:
    return job.tenant, address.host, address.port

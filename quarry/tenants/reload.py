"""`tenants.toml` is followed while the process runs. A job keeps what was stored with it."""

from functools import partial

from quarry.clock import Clock
from quarry.followed_file import FollowedFile
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import FilesMetrics
from quarry.tenants.policy import Tenants
from quarry.tenants.tenants_file import load_tenants

_log = get_logger(__name__)


class TenantsFile(FollowedFile[Tenants]):
    """The policies of this process, and the file that says them."""

    def __init__(self, path: str | None, metrics: FilesMetrics, clock: Clock) -> None:
        super().__init__(path, partial(load_tenants, path), metrics.tenants_reloads, metrics.tenants_refused, clock)

    @property
    def tenants(self) -> Tenants:
        """Those that hold: one object, which is changed in place."""
        return self.current

    def tell_reloaded(self) -> None:
        _log.info(Event.TENANTS_RELOADED, tenants=len(self.current.named))

    def tell_refused(self, error: str) -> None:
        _log.error(Event.TENANTS_REFUSED, error=error)

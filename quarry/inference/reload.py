"""`routes.toml` is followed while the process runs. A job in flight keeps the route with which it began."""

from collections.abc import Callable

from quarry.clock import Clock
from quarry.followed_file import FollowedFile
from quarry.inference.routes import Routes
from quarry.telemetry.events import Event
from quarry.telemetry.logs import get_logger
from quarry.telemetry.metrics import FilesMetrics

_log = get_logger(__name__)


class RoutesFile(FollowedFile[Routes]):
    """The routes of this process, and the file that says them."""

    def __init__(self, path: str | None, load: Callable[[], Routes], metrics: FilesMetrics, clock: Clock) -> None:
        super().__init__(path, load, metrics.routes_reloads, metrics.routes_refused, clock)

    @property
    def routes(self) -> Routes:
        """Those that hold: one object, which is changed in place."""
        return self.current

    def tell_reloaded(self) -> None:
        routes = list(self.current)
        _log.info(Event.ROUTES_RELOADED, routes=len(routes), targets=sum(len(route.targets) for route in routes))

    def tell_refused(self, error: str) -> None:
        _log.error(Event.ROUTES_REFUSED, error=error)

"""Settings, in groups, a file for each subject. `environment.py` is the only reader of the environment.

Each field: type, unit in its name, bounds, default, and one sentence on what goes wrong when it is wrong.
"""

from quarry.settings.api import ANONYMOUS, SCHEMES, ApiSettings
from quarry.settings.client import ClientSettings, base_url
from quarry.settings.environment import EcsEndpoints, ecs_endpoints, environment_secret, is_set, load_client_settings, load_settings
from quarry.settings.group import DELIMITER, PREFIX, Group, listed, variable_name
from quarry.settings.job import JobSettings
from quarry.settings.jwt import ALGORITHMS, JwtSettings
from quarry.settings.notifications import EventSettings, WebhookSettings
from quarry.settings.queue import QueueSettings
from quarry.settings.root import Environment, Settings
from quarry.settings.store import StoreSettings
from quarry.settings.targets import BreakerSettings, LimiterSettings
from quarry.settings.telemetry import AuditSettings, EmfSettings, TracingSettings
from quarry.settings.worker import WorkerSettings

__all__ = [
    "ALGORITHMS",
    "ANONYMOUS",
    "DELIMITER",
    "PREFIX",
    "SCHEMES",
    "ApiSettings",
    "AuditSettings",
    "BreakerSettings",
    "ClientSettings",
    "EcsEndpoints",
    "EmfSettings",
    "Environment",
    "EventSettings",
    "Group",
    "JobSettings",
    "JwtSettings",
    "LimiterSettings",
    "QueueSettings",
    "Settings",
    "StoreSettings",
    "TracingSettings",
    "WebhookSettings",
    "WorkerSettings",
    "base_url",
    "ecs_endpoints",
    "environment_secret",
    "is_set",
    "listed",
    "load_client_settings",
    "load_settings",
    "variable_name",
]

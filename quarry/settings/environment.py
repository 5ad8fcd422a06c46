"""Reading the environment: this file is the only one that does."""

import os
from dataclasses import dataclass
from typing import TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsError

from quarry.errors import ConfigurationError
from quarry.settings.client import ClientSettings
from quarry.settings.group import DELIMITER, PREFIX, Group, variable_name
from quarry.settings.root import Settings


class _ClientEnvironment(BaseSettings):
    """What a client needs, and no more: it has no region, no queue and no table."""

    model_config = Settings.model_config

    client: ClientSettings = ClientSettings()


_Read = TypeVar("_Read", Settings, _ClientEnvironment)


def load_settings() -> Settings:
    """Read the settings from the process's environment.

    Raises:
        ConfigurationError: one sentence that names the variable.
    """
    return _load(Settings)


def load_client_settings() -> ClientSettings:
    """Read the settings of a client of the API.

    Raises:
        ConfigurationError: one sentence that names the variable.
    """
    return _load(_ClientEnvironment).client


def environment_secret(name: str) -> SecretStr | None:
    """A secret that a configuration file names by its variable; None where that is not set, or empty."""
    return SecretStr(os.environ[name]) if os.environ.get(name) else None


def _load(kind: type[_Read]) -> _Read:
    _refuse_unknown_groups()
    try:
        return kind()
    except SettingsError as error:
        # A group given as one variable (QUARRY_WORKER=…) that is not a JSON object.
        raise ConfigurationError(f"{error}; set the group's fields one by one, such as QUARRY_WORKER__SLOTS") from error
    except ValidationError as error:
        raise ConfigurationError(_sentence(error)) from error


def is_set(variable: str) -> bool:
    """Whether a variable that a configuration file names has a value."""
    return bool(os.environ.get(variable))


@dataclass(frozen=True, slots=True)
class EcsEndpoints:
    """Where ECS lets a container ask the agent of its task, and read the task's metadata."""

    agent: str
    metadata: str | None


def ecs_endpoints() -> EcsEndpoints | None:
    """As ECS tells each container of a task; None elsewhere."""
    agent = os.environ.get("ECS_AGENT_URI")
    return EcsEndpoints(agent, os.environ.get("ECS_CONTAINER_METADATA_URI_V4") or None) if agent else None


def _refuse_unknown_groups() -> None:
    # Only names with the delimiter: platforms inject others that merely share the prefix (QUARRY_API_SERVICE_HOST).
    groups = {name for name, field in Settings.model_fields.items() if isinstance(field.default, Group)}
    for name in sorted(os.environ):
        group, delimiter, _ = name.removeprefix(PREFIX).partition(DELIMITER)
        if name.startswith(PREFIX) and delimiter and group.lower() not in groups:
            known = ", ".join(f"{PREFIX}{known.upper()}{DELIMITER}…" for known in sorted(groups))
            raise ConfigurationError(f"{name} is not a setting; the groups are {known}")


def _sentence(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    name, message = variable_name(first["loc"]), str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        text = f"{name} is not a setting"
    elif not first["loc"]:
        text = message  # a cross-check names its variables itself
    else:
        # A client's settings hold a key, and perhaps a password in a URL.
        shown = "" if first["loc"][0] == "client" else f" is {first['input']!r}"
        text = f"{name}{shown}: {message[0].lower()}{message[1:]}"
    return text if len(faults) == 1 else f"{text} (and {len(faults) - 1} more)"

"""Reading the environment: this file is the only one that does."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsError

from quarry.errors import ConfigurationError
from quarry.settings.client import ClientSettings
from quarry.settings.group import DELIMITER, PREFIX, Group, variable_name
from quarry.settings.root import Settings

#: How like a setting a name must be to be taken for its misspelling; what platforms set is not.
_ALIKE: Final = 0.8
#: The value of a variable that Kubernetes sets for a service of the namespace (`NAME_PORT`).
_LINK: Final = ("tcp://", "udp://", "sctp://")


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
    _refuse_misspelt()
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


def _refuse_misspelt() -> None:
    groups = {name: field.default for name, field in Settings.model_fields.items() if isinstance(field.default, Group)}
    alone = [variable_name((name,)) for name in Settings.model_fields if name not in groups]
    grouped = [variable_name((name, field)) for name, group in groups.items() for field in type(group).model_fields]
    one_underscore = {name.replace(DELIMITER, "_"): name for name in grouped}
    for name, value in sorted(os.environ.items()):
        if not name.startswith(PREFIX) or name in alone:
            continue
        group, delimiter, _ = name.removeprefix(PREFIX).partition(DELIMITER)
        if delimiter and group.lower() not in groups:
            known = ", ".join(f"{PREFIX}{known.upper()}{DELIMITER}…" for known in sorted(groups))
            raise ConfigurationError(f"{name} is not a setting{_meant(name, grouped) or f'; the groups are {known}'}")
        if delimiter or value.startswith(_LINK):
            continue
        # Platforms set others that merely share the prefix (QUARRY_API_SERVICE_HOST): only what is as good as a setting's name.
        if meant := f"; did you mean {one_underscore[name]}?" if name in one_underscore else _meant(name, alone):
            raise ConfigurationError(f"{name} is not a setting{meant}")


def _meant(name: str, known: Collection[str]) -> str:
    """What to say after a name that is no setting's: which was perhaps meant. Empty where none is like it."""
    near = get_close_matches(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], n=1, cutoff=_ALIKE)
    return f"; did you mean {PREFIX}{near[0]}?" if near else ""


def _sentence(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    name, message = variable_name(first["loc"]), str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        fields = type(Settings.model_fields[str(first["loc"][0])].default).model_fields
        known = [variable_name((first["loc"][0], field)) for field in fields]
        text = f"{name} is not a setting{_meant(name, known) or '; there are ' + ', '.join(known)}"
    elif not first["loc"]:
        text = message  # a cross-check names its variables itself
    else:
        # A client's settings hold a key, and perhaps a password in a URL.
        shown = "" if first["loc"][0] == "client" else f" is {first['input']!r}"
        text = f"{name}{shown}: {message[0].lower()}{message[1:]}"
    return text if len(faults) == 1 else f"{text} (and {len(faults) - 1} more)"

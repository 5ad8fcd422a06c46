"""A script: the rules and quotas that a simulator begins with, in a file of JSON.

[{"act": {"error": "ThrottlingException"}, "times": 2}]
{"rules": [{"act": {"delay_seconds": 1.0}}], "quotas": [{"requests_per_minute": 600}]}
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from quarry.errors import ConfigurationError
from quarry.simulator.quotas import Quota, parse_quota
from quarry.simulator.rules import Rule, parse_rule

_Read = TypeVar("_Read")


class Script(NamedTuple):
    """What a file says."""

    rules: list[Rule]
    quotas: list[Quota]


def read_script(path: Path | None) -> Script:
    """What a file says; None says nothing.

    Raises:
        ConfigurationError: one sentence that names the file, and the rule or quota.
    """
    if path is None:
        return Script([], [])
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"--script: {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--script: {path} is not JSON: {error}") from error
    return parse_script(str(path), value)


def parse_script(name: str, value: Any) -> Script:
    """Read what a file holds: a list of rules, or an object with `rules`, `quotas` or both.

    Raises:
        ConfigurationError: one sentence that names the file, and the rule or quota.
    """
    parts = {"rules": value} if isinstance(value, list) else value
    if not isinstance(parts, dict) or not parts or not parts.keys() <= {"rules", "quotas"}:
        raise ConfigurationError(f"{name} must hold a list of rules, or an object with `rules` and `quotas`")
    return Script(_each(name, "rule", parse_rule, parts), _each(name, "quota", parse_quota, parts))


def _each(name: str, kind: str, parse: Callable[[Any], _Read], parts: dict[str, Any]) -> list[_Read]:
    values = parts.get(f"{kind}s", [])
    if not isinstance(values, list):
        raise ConfigurationError(f"{name}: `{kind}s` must be a list")
    read = []
    for i, value in enumerate(values):
        try:
            read.append(parse(value))
        except ValueError as error:
            raise ConfigurationError(f"{name}, {kind} {i + 1}: {error}") from error
    return read

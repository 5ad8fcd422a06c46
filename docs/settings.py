"""The generated parts on settings: from their classes, and `.env.example`."""  # noqa: INP001 - beside a script, no package

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

from docs.markdown import table
from quarry.settings import DELIMITER, PREFIX, Group, Settings


def tables() -> str:
    """A table for each group of settings."""
    parts = []
    for heading, prefix, fields in groups():
        rows = [(f"`{variable(prefix, name)}`", _kind(field), _default(field), field.description) for name, field in fields]
        parts.append(f"## {heading}\n\n{table(('variable', 'value', 'default', 'meaning'), rows)}")
    return "\n".join(parts)


def dotenv() -> str:
    """`.env.example`: every variable with its default, commented out."""
    lines = ["# Every setting and its default. Written by `make docs`; docs/reference/settings.md says more.\n"]
    for heading, prefix, fields in groups():
        lines.append(f"\n# --- {heading} ---\n")
        for name, field in fields:
            default = field.get_default()
            value = default.value if isinstance(default, Enum) else "" if default is None else default
            lines.append(f"\n# {field.description}\n#{variable(prefix, name)}={value}\n")
    return "".join(lines)


def groups() -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """Heading, prefix of the variables, and fields: first those without a group."""
    fields = list(Settings.model_fields.items())
    yield "Process", PREFIX, [(name, field) for name, field in fields if not isinstance(field.default, Group)]
    for name, field in fields:
        if isinstance(field.default, Group):
            heading = (inspect.getdoc(type(field.default)) or "").splitlines()[0].rstrip(".")
            yield heading, f"{PREFIX}{name.upper()}{DELIMITER}", list(type(field.default).model_fields.items())


def variable(prefix: str, name: str) -> str:
    """The name of a field, as a variable of the environment."""
    # The one variable that is AWS's, not ours.
    return "AWS_REGION" if name == "region" else prefix + name.upper()


def _kind(field: Any) -> str:
    """A field's values in words: its choices, or its type and bounds."""
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    if choices := [each for argument in (kind, *get_args(kind)) for each in get_args(argument) if isinstance(each, str)]:
        return ", ".join(f"`{each}`" for each in choices)
    if kind is bool:
        return "`true`, `false`"
    if kind is int:
        bounds = {name: getattr(each, name) for each in field.metadata for name in ("ge", "le") if hasattr(each, name)}
        return f"{bounds.get('ge', '')} … {bounds.get('le', '')}".strip()
    return "text"


def _default(field: Any) -> str:
    default = field.get_default()
    value = default.value if isinstance(default, Enum) else default
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return "" if value in (None, "") else f"`{value}`"

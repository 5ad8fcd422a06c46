"""Configuration files in TOML: what is wrong with one is told with the variable that names it, and with the place in it."""

import tomllib
from pathlib import Path
from typing import Any

from quarry.errors import ConfigurationError


class TomlFile:
    """A file that a setting names. Everything here raises ConfigurationError, in one sentence."""

    def __init__(self, variable: str, path: str) -> None:
        self._variable = variable
        self._path = path

    def table(self, name: str, entries: str) -> dict[str, Any]:
        """The one table that the file holds; `entries` says how it is written."""
        try:
            document = tomllib.loads(Path(self._path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{self._variable}: {self._path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._variable}: {self._path} is not TOML: {error}") from error
        table: Any = document.get(name)
        self.require("the top level", set(document) == {name} and isinstance(table, dict), f"must hold {entries} and no more")
        return dict(table)

    def require(self, place: str, holds: bool, otherwise: str) -> None:
        """See that something holds at a place of the file."""
        if not holds:
            raise ConfigurationError(f"{self._variable}: {self._path}: {place} {otherwise}")

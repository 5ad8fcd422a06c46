"""Configuration files in TOML: what is wrong with one is told with the variable that names it, the line, and the place in it."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Final, TypeVar

from quarry.errors import ConfigurationError
from quarry.toml_fields import Fault, Kind, Wrong
from quarry.toml_lines import Path, line_in, lines_of

_T = TypeVar("_T")
#: Where `tomllib` says that it stopped. The forms: CPython 3.11 to 3.14, `Lib/tomllib/_parser.py` (November 2026).
_STOPPED: Final = re.compile(r"(?P<why>.*) \((?:at line (?P<line>\d+), column \d+|at end of document)\)", re.DOTALL)
#: What `tomllib` says of something that is there twice, and what it means to who wrote the file.
_TWICE: Final = (
    (re.compile(r"Cannot declare (\(.*\)) twice"), "declares it twice; give each a name of its own"),
    (re.compile(r"Cannot overwrite a value|Cannot mutate .*"), "gives a key of this line twice; keep one of them"),
)


class TomlFile:
    """A file, named by a setting or by whoever typed it, and what it holds."""

    def __init__(self, variable: str | None, path: str) -> None:
        """Read it; `variable` is the setting that names it.

        Raises:
            ConfigurationError: it cannot be read, or is not TOML.
        """
        self._path = path
        self._where = f"{variable}: {path}" if variable else path
        try:
            self._text = FilePath(path).read_text(encoding="utf-8-sig")
            self._document = tomllib.loads(self._text)
        except OSError as error:
            raise ConfigurationError(f"{self._where} cannot be read: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(self._not_toml(str(error))) from error
        except (ValueError, RecursionError) as error:
            # It is no UTF-8, or nested too deeply, or has a number of thousands of digits.
            raise ConfigurationError(f"{self._where} is not TOML: {error}") from error

    def read(self, kind: Kind[_T]) -> _T:
        """The whole file as a value of `kind`.

        Raises:
            ConfigurationError: a sentence for each fault, with its line.
        """
        try:
            return kind.read(self._document)
        except Wrong as wrong:
            raise self.refused(wrong.faults) from wrong

    def line(self, path: Path) -> str:
        """File and line of a place, as an error has them in front."""
        return f"{self._where}:{line_in(lines_of(self._text), path)}"

    def refused(self, faults: Iterable[Fault]) -> ConfigurationError:
        """The error that tells of these faults, in the order of their lines: in a sentence, or in a list of them."""
        lines = lines_of(self._text)
        told = sorted((line_in(lines, fault.path), f"{place(fault.path)} {fault.reason}") for fault in faults)
        sentences = [f"{self._path}:{line}: {text}" for line, text in dict.fromkeys(told)]
        if len(sentences) == 1:
            return ConfigurationError(self._where + sentences[0].removeprefix(self._path))
        return ConfigurationError("\n  ".join([f"{self._where} has {len(sentences)} faults:", *sentences]))

    def _not_toml(self, message: str) -> str:
        found = _STOPPED.fullmatch(message)
        why, line = (found["why"], found["line"]) if found else (message, None)
        for pattern, meaning in _TWICE:
            if twice := pattern.fullmatch(why):
                why = f"{why}: the file {meaning}" if not twice.groups() else f"[{_dotted(twice[1])}]: the file {meaning}"
        last = self._text.rstrip().count("\n") + 1
        return f"{self._where}:{line or last}: is not TOML: {why}"


def place(path: Path) -> str:
    """How a place is called: `routes.default.targets (2) region`; lists are counted from 1."""
    if not path:
        return "the file"
    parts: list[str] = []
    for step in path:
        after_index = parts and parts[-1].endswith(") ")
        parts.append(f" ({step + 1}) " if isinstance(step, int) else step if not parts or after_index else f".{step}")
    return "".join(parts).strip()


def _dotted(names: str) -> str:
    """`('routes', 'default')`, as `tomllib` writes a table's name, as its header does."""
    return ".".join(part.strip(" '\",") for part in names.strip("()").split(",") if part.strip())

"""Metric math: expressions over time series, as "Using math expressions with CloudWatch metrics" (using-metric-math.html in the
CloudWatch User Guide, November 2026) has them. What is not needed is refused.

A series has a number or None (nothing was published) for each minute, the oldest first; all have the same length.
"""

import operator
import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Final

Series = tuple[float | None, ...]
#: A scalar, a series, or an array of series.
Value = float | Series | list[Series]

_TOKEN: Final = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(&&|\|\||[=!<>]=|[-+*/^()\[\],<>]))")
_WORDS: Final = {"AND": "&&", "OR": "||"}
#: Each binds closer than the one before; `^` and the sign are parsed by themselves.
_LEVELS: Final = (("||",), ("&&",), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/"))
_OPERATORS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "^": operator.pow,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "&&": lambda a, b: a != 0 and b != 0, "||": lambda a, b: a != 0 or b != 0,
}  # fmt: skip
_AGGREGATES: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "MAX": max, "MIN": min, "SUM": sum, "AVG": lambda values: sum(values) / len(values),
}  # fmt: skip


class Unknown(ValueError):
    """An expression that is not understood, or not a series."""


def series(queries: Mapping[str, str], published: Mapping[str, Series], result: str) -> Series:
    """The series of query `result`; `queries` are expressions, `published` metrics, both by their ids.

    Raises:
        Unknown: an expression is not understood, or its result is no series.
    """
    if result in published:
        return published[result]
    length = len(next(iter(published.values())))
    value = _Parser(queries, published, length).value(queries[result])
    if not isinstance(value, tuple):
        raise Unknown(f"{queries[result]}: the result is no single series")
    return value


class _Parser:
    """Evaluates while it reads."""

    def __init__(self, queries: Mapping[str, str], published: Mapping[str, Series], length: int) -> None:
        self._queries, self._published, self._length = queries, published, length
        self._tokens: list[str] = []

    def value(self, text: str) -> Value:
        self._tokens = _tokens(text)[::-1]
        found = self._level(0)
        if self._tokens:
            raise Unknown(f"{text}: {self._tokens[-1]} is too much")
        return found

    def _level(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._signed()
        left = self._level(level + 1)
        while self._next in _LEVELS[level]:
            left = _apply(self._take(), left, self._level(level + 1))
        return left

    def _signed(self) -> Value:
        if self._next == "-":
            self._take()
            return _apply("*", -1.0, self._signed())
        base = self._atom()
        if self._next == "^":
            self._take()
            return _apply("^", base, self._signed())
        return base

    def _atom(self) -> Value:
        taken = self._take()
        if taken == "(":
            inner = self._level(0)
            self._expect(")")
            return inner
        if taken == "[":
            return [each for value in self._list("]") for each in _several(value)]
        if taken[0].isdigit():
            return float(taken)
        if self._next == "(":
            return self._call(taken)
        return self._named(taken)

    def _named(self, name: str) -> Value:
        if name in self._published:
            return self._published[name]
        if name in self._queries:
            return _Parser(self._queries, self._published, self._length).value(self._queries[name])
        raise Unknown(f"{name} is neither a metric nor an expression")

    def _call(self, name: str) -> Value:
        self._expect("(")
        if name == "FILL":
            return self._fill()
        arguments = self._list(")")
        match name, arguments:
            case "TIME_SERIES", [float(number)]:
                return (number,) * self._length
            case "IF", [tuple(condition), then]:
                return _if(condition, then, (None,) * self._length)
            case "IF", [tuple(condition), then, otherwise]:
                return _if(condition, then, otherwise)
            case (("MAX" | "MIN" | "SUM" | "AVG"), [list(several)]):
                return tuple(
                    _over(_AGGREGATES[name], [value for value in at if value is not None]) for at in zip(*several, strict=True)
                )
            case (("MAX" | "MIN" | "SUM" | "AVG"), [tuple(one)]):
                return _AGGREGATES[name]([value for value in one if value is not None] or [0.0])
        raise Unknown(f"{name} of {len(arguments)}")

    def _fill(self) -> Value:
        filled = self._level(0)
        self._expect(",")
        if self._next == "REPEAT":
            self._take()
            self._expect(")")
            return _mapped(filled, lambda one: tuple(accumulate(one, lambda last, new: last if new is None else new)))
        with_what = self._level(0)
        self._expect(")")
        return _mapped(filled, lambda one: _filled(one, with_what))

    def _list(self, end: str) -> list[Value]:
        values = [self._level(0)]
        while self._next == ",":
            self._take()
            values.append(self._level(0))
        self._expect(end)
        return values

    @property
    def _next(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _take(self) -> str:
        if not self._tokens:
            raise Unknown("it ends too early")
        return self._tokens.pop()

    def _expect(self, token: str) -> None:
        if (found := self._take()) != token:
            raise Unknown(f"{found} where {token} should be")


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unknown(f"{text}: {text[at:]}")
        found.append(_WORDS.get(match[0].strip(), match[0].strip()))
        at = match.end()
    return found


def _several(value: Value) -> list[Series]:
    if isinstance(value, float):
        raise Unknown("an array has series only")
    return value if isinstance(value, list) else [value]


def _mapped(value: Value, change: Callable[[Series], Series]) -> Value:
    if isinstance(value, list):
        return [change(each) for each in value]
    if isinstance(value, tuple):
        return change(value)
    raise Unknown("a scalar has nothing to fill")


def _filled(one: Series, with_what: Value) -> Series:
    if isinstance(with_what, list):
        raise Unknown("an array fills nothing")
    spare = with_what if isinstance(with_what, tuple) else (with_what,) * len(one)
    return tuple(other if value is None else value for value, other in zip(one, spare, strict=True))


def _over(function: Callable[[list[float]], float], values: list[float]) -> float | None:
    return function(values) if values else None


def _apply(name: str, left: Value, right: Value) -> Value:
    """Missing values are treated as 0; where there is none on either side, there is no result."""
    if isinstance(left, list):
        return [_single(_apply(name, each, right)) for each in left]
    if isinstance(right, list):
        return [_single(_apply(name, left, each)) for each in right]
    if isinstance(left, float) and isinstance(right, float):
        return float(_OPERATORS[name](left, right))
    length = len(left) if isinstance(left, tuple) else len(right) if isinstance(right, tuple) else 0
    lefts, rights = (each if isinstance(each, tuple) else (each,) * length for each in (left, right))
    known = zip(
        *[[value is not None for value in each] for each in (left, right) if isinstance(each, tuple)],
        strict=True,
    )
    return tuple(
        _number(name, one or 0.0, other or 0.0) if any(there) else None
        for one, other, there in zip(lefts, rights, known, strict=True)
    )


def _single(value: Value) -> Series:
    if not isinstance(value, tuple):
        raise Unknown("no array of arrays")
    return value


def _number(name: str, left: float, right: float) -> float | None:
    """A point that would be divided by zero is dropped."""
    return None if name == "/" and right == 0 else float(_OPERATORS[name](left, right))


def _if(condition: Series, then: Value, otherwise: Value) -> Series:
    """Where the condition is missing, nothing; a true one without a value is 0, a false one without a value is dropped."""
    thens, others = (each if isinstance(each, tuple) else (each,) * len(condition) for each in (_plain(then), _plain(otherwise)))
    return tuple(
        None if asked is None else (yes or 0.0) if asked else no for asked, yes, no in zip(condition, thens, others, strict=True)
    )


def _plain(value: Value) -> float | Series:
    if isinstance(value, list):
        raise Unknown("IF takes no array")
    return value

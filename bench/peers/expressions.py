"""DynamoDB's update expressions, as far as the systems of the bench use them: SET, REMOVE, `+`, `if_not_exists`, `list_append`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_CLAUSE: Final = re.compile(r"\b(SET|REMOVE)\b")
_CALL: Final = re.compile(r"(if_not_exists|list_append)\((.*)\)$")


def apply(row: dict[str, Any], request: Mapping[str, Any]) -> None:
    """Change a row as an UpdateItem asks. Conditions are not looked at.

    Raises:
        ValueError: the expression has something else in it.
    """
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    _, *clauses = _CLAUSE.split(request["UpdateExpression"])
    before = dict(row)
    for verb, text in zip(clauses[::2], clauses[1::2], strict=True):
        for part in _parts(text):
            left, _, right = part.partition("=")
            name = names.get(left.strip(), left.strip())
            if verb == "REMOVE":
                row.pop(name, None)
            else:
                row[name] = _value(right.strip(), before, names, values)


def _value(text: str, row: Mapping[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> Any:
    if found := _CALL.fullmatch(text):
        first, second = _parts(found[2])
        if found[1] == "if_not_exists":
            return row.get(names.get(first, first)) or _value(second, row, names, values)
        return {"L": _value(first, row, names, values)["L"] + _value(second, row, names, values)["L"]}
    if " + " in text:
        return {"N": str(sum(int(_value(part.strip(), row, names, values)["N"]) for part in text.split(" + ")))}
    if text in values:
        return values[text]
    if text in names:
        return row[names[text]]
    raise ValueError(f"not understood: {text}")


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas that are in no bracket."""
    depth, part = 0, ""
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield part.strip()
            part = ""
        else:
            part += letter
    yield part.strip()

"""IAM policies as AWS reads them, as far as ours go: what a statement grants, and whether it lets a call through.

The emulator does not look at `dynamodb:LeadingKeys`; this does. Operators that our policies do not use are refused, not guessed.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Call:
    """One action on one resource, as IAM is asked about it. `context`: condition key → its values."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Grant:
    """One action on one resource (which may have wildcards) of one statement."""

    sid: str
    action: str
    resource: str
    condition: Mapping[str, Mapping[str, Sequence[str] | str]] = field(default_factory=dict, hash=False)

    @property
    def service(self) -> str:
        """What the action begins with."""
        return self.action.partition(":")[0]

    def allows(self, call: Call) -> bool:
        """Whether it lets the call through."""
        return (
            self.action == call.action
            and _like(call.resource, self.resource)
            and all(
                _holds(operator, call.context.get(key), _listed(wanted))
                for operator, keys in self.condition.items()
                for key, wanted in keys.items()
            )
        )

    def __str__(self) -> str:
        return f"{self.sid}: {self.action} on {self.resource}"


def grants(document: str) -> Iterator[Grant]:
    """Everything that a policy grants. All its statements allow, and none has a wildcard among its actions."""
    for statement in json.loads(document)["Statement"]:
        assert statement["Effect"] == "Allow", statement
        for action in statement["Action"]:
            assert "*" not in action, statement
            for resource in statement["Resource"]:
                yield Grant(statement["Sid"], action, resource, statement.get("Condition", {}))


def widened(document: str, *, sid: str, **members: Any) -> str:
    """The same policy with other members of one statement: `Action`, `Resource`, `Condition`."""
    policy = json.loads(document)
    [statement] = [each for each in policy["Statement"] if each["Sid"] == sid]
    statement |= members
    return json.dumps(policy)


def without(document: str, action: str, resource: str = "") -> str:
    """The same policy less one action, everywhere or where a resource ends like this."""
    policy = json.loads(document)
    kept = []
    for statement in policy["Statement"]:
        apart = [each for each in statement["Resource"] if each.endswith(resource)]
        others = [each for each in statement["Resource"] if not each.endswith(resource)]
        fewer = [each for each in statement["Action"] if each != action]
        if fewer and apart:
            kept.append(statement | {"Action": fewer, "Resource": apart})
        if others:
            kept.append(statement | {"Sid": statement["Sid"] + "Others", "Resource": others})
    return json.dumps(policy | {"Statement": kept})


def also(document: str, statements: Sequence[Mapping[str, Any]]) -> str:
    """The same policy and these statements."""
    policy = json.loads(document)
    return json.dumps(policy | {"Statement": [*policy["Statement"], *statements]})


def _listed(value: Sequence[str] | str) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _holds(operator: str, found: Sequence[str] | None, wanted: Sequence[str]) -> bool:
    match operator:
        case "StringEquals":
            return found is not None and found[0] in wanted
        case "ForAnyValue:StringEquals":
            return any(each in wanted for each in found or ())
        case "ForAllValues:StringEquals":
            return all(each in wanted for each in found or ())
        case "ForAllValues:StringLike":
            return all(any(_like(each, pattern) for pattern in wanted) for each in found or ())
        case "ForAllValues:StringNotLike":
            return not any(_like(each, pattern) for pattern in wanted for each in found or ())
    raise NotImplementedError(operator)


def _like(value: str, pattern: str) -> bool:
    return _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern), re.DOTALL)

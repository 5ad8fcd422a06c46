"""`quarry keys`, typed at a stack."""

import json
import subprocess
from typing import Any

from tests.support.processes import ROOT, quarry
from tests.support.stack import Stack

#: An API that asks who is calling, as in production.
ASKING = {"QUARRY_ENVIRONMENT": "production", "QUARRY_API__AUTH": "api_key"}


def typed(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`quarry keys …` to its end, whatever that is."""
    command = quarry("keys", *arguments)
    return subprocess.run(command, env=stack.environ(), check=False, capture_output=True, cwd=ROOT, text=True)


def created(stack: Stack, *options: str, verb: str = "create") -> str:
    """The key that is printed."""
    made = typed(stack, verb, *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def listed(stack: Stack, *options: str) -> dict[str, dict[str, Any]]:
    """What is shown of each key, by its id."""
    made = typed(stack, "list", "--json", *options)
    assert made.returncode == 0, made.stderr
    return {key["key_id"]: key for key in map(json.loads, made.stdout.splitlines())}


def id_of(key: str) -> str:
    """The id in a key."""
    return key.split("_")[1]


def secret_of(key: str) -> str:
    """The secret in it, which may hold an underscore too."""
    return key.split("_", 2)[2]


def with_key(key: str) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {key}"}

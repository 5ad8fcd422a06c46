"""What is done at the ends of a request, in a process that is stopped between requests, or ended, and is not told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

#: Does what is due, if anything is; raises nothing.
Chore: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Between:
    """The chores of such a process. One that runs on has none: what is to be done there now and then, tasks beside requests do."""

    before: list[Chore] = field(default_factory=list)
    after: list[Chore] = field(default_factory=list)

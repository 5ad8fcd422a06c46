"""Everything that is shipped to be asked of a Prometheus, and what of it has no answer in a run in which all is as it should be."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import yaml

from docs import board
from tests.support.prometheus import FOLDER


class Question(NamedTuple):
    """An expression, and where it stands: a row of the board or a file of rules, and a panel, an alert or a rule there."""

    where: str
    name: str
    expression: str

    @property
    def quiet(self) -> str:
        """Why it has no answer; empty where it has one."""
        return _QUIET.get(self.name, "")


def questions() -> Iterator[Question]:
    """All of them, in the order in which they stand."""
    for row, panels in board.ROWS.items():
        yield from (Question(row, panel.title, expression) for panel in panels for expression, _ in panel.asked)
    for path in sorted(FOLDER.glob("*.yml")):
        for group in yaml.safe_load(path.read_text()).get("groups", []):
            for rule in group["rules"]:
                yield Question(path.name, rule.get("alert") or rule["record"], str(rule["expr"]))


#: An alert's expression has an answer while what it warns of holds; a counter, once something was counted.
_QUIET: Final[Mapping[str, str]] = {
    "Jobs that lost their message, found in ten minutes": "none has lost its message",
    "Asked of the ECS agent": "there is none",
    "Tries to tell of a job's end": "nobody asked to be told",
    "What guards found": "no tenant has one",
    "QuarryProcessGone": "every process answers",
    "QuarryNoWorkers": "there is one",
    "QuarryQuotaUsedUp": "nobody waits for five seconds",
    "QuarryWorkersFull": "most slots are free",
    "QuarryJobsWait": "nobody waits for five minutes",
    "QuarryLeasesLost": "none is lost",
}

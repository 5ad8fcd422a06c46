"""CloudWatch's dashboard and alarms read what is written, and nothing that is written goes unseen. That the processes write what
their table says is shown in `tests/integration/test_cloudwatch.py`.
"""

import re

from quarry.telemetry.cloudwatch import PUBLISHED
from tests.support.panels import OURS, dashboard, followed, of_aws, published, shown, watched
from tests.support.processes import ROOT

#: What is written and has no panel, and why that is so: nothing, so far.
NOT_SHOWN: dict[str, str] = {}


def test_what_is_read_is_written() -> None:
    """A panel, or an alarm, on a name that nobody writes would be silent for ever: by namespace, metric and dimensions."""
    assert shown() | watched() <= published() | of_aws()


def test_what_scales_is_written() -> None:
    """By a name that nobody writes, no fleet would ever move again."""
    assert {name.metric for name in followed()} == {"SlotsInUse"}
    assert followed() <= published()


def test_what_is_written_is_shown() -> None:
    """Else it is paid for and read by nobody."""
    assert {name.metric for name in published() - shown()} == set(NOT_SHOWN)


def test_the_list_of_aws_own_metrics_has_no_others() -> None:
    """What nobody reads need not be held to anything."""
    read = {(name.namespace, name.metric) for name in shown() | watched()}
    others = {("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"), ("AWS/ApiGateway", "5xx")}
    assert {(name.namespace, name.metric) for name in of_aws()} == {each for each in read if each[0] != OURS} | others


def test_alarms_read_what_the_api_module_says() -> None:
    """The metric of the API's own errors is said by its two modules."""
    folder = ROOT / "terraform" / "modules" / "producer_service"
    rows = re.findall(
        r'namespace  = "(.+)"\n    metric     = "(.+)"\n    dimensions = \{ (\w+) = ',
        "".join((folder / kind / "outputs.tf").read_text() for kind in ("ecs", "lambda")),
    )
    assert len(rows) == 2
    assert {(namespace, metric, frozenset({name})) for namespace, metric, name in rows} <= {
        (name.namespace, name.metric, name.dimensions) for name in of_aws()
    }


def test_alarms_are_found() -> None:
    """The reader of these files finds what is there: else nothing above would mean anything."""
    assert {name.metric for name in watched() if name.namespace == OURS} == {
        "ModelLatency",
        "ModelCalls",
        "ModelErrors",
        "Throttles",
    }
    assert len(watched()) > 10
    assert len(shown()) > len(PUBLISHED)


def test_panels_lie_beside_each_other() -> None:
    """On a grid of twenty-four columns; none covers another one. What an expression names is in its panel."""
    taken: set[tuple[int, int]] = set()
    for widget in dashboard():
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
        ids = [row[-1]["id"] for row in widget["properties"].get("metrics", []) if isinstance(row[-1], dict) and "id" in row[-1]]
        assert len(set(ids)) == len(ids)
        for row in widget["properties"].get("metrics", []):
            if isinstance(row[0], dict) and "SEARCH" not in row[0]["expression"]:
                assert set(re.findall(r"\b[a-z]\w*", row[0]["expression"])) <= set(ids)

"""One job's trace: `python -m docs.trace` draws it from its record, `python -m docs.trace record` makes the record anew.

The record is what a collector got of one real job: API, worker, queue, table and the simulator as processes of their own. It is
answered in its second attempt: one target throttles, the next one breaks the connection, and later answers.
"""  # noqa: INP001 - beside a script, no package

import sys
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from bench import record

ROOT: Final = Path(__file__).resolve().parents[1]
RECORD: Final = ROOT / "docs" / "reference" / "trace.json"
PICTURE: Final = ROOT / "docs" / "explanation" / "trace.svg"

_WIDTH, _LABELS, _ROW, _TOP = 1000, 330, 24, 46
#: By service and, for what went wrong, by that: told apart without colour too, since the words are beside the bar.
_COLOURS: Final = {"quarry-api": "#4063a8", "quarry-worker": "#2f855a"}
_FAILED: Final = "#c05621"


def main(arguments: Sequence[str]) -> int:
    """Draw, after recording where that is asked for."""
    if arguments == ["record"]:
        head = record.header(0, "python -m docs.trace record")
        record.write(RECORD, head, {"spans": recorded()})
    PICTURE.write_text(drawn(record.read(RECORD)["figures"]["spans"]))
    return 0


def recorded() -> list[dict[str, Any]]:
    """The spans of one job, in the order in which they began; times are milliseconds since the first one did."""
    from tests.support.collector import collecting
    from tests.support.emulator import emulated_aws
    from tests.support.routing import TWO_REGIONS
    from tests.support.simulator import simulating
    from tests.support.stack import provisioned

    directory = Path(tempfile.mkdtemp())
    with emulated_aws(directory) as aws_url, simulating(directory) as simulator, collecting() as collector:
        stack = provisioned(aws_url, directory)
        stack.use(simulator)
        stack.declare(TWO_REGIONS)
        stack.env |= {"QUARRY_TRACING__ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with stack.running_api(), stack.running_worker():
            stack.finished(stack.submit(prompt="The first one warms everything up."))
            simulator.rule(match={"region": "us-east-1"}, act={"error": "ThrottlingException"})
            simulator.rule(match={"region": "us-west-2"}, act={"reset": True}, times=1)
            request_id = stack.submit(prompt="Name three rivers in Europe.", max_attempts=2)
            stack.finished(request_id)
    spans = collector.of_job(request_id)
    first, queue = min(each.began for each in spans), stack.name
    return [
        {
            "name": each.name.replace(queue, "quarry-jobs"),
            "service": each.service,
            "kind": each.kind,
            "span_id": each.span_id,
            "parent_id": each.parent_id,
            "began_ms": round((each.began - first) / 1e6, 2),
            "ended_ms": round((each.ended - first) / 1e6, 2),
            "failed": each.failed,
            "attributes": {
                name: value.replace(queue, "quarry-jobs") if isinstance(value, str) else value
                for name, value in sorted(each.attributes.items())
            },
        }
        for each in spans
    ]


def drawn(spans: Sequence[Mapping[str, Any]]) -> str:
    """The picture, as SVG: a row for each span, below the one that it belongs to. Long silences between attempts are cut short."""
    rows = _nested(spans)
    scale = _Scale(spans)
    height = _TOP + _ROW * len(rows) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        (
            f'<text x="8" y="20" font-weight="bold">One job, {len(spans)} spans, {spans[0]["ended_ms"]:.0f} ms until its 202, '
            f"{max(each['ended_ms'] for each in spans):.0f} ms until it was settled</text>"
        ),
    ]
    parts.append(f'<text x="{_WIDTH - 8}" y="20" text-anchor="end" fill="#4a5568">blue: API, green: worker, orange: failed</text>')
    for x, milliseconds in scale.gaps():
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{height - 8}" stroke="#a0aec0" stroke-dasharray="3 3"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle" fill="#4a5568">{milliseconds:.0f} ms of waiting</text>'
        )
    for i, (depth, span) in enumerate(rows):
        parts += _row(span, depth, _TOP + i * _ROW, scale)
    return "\n".join((*parts, "</svg>", ""))


def _row(span: Mapping[str, Any], depth: int, y: int, scale: "_Scale") -> list[str]:
    left, right = scale.x(span["began_ms"]), scale.x(span["ended_ms"])
    width = max(right - left, 1.5)
    colour = _FAILED if span["failed"] else _COLOURS.get(span["service"], "#718096")
    said = f"{span['ended_ms'] - span['began_ms']:.1f} ms"
    for name in ("error.type", "quarry.outcome", "cloud.region"):
        said += f", {span['attributes'][name]}" if name in span["attributes"] else ""
    beyond = left + width > _WIDTH - 230
    x, anchor = (left - 4, "end") if beyond else (left + width + 4, "start")
    return [
        f'<text x="{8 + 14 * depth}" y="{y + 15}">{escape(span["name"])}</text>',
        f'<rect x="{left:.1f}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 9}" fill="{colour}"/>',
        f'<text x="{x:.1f}" y="{y + 15}" text-anchor="{anchor}" fill="#4a5568">{escape(said)}</text>',
    ]


def _nested(spans: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """The spans with how deep they are, each below the one that it belongs to."""
    known = {each["span_id"] for each in spans}

    def below(parent: str | None, depth: int) -> list[tuple[int, Mapping[str, Any]]]:
        found = [each for each in spans if (each["parent_id"] == parent if parent else each["parent_id"] not in known)]
        return [row for each in found for row in ((depth, each), *below(each["span_id"], depth + 1))]

    return below(None, 0)


class _Scale:
    """From milliseconds to where they are drawn; a silence of more than a tenth of the work takes a tenth of the width."""

    def __init__(self, spans: Sequence[Mapping[str, Any]]) -> None:
        busy: list[list[float]] = []
        for began, ended in sorted((each["began_ms"], each["ended_ms"]) for each in spans):
            if busy and began <= busy[-1][1]:
                busy[-1][1] = max(busy[-1][1], ended)
            else:
                busy.append([began, ended])
        self._busy = busy
        total = sum(ended - began for began, ended in busy)
        self._gap = total / 10
        shown = total + sum(min(gap, self._gap) for gap in self._silences())
        self._per_ms = (_WIDTH - _LABELS - 20) / shown

    def _silences(self) -> list[float]:
        return [after[0] - before[1] for before, after in zip(self._busy, self._busy[1:], strict=False)]

    def x(self, milliseconds: float) -> float:
        """Where an instant is drawn."""
        cut = sum(
            gap - min(gap, self._gap)
            for gap, after in zip(self._silences(), self._busy[1:], strict=False)
            if after[0] <= milliseconds
        )
        return _LABELS + (milliseconds - cut) * self._per_ms

    def gaps(self) -> list[tuple[float, float]]:
        """Silences that are cut short: where their middle is drawn, and how long they are."""
        return [
            (self.x(after[0]) - self._gap * self._per_ms / 2, gap)
            for gap, after in zip(self._silences(), self._busy[1:], strict=False)
            if gap > self._gap
        ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

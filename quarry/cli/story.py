"""The explanation of a job as a person reads it, on 80 columns. Pure: text from the API's JSON."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from textwrap import wrap
from typing import Any, Final

from quarry.sentences import span

_WIDTH: Final = 80
#: Where the sentences of the steps begin: behind an instant and the time since the submission.
_INDENT: Final = " " * 22
#: Parts of the time, and how they are called.
_PARTS: Final = {
    "calls": "in attempts",
    "backoff": "between attempts",
    "waiting": "waiting at no cost",
    "unseen": "with workers that vanished",
    "over": "over, before it was put back",
    "queue": "in the queue",
}


def as_story(told: Mapping[str, Any]) -> str:
    """The whole of it."""
    return "\n".join(_lines(told))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"Job {told['request_id']}: {told['status']}"
    yield from wrap(told["summary"], _WIDTH)
    day = ""
    for step in told["steps"]:
        at = datetime.fromisoformat(step["at"])
        if f"{at:%Y-%m-%d}" != day:
            day = f"{at:%Y-%m-%d}"
            yield from ("", f"{day} (UTC)")
        head = f"{at:%H:%M:%S}  +{span(step['after_seconds'])}".ljust(len(_INDENT))
        yield from wrap(step["says"], _WIDTH, initial_indent=f"{head} ", subsequent_indent=f"{_INDENT} ", break_on_hyphens=False)
        for target in step["targets"]:
            yield from _of_target(target)
    yield ""
    seconds = {name: told["time"][f"{name}_seconds"] for name in ("total", *_PARTS)}
    parts = [f"{span(seconds[name])} {words}" for name, words in _PARTS.items() if seconds[name]]
    yield from _labelled("time", f"{span(seconds['total'])}: {', '.join(parts)}." if parts else "none yet.")
    yield from _labelled("paid", told["paid"]["says"])
    yield from _labelled("to do", told["advice"])


def _of_target(target: Mapping[str, Any]) -> Iterator[str]:
    took = "" if target["skipped"] or target["seconds"] is None else f" ({span(target['seconds'])})"
    text = f"{target['target']}: {target['says']}{took}"
    yield from wrap(text, _WIDTH, initial_indent=f"{_INDENT} - ", subsequent_indent=f"{_INDENT}   ", break_on_hyphens=False)


def _labelled(name: str, text: str) -> Iterator[str]:
    yield from wrap(text, _WIDTH, initial_indent=f"{name:<7}", subsequent_indent=" " * 7, break_on_hyphens=False)

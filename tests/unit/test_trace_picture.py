"""The picture of a trace is drawn from its record, and the page beside it names all that is in it."""

import re

from bench.record import read
from docs.trace import PICTURE, RECORD, ROOT, drawn

SPANS = read(RECORD)["figures"]["spans"]
PAGE = (ROOT / "docs/explanation/tracing.md").read_text()


def test_the_picture_is_the_records() -> None:
    """Else `python -m docs.trace` was forgotten."""
    assert PICTURE.read_text() == drawn(SPANS)


def test_the_record_is_one_trace_through_both_services() -> None:
    """One root, which is the request; every other span has its parent in it."""
    ids = {each["span_id"] for each in SPANS}
    assert [each["name"] for each in SPANS if each["parent_id"] not in ids] == ["POST /v1/jobs"]
    assert {each["service"] for each in SPANS} == {"quarry-api", "quarry-worker"}


def test_the_page_names_every_attribute_of_the_record() -> None:
    """What a span says is documented."""
    told = {name for each in SPANS for name in each["attributes"]}
    assert told - set(re.findall(r"`([a-z_.]+)`", PAGE)) == set()

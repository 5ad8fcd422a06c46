"""Forbidden patterns: where they are looked for, and what is told of what was found."""

import base64
import time
from typing import Any

import pytest

from quarry.guard.patterns import Forbidden, Side, findings
from quarry.guard.texts import Steps, texts_in

SECRET = Forbidden("codename", r"\bproject\s+basilisk\b")


def places(value: Any, *forbidden: Forbidden, side: Side = "input") -> list[Steps]:
    return [each.steps for each in findings(forbidden or (SECRET,), side, texts_in(value))]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(each)) for each in text)


@pytest.mark.parametrize(
    ("value", "steps"),
    [
        ("about Project Basilisk", ()),
        ("PROJECT\u00a0\u200bBASI\u00adLISK", ()),
        ("\uff50\uff52\uff4f\uff4a\uff45\uff43\uff54 \uff42\uff41\uff53\uff49\uff4c\uff49\uff53\uff4b", ()),
        ({"a": [{"text": "x"}, {"text": "project basilisk"}]}, ("a", 1, "text")),
        ([{"text": "project basi"}, {"text": "lisk"}], ()),
        ([{"text": "project basi"}, {"image": {}}, {"text": "lisk"}], ()),
        (["project basi", "lisk"], ()),
        (f"see {tags('project basilisk')}", ()),
        (f"see{tags('project basilisk')}there", ()),
        (f"project {tags('basilisk')}", ()),
        (f"project ba{tags('x')}silisk", ()),
        ([{"text": "project basi"}, {"guardContent": {"text": {"text": "lisk"}}}], ()),
        ([{"text": "project basi"}, {"citationsContent": {"content": [{"text": "l"}, {"text": "isk"}]}}], ()),
        ({"json": {"project basilisk": 1}}, ("json",)),
        ({"source": {"bytes": b64("the project basilisk")}}, ("source", "bytes")),
        ({"a": {"b": [1, None, True, 2.5, {"c": "project basilisk"}]}}, ("a", "b", 4, "c")),
    ],
)
def test_it_is_found_wherever_it_is_written(value: Any, steps: Steps) -> None:
    assert steps in places(value)


@pytest.mark.parametrize(
    "value",
    [
        "projects of basilisks",
        {"source": {"bytes": base64.b64encode(b"\xff\xd8 project basilisk").decode()}},
        {"source": {"bytes": "no base64 !"}},
        [{"text": "project basi"}],
        [{"text": 1}, {"text": None}],
        None,
    ],
)
def test_what_is_not_there_is_not_found(value: Any) -> None:
    assert places(value) == []


def test_a_place_says_nothing_of_the_text() -> None:
    """A member's name may be what is forbidden: the place ends before it."""
    value = {"tools": {"x project basilisk": {"deep": ["project basilisk"]}}}

    assert set(places(value)) == {("tools",)}
    assert set(places({"a": {tags("project basilisk"): "project basilisk"}})) == {("a",)}
    assert all("basilisk" not in str(step) for steps in places(value) for step in steps)


@pytest.mark.parametrize(
    "sent", [b"\xff project basilisk", *("the project basilisk".encode(each) for each in ("utf-16", "utf-16-le", "utf-16-be"))]
)
def test_a_document_of_text_is_looked_at_whatever_its_encoding(sent: bytes) -> None:
    document = {"format": "txt", "source": {"bytes": base64.b64encode(sent).decode()}}

    assert set(places({"document": document})) == {("document", "source", "bytes")}
    assert places({"image": {**document, "format": ["png"]}}) == ([] if sent[:1] > b"\xf0" else [("image", "source", "bytes")])


def test_utf_16_is_read_as_such_where_it_says_so() -> None:
    sent = {"format": "md", "source": {"bytes": base64.b64encode("die Größe".encode("utf-16")).decode()}}

    assert places(sent, Forbidden("a", "größe")) == [("source", "bytes")]


def test_what_is_wrapped_many_times_is_not_many_texts() -> None:
    """Or a small request would be a long search."""
    value: Any = {"text": "a" * 1000}
    for _ in range(50):
        value = {"citationsContent": {"content": [value, {"text": "b"}]}}

    assert sum(len(text) for _, text in texts_in([value])) < 10_000


def test_a_number_is_found_as_it_is_written() -> None:
    """What is true or false is none."""
    number, truth = Forbidden("a", r"\b\d{16}\b"), Forbidden("b", "true|1")

    assert places({"json": {"card": 4111111111111111}}, number) == [("json", "card")]
    assert places({"json": [4111111111111111.5]}, number) == [("json", 0)]
    assert places({"json": True}, truth) == []


def test_capitals_differ_where_that_is_said() -> None:
    assert places("ACME", Forbidden("a", "acme", case_sensitive=True)) == []
    assert places("acme", Forbidden("a", "acme", case_sensitive=True)) == [()]


def test_a_pattern_of_one_side_is_not_looked_for_on_the_other() -> None:
    answer = Forbidden("a", "x", frozenset({"output"}))
    assert (places("x", answer), places("x", answer, side="output")) == ([], [()])


PATTERNS_REFUSED = [
    "(?=x)", r"(x)\1", "(", "x*", "", "a{1001}", "\u200bx", "\ufb01ne", "x" * 1001, "((a{100}){100}){100}", "(a?b?){600}c",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS_REFUSED)
def test_what_cannot_be_looked_for_is_refused(pattern: str) -> None:
    """And nothing of it is written to the standard error."""
    with pytest.raises(ValueError, match=r"is no expression|is a program|can never match|matches an empty text|characters"):
        Forbidden("a", pattern)


@pytest.mark.parametrize("pattern", [r"(a+)+$b", r"(a|a)*c", r"(.*)*x.*x.*y", r"([a-z]+)*\d", r"(a?){200}a{200}b"])
def test_no_expression_hangs(pattern: str) -> None:
    """Python's own `re` would need longer than the universe has for the first of them."""
    sought, began = Forbidden("a", pattern), time.process_time()

    assert places("a" * 100_000, sought) == []
    assert time.process_time() - began < 5

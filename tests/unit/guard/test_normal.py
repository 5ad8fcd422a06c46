"""The form in which patterns are looked for."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.guard.normal import normalised

UNSEEN = "\u200b\u200d\u2060\ufeff\u00ad\u034f\u202e\ufe0f\u180e\u3164\uffa0\U000e0041\x00\x08\x1b\x7f\ud800"


@pytest.mark.parametrize("each", UNSEEN)
def test_what_nobody_sees_is_gone(each: str) -> None:
    assert normalised(f"sec{each}ret") == "secret"


@pytest.mark.parametrize(
    "written",
    [
        "\uff53\uff45\uff43\uff52\uff45\uff54",
        "\U0001d42c\U0001d41e\U0001d41c\U0001d42b\U0001d41e\U0001d42d",
        "\u24e2\u24d4\u24d2\u24e1\u24d4\u24e3",
        "\u017fecret",
        "\U0001d4c8\u212f\U0001d4b8\U0001d4c7\u212f\U0001d4c9",
    ],
)
def test_styled_letters_become_plain_ones(written: str) -> None:
    assert normalised(written) == "secret"


def test_what_is_seen_stays() -> None:
    assert normalised("a\tb\nc d\r\n é 日本 🙂") == "a\tb\nc d\r\n é 日本 🙂"
    assert normalised("\u00a0") == " "


def test_what_keeps_letters_apart_does_not_hide_how_they_join() -> None:
    """An accent after an invisible character belongs to the letter before it."""
    assert normalised("e\u034f\u0301") == "é"


@given(st.text(st.characters()))
def test_it_has_utf_8_and_twice_is_the_same(text: str) -> None:
    once = normalised(text)
    assert once.encode().decode() == once == normalised(once)
    assert unicodedata.is_normalized("NFKC", once)


@given(st.text(st.characters()), st.lists(st.sampled_from(UNSEEN), max_size=5), st.integers(0, 30))
def test_nothing_unseen_changes_it(text: str, unseen: list[str], at: int) -> None:
    """Wherever it is put."""
    assert normalised(text[:at] + "".join(unseen) + text[at:]) == normalised(text)

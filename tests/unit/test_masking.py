"""Masking: each kind in its usual spellings, what only looks like one stays, and no text takes long."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.masking import KINDS, cards_in, is_brazilian_cpf, is_french_nir, is_german_tax_id, masked

#: Published examples of the issuers, and made-up ones with right check digits.
FOUND = {
    "email": ["jo@example.com", "jo.d+tag@mail.example.co.uk", "jürgen@example.de", "X_1%y@a-b.example"],
    "card": ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "340000000000009", "6011000000000004"],
    "fr_nir": ["2 55 08 14 168 025 38", "255081416802538"],
    "br_cpf": ["529.982.247-25", "52998224725"],
    "de_tax_id": ["36574261809", "36 574 261 809"],
    "us_ssn": ["219-09-9999", "078 05 1120"],
    "uk_nino": ["QQ 12 34 56 C".replace("QQ", "AB"), "AB123456C", "ab123456c"],
    "phone": ["+49 30 1234567", "+1 (555) 123-4567", "0049 171 2345678", "030/12345678", "(030) 1234567", "555-234-5678"],
}
#: What stays: wrong check digits, and other numbers.
LEFT = [
    "4111111111111112", "529.982.247-26", "36574261808", "255081416802539", "900-12-3456", "GB123456A", "2026-11-22",
    "12:30:45", "3.14159265", "1,234,567", "v1.2.3", "a@b", "@example.com", "0199a0c0d1e27c3fa4b5c6d7e8f90a1b", "10.0.0.12:8000",
]  # fmt: skip


def is_luhn(text: str) -> bool:
    """Whether the digits of a text, 13 to 19 of them, are right by Luhn's formula, and not all the same: as it is told in words."""
    digits = [int(each) for each in text if each.isdecimal()]
    doubled = (each if i % 2 == 0 else 2 * each - 9 * (each > 4) for i, each in enumerate(reversed(digits)))
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def plain_cards_in(text: str) -> list[tuple[int, int]]:
    """What `cards_in` finds, found without haste: from each group of digits, the longest row of groups that is a card number."""
    found: list[tuple[int, int]] = []
    for run in re.finditer(r"\d(?:[ -]?\d)*", text):
        groups = [(run.start() + each.start(), run.start() + each.end()) for each in re.finditer(r"\d+", run[0])]
        while groups:
            rows = [i for i in range(len(groups)) if is_luhn(text[groups[0][0] : groups[i][1]])]
            if rows:
                found.append((groups[0][0], groups[rows[-1]][1]))
            del groups[: rows[-1] + 1 if rows else 1]
    return found


@given(st.one_of(
    st.text("0123456789 -", max_size=120),
    st.text("01 ", max_size=80),  # where many rows are right
    st.text("59- x\u0663\u00b2\n", max_size=80),
    st.lists(st.sampled_from(["4111 1111 1111 1111", "340000000000009", "4", "12", "0000", "x", "--"])).map(" ".join),
    st.lists(st.sampled_from(["41", "1", "11", "1111", "0", "00", "9"]), max_size=60).map("-".join),
))  # fmt: skip
@settings(max_examples=500)
def test_cards_are_found_as_they_are_without_haste(text: str) -> None:
    """The running sums change nothing but the time."""
    assert list(cards_in(text)) == plain_cards_in(text)


@pytest.mark.parametrize("unit", ["1 ", "0-", "12 ", "4111 1111 1111 1112 "])
def test_card_numbers_take_little_time(unit: str) -> None:
    """Compared to reading the digits one by one, whatever the machine is busy with."""
    text = unit * (20_000 // len(unit))

    def seconds(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    reading = min(seconds(lambda: [int(each) for each in text if each.isdecimal()]) for _ in range(5))
    assert min(seconds(lambda: list(cards_in(text))) for _ in range(5)) < 40 * reading


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_what_is_one_is_masked(kind: str, text: str) -> None:
    """Alone, in a sentence, and at the end of one; with nothing of it left; and not where its kind is not asked for."""
    for around in ("{}", "It is {}, she said.", "[{}].", "a\n{}\nb", "{}; {}"):
        assert masked(around.format(text, text), [kind]) == around.format(f"[{kind}]", f"[{kind}]")
        assert not any(piece in masked(around.format(text, text)) for piece in (text, text[:-2]))
    assert masked(text, []) == text


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert masked(f"It is {text}.") == f"It is {text}."


def test_every_kind_is_tested() -> None:
    assert set(FOUND) == set(KINDS)


@given(st.integers(10**12, 10**18 - 1))
def test_every_card_number_is_found_and_its_neighbours_are_none(body: int) -> None:
    """Exactly one last digit is right, whichever way it is written."""
    right = [f"{body}{last}" for last in range(10) if is_luhn(f"{body}{last}")]
    assert len(right) == 1
    groups = "-".join(right[0][i : i + 4] for i in range(0, len(right[0]), 4))
    assert masked(f"x {groups} y", ["card"]) == "x [card] y"


@given(st.integers(1_000_000_000, 9_999_999_999))
def test_one_check_digit_is_right(body: int) -> None:
    """Of the German number; of the Brazilian, one pair; of the French, one key."""
    assert sum(is_german_tax_id(f"{body}{last}") for last in range(10)) == 1
    assert sum(is_brazilian_cpf(f"{body // 10}{last:02}") for last in range(100)) <= 1
    assert sum(is_french_nir(f"1{body:010}12{key:02}") for key in range(1, 98)) == 1


@given(st.text())
def test_any_text_is_masked_to_what_is_masked(text: str) -> None:
    """Nothing fails, and nothing is found in what was masked."""
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize("unit", ["1", "1 ", "a.", "a@", "a@b.", "+1", "(0", "0-", "A1", "12-", "-", "1.2", "é", "a-a@a-a."])
def test_no_text_takes_long(unit: str) -> None:
    """Four times the text, about four times the time: the bound is far above that, and far below a square."""

    def seconds(length: int) -> float:
        text = unit * (length // len(unit)) + "!"
        began = time.process_time()
        masked(text)
        return time.process_time() - began

    small = min(seconds(10_000) for _ in range(3))
    assert min(seconds(40_000) for _ in range(3)) < max(small, 0.002) * 10

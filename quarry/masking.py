"""Masking what tells of a person: addresses, numbers. Pure, and linear in the length of the text: every repetition is bounded, and
numbers with check digits are looked at as what they are once their shape fits.

It finds shapes, not people: names, street addresses and what is written in words stay. See docs/howto/privacy.md.

The rules, as they are widely known; their documents are named here and were not read for this (November 2026): Luhn: ISO/IEC
7812-1, annex B. US SSN: SSA, POMS RM 10201.035 (no area 000, 666, 9xx; no group 00; no serial 0000). UK NINO: HMRC, NIM39110. DE
identification number: ISO/IEC 7064 MOD 11,10. FR NIR: key 97 minus the number modulo 97, Corsica's 2A and 2B as 19 and 18 (INSEE).
BR CPF: two check digits modulo 11 (Receita Federal).
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

#: A check of the text that a shape fits.
Check = Callable[[str], bool]


def _digits(text: str) -> list[int]:
    return [int(each) for each in text if each.isdecimal()]


def is_german_tax_id(text: str) -> bool:
    """Whether eleven digits are right by ISO 7064 MOD 11,10."""
    *digits, check = _digits(text)
    product = 10
    for each in digits:
        product = ((product + each) % 10 or 10) * 2 % 11
    return len(digits) == 10 and digits[0] != 0 and (11 - product) % 10 == check


def is_french_nir(text: str) -> bool:
    """Whether thirteen places and their key fit."""
    plain = re.sub(r"[ .]", "", text.upper()).replace("2A", "19", 1).replace("2B", "18", 1)
    return len(plain) == 15 and plain.isdecimal() and 97 - int(plain[:13]) % 97 == int(plain[13:])


def is_brazilian_cpf(text: str) -> bool:
    """Whether eleven digits end in their two check digits, and are not all the same."""
    digits = _digits(text)

    def check(count: int) -> int:
        return sum(each * (count + 1 - i) for i, each in enumerate(digits[:count])) * 10 % 11 % 10

    return len(digits) == 11 and len(set(digits)) > 1 and digits[9:] == [check(9), check(10)]


def is_phone(text: str) -> bool:
    """Whether there are at least as many digits as a telephone number has. There may be more: two of them in a row."""
    return len(_digits(text)) >= 7


#: From where to where something is in a text.
Span = tuple[int, int]
_RUN: Final = re.compile(r"\d(?:[ -]?\d){12,}")
_GROUP: Final = re.compile(r"\d+")
_CARD_DIGITS: Final = (13, 19)
#: Digit → the digits' sum of its double.
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def cards_in(text: str) -> Iterator[Span]:
    """Card numbers, also where other numbers stand beside them: each begins and ends where a group of digits does."""
    for run in _RUN.finditer(text):
        is_card = _luhn([int(each) for each in run[0] if each.isdecimal()])
        # Digits before → where in the text a group begins or ends.
        begins, ends, count = dict[int, int](), dict[int, int](), 0
        for begin, end in (group.span() for group in _GROUP.finditer(text, *run.span())):
            begins[count] = begin
            count += end - begin
            ends[count] = end
        done = 0
        for first, begin in begins.items():
            if first < done:
                continue
            # The longest: the first groups of a card number may be right by chance.
            least, most = _CARD_DIGITS
            for last in range(first + most, first + least - 1, -1):
                if last in ends and is_card(first, last):
                    yield begin, ends[last]
                    done = last
                    break


def _luhn(digits: list[int]) -> Callable[[int, int], bool]:
    """Whether those from one up to another are right by Luhn's formula, and not all the same.

    Each answer takes the same short time, by sums up to each place: one row of them doubles the odd places, one the even ones.
    """
    even, odd = ([0, *accumulate(each if i % 2 == plain else _DOUBLED[each] for i, each in enumerate(digits))] for plain in (0, 1))
    # Up to each place, how often the digit changed.
    changes = [0, 0, *accumulate(a != b for a, b in pairwise(digits))]

    def is_right(first: int, last: int) -> bool:
        sums = odd if last % 2 == 0 else even  # the last digit is not doubled
        return (sums[last] - sums[first]) % 10 == 0 and changes[last] > changes[first + 1]

    return is_right


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of what is masked: its shape, and what must hold of it."""

    shape: re.Pattern[str]
    holds: Check = lambda _: True

    def __call__(self, text: str) -> Iterator[Span]:
        """Where it is."""
        return (found.span() for found in self.shape.finditer(text) if self.holds(found[0]))


#: Kind → how it is found, in the order in which they are looked for: what has check digits first.
KINDS: Final[Mapping[str, Callable[[str], Iterator[Span]]]] = {
    "email": Pattern(re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")),
    "card": cards_in,
    "fr_nir": Pattern(
        re.compile(r"(?<!\w)[12][ .]?\d{2}[ .]?\d{2}[ .]?(?:\d{2}|2[ABab])[ .]?\d{3}[ .]?\d{3}[ .]?\d{2}(?!\w)"), is_french_nir
    ),
    "br_cpf": Pattern(re.compile(r"(?<!\d)\d{3}\.?\d{3}\.?\d{3}-?\d{2}(?!\d)"), is_brazilian_cpf),
    "de_tax_id": Pattern(re.compile(r"(?<!\d)\d{2} ?\d{3} ?\d{3} ?\d{3}(?!\d)"), is_german_tax_id),
    "us_ssn": Pattern(re.compile(r"(?<!\d)(?!000|666|9)\d{3}([ -])(?!00)\d{2}\1(?!0000)\d{4}(?!\d)")),
    "uk_nino": Pattern(
        re.compile(
            r"(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)", re.IGNORECASE
        )
    ),
    "phone": Pattern(
        re.compile(
            r"(?<![\w.])(?:\+|00)\d{1,3}(?:[ ().\/-]{0,2}\d){6,40}(?!\d)"  # international
            r"|(?<![\w.])\(?0\d{1,5}\)?[ .\/-]{1,2}\d(?:[ .\/-]?\d){4,40}(?!\d)"  # national, with its trunk 0
            r"|(?<![\w.])\(?[2-9]\d{2}\)?[ .-]{1,2}[2-9]\d{2}[ .-]\d{4}(?!\d)"  # North America
        ),
        is_phone,
    ),
}
ALL: Final = tuple(KINDS)


def masked(text: str, kinds: Collection[str] = ALL) -> str:
    """The text, with `[email]`, `[card]` and so on in the place of what was found."""
    for kind, find in KINDS.items():
        if kind in kinds:
            text = "".join(_pieces(text, kind, find(text)))
    return text


def _pieces(text: str, kind: str, spans: Iterator[Span]) -> Iterator[str]:
    at = 0
    for begin, end in spans:
        yield text[at:begin]
        yield f"[{kind}]"
        at = end
    yield text[at:]

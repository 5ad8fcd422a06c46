"""The form of a text in which patterns are looked for, so that a word cannot be hidden by how it is written. Pure.

Compatibility forms (wide, styled and ligated letters) become plain ones, and what nobody sees is gone. Letters of another script
that look the same stay what they are.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

#: What is never shown: Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 16.0 (soft hyphen, zero-width spaces and
#: joiners, direction marks, variation selectors, fillers, tags); beside them halves of pairs, and control characters that are no
#: white space.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ud800-\udfff]"
)

#: Tags, which nobody sees and some models read as the ASCII that they repeat. Source: block E0000 of The Unicode Standard 16.0.
_TAGS: Final = {0xE0000 + each: each for each in range(0x20, 0x7F)}
_UNTAGGED: Final = re.compile("[^\U000e0020-\U000e007e]+")


def readings(text: str) -> Iterator[str]:
    """A text normalised, as it may be read: where it has tags, without them, with them as letters, and them alone."""
    yield normalised(text)
    if not text.isascii() and (tags := _UNTAGGED.sub("", text)):
        yield normalised(text.translate(_TAGS))
        yield normalised(tags.translate(_TAGS))


def normalised(text: str) -> str:
    """NFKC, without what nobody sees. It has UTF-8, and done twice it is the same."""
    seen = _UNSEEN.sub("", text)
    # Removed before, since it keeps letters apart that NFKC would join, and after, since NFKC makes some of it.
    return seen if seen.isascii() else _UNSEEN.sub("", unicodedata.normalize("NFKC", seen))

"""Canaries: random words that stand for what nobody but its owner may see, and a search that finds them, however written."""

import base64
import re
import secrets
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

#: So many characters of one in a row are a leak: a cut, a prefix or a line break in the middle hides none.
PIECE: Final = 12
_LENGTH: Final = 36
_ALPHABET: Final = string.ascii_lowercase + string.digits
#: What a text may be encoded in leaves runs of these.
_RUNS: Final = re.compile(rb"[A-Za-z0-9+/_-]{%d,}" % PIECE)
#: Of a piece in base64: what is the same wherever the piece begins in the text around it.
_BASE64_PIECE: Final = PIECE * 4 // 3 - 4


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said where others may read it: where, what, and the canaries that may be in it."""

    where: str
    what: bytes
    rightful: frozenset[str] = frozenset()


@dataclass
class Canaries:
    """Those of one test, by what they stand for."""

    by_name: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """The canary of that name, the same each time."""
        if name not in self.by_name:
            self.by_name[name] = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        return self.by_name[name]

    def add(self, name: str, secret: str) -> str:
        """Watch a secret that somebody else made."""
        self.by_name[name] = secret
        return secret

    def leaks(self, said: Sequence[Said]) -> list[str]:
        """What was found where it may not be, a sentence for each place and canary."""
        forms = self._forms()
        lengths = sorted({len(form) for form in forms})
        found: dict[str, str] = {}
        for each in said:
            for name, form, run in _found(each.what, forms, lengths):
                if name not in each.rightful:
                    found.setdefault(f"{name} in {each.where}", f"{form} in …{run[:200].decode(errors='replace')}…")
        return [f"{what}: {how}" for what, how in found.items()]

    def _forms(self) -> dict[bytes, str]:
        """Every piece of every canary in every encoding, lower case where case means nothing, and whose it is."""
        return {form: name for name, secret in self.by_name.items() for form in _pieces(secret.encode())}


def _pieces(secret: bytes) -> Iterator[bytes]:
    for i in range(len(secret) - PIECE + 1):
        piece = secret[i : i + PIECE]
        yield piece.lower()
        yield piece.hex().encode()
        for shift in range(3):
            # What stands before and behind it in the text changes the first and last characters.
            coded = base64.b64encode(b"\0" * shift + piece)[4 if shift else 0 :]
            for form in (coded, coded.translate(bytes.maketrans(b"+/", b"-_"))):
                yield form[:_BASE64_PIECE]


def _found(what: bytes, forms: dict[bytes, str], lengths: Sequence[int]) -> Iterator[tuple[str, str, bytes]]:
    for run in {found[0] for found in _RUNS.finditer(what)}:
        for text in {run, run.lower()}:
            for length in lengths:
                for i in range(len(text) - length + 1):
                    if (name := forms.get(text[i : i + length])) is not None:
                        yield name, text[i : i + length].decode(), text[max(0, i - 60) :]

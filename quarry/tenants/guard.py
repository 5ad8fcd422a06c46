"""What a tenant's texts may hold: `guard` in `tenants.toml`. A new bound is a row, and a member of the dataclass."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from quarry.guard.measures import FREE, Bounds
from quarry.guard.patterns import PROGRAM_MAX, Action, Forbidden, Side
from quarry.invocation import Guardrail
from quarry.toml_fields import FLAG, TEXT, Field, Kind, Wrong, checked, list_of, named, one_of, table, whole

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
#: Our own choice: each costs a search of every text.
_FORBIDDEN_MAX: Final = 100
#: And this is what all of them may cost at worst.
_PROGRAMS_MAX: Final = 5 * PROGRAM_MAX
_SIDES: Final[Mapping[str, frozenset[Side]]] = {
    "input": frozenset({"input"}),
    "output": frozenset({"output"}),
    "both": frozenset({"input", "output"}),
}


@dataclass(frozen=True, slots=True)
class Guard:
    """What holds for a tenant's texts."""

    #: Patterns, as listed.
    forbidden: tuple[Forbidden, ...] = ()
    #: Bedrock's, by region: every call passes one.
    guardrails: Mapping[str, Guardrail] = field(default_factory=dict)
    #: How much a submission may hold.
    bounds: Bounds = FREE

    @property
    def withholds(self) -> bool:
        """Whether an answer may have to be withheld once it is whole, so that nothing of it is shown before."""
        return any("output" in each.sides and each.action == "refuse" for each in self.forbidden)

    @property
    def weight(self) -> int:
        """What a search of a text costs at worst, for each character: instructions of RE2's."""
        return sum(each.program for each in self.forbidden)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"is {name[:80]!r}, and must be a name: a-z, then up to 63 of a-z, 0-9, - and _")
    return name


FORBIDDEN: Final[Mapping[str, Field]] = {
    "name": Field(checked(TEXT, _name, "name"), "What callers and flags are told: never the text.", required=True),
    "pattern": Field(
        TEXT,
        "A regular expression in RE2's syntax: without look-around and back-references. It is looked for anywhere.",
        required=True,
    ),
    "where": Field(one_of(*_SIDES), "Which texts: what is submitted (the default), what is answered, or both."),
    "action": Field(
        one_of("refuse", "flag"),
        "`refuse` (the default): a submission is refused, an answer is withheld; `flag`: the job says the name in `flags`.",
    ),
    "case_sensitive": Field(FLAG, "Whether capitals and small letters differ; as a rule they do not."),
}


def _forbidden(name: str, pattern: str, where: str = "input", action: Action = "refuse", case_sensitive: bool = False) -> Forbidden:
    try:
        return Forbidden(name, pattern, _SIDES[where], action, case_sensitive)
    except ValueError as error:
        raise Wrong.of(str(error), "pattern") from error


def _each_once(forbidden: tuple[Forbidden, ...]) -> tuple[Forbidden, ...]:
    names = [each.name for each in forbidden]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names {', '.join(repeated)} twice")
    if len(names) > _FORBIDDEN_MAX:
        raise ValueError(f"has {len(names)} patterns, and may have {_FORBIDDEN_MAX}")
    if (programs := sum(each.program for each in forbidden)) > _PROGRAMS_MAX:
        raise ValueError(f"is {programs:,} instructions of RE2's in all, and may be {_PROGRAMS_MAX:,}; repeat less")
    return forbidden


#: Source: `GuardrailIdentifier` and `GuardrailVersion` of Bedrock Runtime's service model in botocore 1.43.117 (November 2026).
_GUARDRAIL_ID: Final = re.compile(r"[a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+")
_GUARDRAIL_VERSION: Final = re.compile(r"[1-9][0-9]{0,7}|DRAFT")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


def _guardrail_id(text: str) -> str:
    if not _GUARDRAIL_ID.fullmatch(text):
        raise ValueError(f"is {text[:80]!r}, and must be a guardrail's id or ARN")
    return text


def _guardrail_version(text: str) -> str:
    if not _GUARDRAIL_VERSION.fullmatch(text):
        raise ValueError(f"is {text[:80]!r}, and must be a version's number as text, or DRAFT")
    return text


def _require_region(name: str) -> None:
    if not _REGION.fullmatch(name):
        raise ValueError("is no region's name, such as us-east-1")


GUARDRAIL: Final[Mapping[str, Field]] = {
    "id": Field(checked(TEXT, _guardrail_id, "text"), "Its id or ARN; of this region.", required=True),
    "version": Field(checked(TEXT, _guardrail_version, "text"), 'Such as "1"; "DRAFT" changes under your feet.', required=True),
    "trace": Field(FLAG, "Whether Bedrock's answers tell what it did: for the operator's own logs at AWS. As a rule, they do not."),
}


def _guardrail(region: str) -> Kind[Guardrail]:
    def make(id: str, version: str, trace: bool = False) -> Guardrail:  # noqa: A002 - the field's name
        if id.startswith("arn:") and id.split(":")[3] != region:
            raise Wrong.of(f"is a guardrail of {id.split(':')[3]}, and must be one of {region}", "id")
        return Guardrail(region, id, version, trace)

    return table(GUARDRAIL, make)


#: Above what any request may have.
_MOST: Final = 100_000_000

BOUNDS: Final[Mapping[str, Field]] = {
    "max_messages": Field(whole(1, 100_000), "No submission may have more messages."),
    "max_blocks": Field(whole(1, 1_000_000), "Nor more content blocks, those in tools' results counted."),
    "max_text_characters": Field(whole(1, _MOST), "No one text may be longer."),
    "max_total_characters": Field(whole(1, _MOST), "Nor all texts of a submission together."),
    "max_attachments": Field(whole(0, 10_000), "Images, documents, videos and audio in Converse blocks. 0: none."),
    "max_attachment_bytes": Field(
        whole(1, _MOST), "Of each of them, decoded. One that lies in S3 is then refused: nobody knows its size."
    ),
    "allow_images": Field(FLAG, "Whether Converse blocks may hold images; as a rule they may."),
    "allow_documents": Field(FLAG, "The same of documents."),
    "allow_native": Field(FLAG, "Whether native bodies are taken; as a rule they are. What is attached to one is not counted."),
}


def _guard(forbidden: tuple[Forbidden, ...] = (), guardrails: Mapping[str, Guardrail] | None = None, **bounds: Any) -> Guard:
    return Guard(forbidden, guardrails or {}, Bounds(**bounds))


GUARD: Final[Mapping[str, Field]] = {
    **BOUNDS,
    "forbidden": Field(
        checked(list_of(table(FORBIDDEN, _forbidden), "list of tables"), _each_once),
        "Patterns: `[[tenants.NAME.guard.forbidden]]`. Those of `[default]` hold where a tenant lists none of its own.",
    ),
    "guardrails": Field(
        named(_require_region, _guardrail, "tables by region"),
        "Bedrock's guardrails: `[tenants.NAME.guard.guardrails.REGION]`. Every call passes one; a target without one is not asked.",
    ),
}
GUARD_TABLE: Final = table(GUARD, _guard)

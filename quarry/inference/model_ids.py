"""What kind of thing a Bedrock `modelId` names, as far as the id itself says. Pure: nothing is asked of AWS.

Sources: the patterns of `modelId` and of the ARNs in botocore 1.43.117 (`bedrock-runtime/2023-09-30` and `bedrock/2023-04-20`), and
for the prefixes of inference profiles the reference of AWS CDK (`CrossRegionInferenceProfileRegion`, 2.275.0-alpha); all read in
November 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import Final

#: The first part of a foundation model's id. Our knowledge (November 2026); an id of a provider that came later passes too.
VENDORS: Final = (
    "ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral", "moonshot", "moonshotai",
    "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "zai",
)  # fmt: skip
#: The prefix of a profile that may be served in any commercial region.
GLOBAL: Final = "global"
#: Prefixes of system-defined inference profiles. `ca` is not in CDK's list, but in those that are published of profiles. Another
#: prefix is known by the vendor after it.
GEOGRAPHIES: Final = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", GLOBAL})


class Kind(StrEnum):
    """What a model id names, in words."""

    FOUNDATION_MODEL = "foundation model"
    GEOGRAPHIC_PROFILE = "geographic inference profile"
    GLOBAL_PROFILE = "global inference profile"
    APPLICATION_PROFILE = "application inference profile"
    PROMPT_ROUTER = "prompt router"
    PROVISIONED = "provisioned throughput"
    CUSTOM_MODEL = "custom model"
    CUSTOM_DEPLOYMENT = "custom model deployment"
    IMPORTED_MODEL = "imported model"
    MARKETPLACE = "marketplace model (SageMaker endpoint)"
    PROMPT = "prompt of Prompt management"
    #: Neither an ARN nor VENDOR.MODEL: botocore's pattern lets a name or an id of one's own pass.
    NAME = "bare name"


#: Those that are served where they are called, and nowhere else: they are, or run on, what stands in one region.
IN_ITS_REGION: Final = frozenset(
    {
        Kind.FOUNDATION_MODEL, Kind.PROVISIONED, Kind.CUSTOM_MODEL, Kind.CUSTOM_DEPLOYMENT, Kind.IMPORTED_MODEL, Kind.MARKETPLACE,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelId:
    """A model id, taken apart. What the id does not say is None."""

    text: str
    kind: Kind
    #: Of a profile: what stands in front of its model, such as `us` or `global`.
    geography: str | None = None
    #: The id of the foundation model that answers, `anthropic.claude-sonnet-4-5-20250929-v1:0`; for a custom model, what it is of.
    foundation_model: str | None = None
    #: Of an ARN.
    region: str | None = None
    account: str | None = None

    @property
    def vendor(self) -> str | None:
        """Who made the foundation model: `anthropic`."""
        return self.foundation_model.partition(".")[0] if self.foundation_model else None

    @property
    def family(self) -> str | None:
        """Vendor and the first word of the model's name: `anthropic.claude`, `amazon.nova`; the vendor where that is no word."""
        if self.foundation_model is None:
            return None
        vendor, _, name = self.foundation_model.partition(".")
        word = re.match(r"[a-z]{2,}", name)
        return f"{vendor}.{word[0]}" if word else vendor


_NAME: Final = r"[a-z0-9-]{1,63}\.[a-z0-9.-]{1,190}(?::[a-z0-9-]{1,63}){0,2}"
_MODEL: Final = re.compile(_NAME)
_BARE: Final = re.compile(r"(?:[0-9a-zA-Z][_-]?)+")
_PREFIX: Final = re.compile(r"[a-z]{2,8}(?:-[a-z]+)?")
_ARN: Final = re.compile(
    r"arn:aws(?:-[^:]+)?:(?P<service>bedrock|sagemaker):(?P<region>[a-z0-9-]{0,20}):(?P<account>(?:[0-9]{12})?):"
    r"(?P<type>[a-z-]+)/(?P<id>.+)"
)
_OWN: Final = r"[a-z0-9]{12}"
_PROFILE: Final = r"[a-zA-Z0-9:.-]+"
#: (service, resource type of the ARN) → what it names, and how its id is written. A profile's kind depends on its prefix.
_RESOURCES: Final[Mapping[tuple[str, str], tuple[Kind, re.Pattern[str]]]] = {
    ("bedrock", "foundation-model"): (Kind.FOUNDATION_MODEL, _MODEL),
    ("bedrock", "inference-profile"): (Kind.GEOGRAPHIC_PROFILE, _MODEL),
    ("bedrock", "application-inference-profile"): (Kind.APPLICATION_PROFILE, re.compile(_PROFILE)),
    ("bedrock", "prompt-router"): (Kind.PROMPT_ROUTER, re.compile(_PROFILE)),
    ("bedrock", "default-prompt-router"): (Kind.PROMPT_ROUTER, re.compile(_PROFILE)),
    ("bedrock", "provisioned-model"): (Kind.PROVISIONED, re.compile(_OWN)),
    ("bedrock", "custom-model"): (Kind.CUSTOM_MODEL, re.compile(rf"(?:imported|(?P<base>{_NAME}))/{_OWN}")),
    ("bedrock", "custom-model-deployment"): (Kind.CUSTOM_DEPLOYMENT, re.compile(_OWN)),
    ("bedrock", "imported-model"): (Kind.IMPORTED_MODEL, re.compile(_OWN)),
    ("bedrock", "prompt"): (Kind.PROMPT, re.compile(r"[0-9a-zA-Z]{10}(?::[0-9]{1,5})?")),
    ("sagemaker", "endpoint"): (Kind.MARKETPLACE, re.compile(r"[a-zA-Z0-9-]+")),
}


@lru_cache(maxsize=1024)
def read_model_id(text: str) -> ModelId:
    """Take a model id apart.

    Raises:
        ValueError: it is none; the message says why, and what it could be.
    """
    if text.startswith("arn:"):
        return _of_arn(text)
    if _MODEL.fullmatch(text):
        return _of_model(text)
    if _BARE.fullmatch(text):
        return ModelId(text, Kind.NAME)
    raise ValueError(f"{text!r} is no model id: neither VENDOR.MODEL, nor a profile of one such as us.VENDOR.MODEL, nor an ARN")


def known_model_id(text: str) -> ModelId | None:
    """The same, for who has nobody to tell: None where it is no model id."""
    try:
        return read_model_id(text)
    except ValueError:
        return None


def misplaced(model: ModelId, region: str) -> str | None:
    """Why a model id cannot be called in a region; None where nothing is known against it."""
    if not model.region or model.region == region:
        return None
    return f"the ARN is of {model.region}, and the target's region is {region}; the two must be the same"


def _of_arn(text: str) -> ModelId:
    arn = _ARN.fullmatch(text)
    known = arn and _RESOURCES.get((arn["service"], arn["type"]))
    if arn is None or known is None:
        types = ", ".join(f"{service}:…:{resource}/…" for service, resource in _RESOURCES)
        raise ValueError(f"{text!r} is no ARN of what can be asked; there are {types}")
    kind, written = known
    found = written.fullmatch(arn["id"])
    if found is None:
        raise ValueError(f"{text!r} is no ARN of a {kind}: {arn['id']!r} is not how its id is written")
    region, account = arn["region"] or None, arn["account"] or None
    if kind not in {Kind.FOUNDATION_MODEL, Kind.GEOGRAPHIC_PROFILE}:
        return ModelId(text, kind, None, found.groupdict().get("base"), region, account)
    named = _of_model(arn["id"])
    if (named.geography is None) is not (kind is Kind.FOUNDATION_MODEL):
        raise ValueError(f"{text!r} is no ARN of a {kind}: {arn['id']!r} names a {named.kind}")
    return replace(named, text=text, region=region, account=account)


def _of_model(text: str) -> ModelId:
    """`VENDOR.MODEL`, perhaps with a profile's prefix; names of models hold dots too (`deepseek.v3.2`)."""
    first, _, rest = text.partition(".")
    second = rest.partition(".")[0] if "." in rest else ""
    if second and (first in GEOGRAPHIES or (second in VENDORS and _PREFIX.fullmatch(first))):
        _refuse_near_misses(text, second)
        kind = Kind.GLOBAL_PROFILE if first == GLOBAL else Kind.GEOGRAPHIC_PROFILE
        return ModelId(text, kind, geography=first, foundation_model=rest)
    _refuse_near_misses(text, first)
    return ModelId(text, Kind.FOUNDATION_MODEL, foundation_model=text)


def _refuse_near_misses(text: str, vendor: str) -> None:
    """A vendor that is none we know may be a new one; one that almost is, is a slip of the pen."""
    if vendor in VENDORS:
        return
    near = [each for each in get_close_matches(vendor, VENDORS, cutoff=0.8) if not vendor.startswith(each)]
    if near:
        raise ValueError(f"{text!r} names the vendor {vendor!r}; did you mean {near[0]!r}?")

"""Where a geographic inference profile may have a prompt processed, by the region it is called from.

Quarry asks no control plane for this: what is shipped is what AWS published of it, and a profile that is not listed proves nothing.

Sources, read in November 2026 as stored copies of the Amazon Bedrock User Guide:

* "Supported Regions and models for inference profiles", as it stood when Claude Opus 4.5 was the newest model on it (the turn of
  the year 2025/26); it had a table of source and destination regions for each profile.
* The model cards of Claude Sonnet 4.5, Haiku 4.5, Sonnet 4.6, Opus 4.6, 4.7, 4.8 and 5.5, Sonnet 5.5 and Haiku 5.5 ("Geo inference
  details"), of 2026. Where they name more than that page, they are followed. The cards of Opus 5 and Sonnet 5 have no such table.

That page also says of a profile that "is tied to a geography (such as US, EU, or APAC), its destination Region list will never
change". Of a global profile it says that its destinations are all commercial regions, and change; so there is none here.

Left out are profiles of models that answer no text: images, video and their embeddings (Stability AI, TwelveLabs).
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

#: Source region → the regions in which a prompt may be processed.
Destinations: TypeAlias = Mapping[str, frozenset[str]]


def _from(sources: str, destinations: str) -> dict[str, frozenset[str]]:
    """From each of these regions, to all of those."""
    return dict.fromkeys(sources.split(), frozenset(destinations.split()))


def _beside(sources: str, core: str) -> dict[str, frozenset[str]]:
    """From each of these regions, to all of `core` and to itself."""
    return {source: frozenset({*core.split(), source}) for source in sources.split()}


def _among(core: str, also: str = "") -> dict[str, frozenset[str]]:
    """From each of `core`, and from those in `also`: to all of `core`, and to itself."""
    return _beside(f"{core} {also}", core)


_US2: Final = "us-east-1 us-west-2"
_US3: Final = "us-east-1 us-east-2 us-west-2"
_EU3: Final = "eu-central-1 eu-west-1 eu-west-3"
_EU4: Final = f"{_EU3} eu-north-1"
_EU6: Final = f"{_EU4} eu-south-1 eu-south-2"
_APAC5: Final = "ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-1 ap-southeast-2"
_APAC6: Final = f"{_APAC5} ap-northeast-3"
_APAC7: Final = f"{_APAC6} ap-south-2"
_APAC8: Final = f"{_APAC7} ap-southeast-4"
_APAC9: Final = f"{_APAC8} ap-southeast-3"
_GOV: Final = "us-gov-east-1 us-gov-west-1"

_US_ALL: Final = _among(_US3, "us-west-1 ca-central-1 ca-west-1")
_US_CENTRAL: Final = _among(_US3, "us-west-1 ca-central-1")
_US_FOUR: Final = _among(_US3, "us-west-1")
_US_THREE: Final = _among(_US3)
_US_OHIO: Final = _among(_US2, "us-east-2")
_EU_ALL: Final = _among(_EU6, "eu-central-2 eu-west-2")
_EU_SIX: Final = _among(_EU6)
_EU_FOUR: Final = _among(_EU4)
_EU_THREE: Final = _among(_EU3)
_EU_NOVA: Final = _among(_EU4, "eu-south-1 eu-south-2") | _from("il-central-1", f"{_EU4} eu-south-1 il-central-1")
_APAC_FAR: Final = _beside("ap-east-2 ap-southeast-3 ap-southeast-5 ap-southeast-7 me-central-1", _APAC9)
_APAC_NOVA_MICRO: Final = _from(_APAC5, _APAC6) | _APAC_FAR
_APAC_NOVA: Final = _APAC_NOVA_MICRO | _from("ap-southeast-4", _APAC8)
_AU: Final = _among("ap-southeast-2 ap-southeast-4")
_AU_NZ: Final = _among("ap-southeast-2 ap-southeast-4", "ap-southeast-6")
_JP: Final = _among("ap-northeast-1 ap-northeast-3")

#: Profile → destinations by source.
PROFILES: Final[Mapping[str, Destinations]] = {
    "us.amazon.nova-2-lite-v1:0": _US_ALL,
    "us.amazon.nova-lite-v1:0": _US_FOUR,
    "us.amazon.nova-micro-v1:0": _US_THREE,
    "us.amazon.nova-premier-v1:0": _US_THREE,
    "us.amazon.nova-pro-v1:0": _US_FOUR,
    "us.anthropic.claude-3-haiku-20240307-v1:0": _US_OHIO,
    "us.anthropic.claude-3-opus-20240229-v1:0": _among(_US2),
    "us.anthropic.claude-3-sonnet-20240229-v1:0": _among(_US2),
    "us.anthropic.claude-3-5-haiku-20241022-v1:0": _US_THREE,
    "us.anthropic.claude-3-5-sonnet-20240620-v1:0": _from(_US3, _US2),
    "us.anthropic.claude-3-5-sonnet-20241022-v2:0": _US_THREE,
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0": _US_THREE,
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": _US_CENTRAL,
    "us.anthropic.claude-haiku-5-5": _US_ALL,
    "us.anthropic.claude-opus-4-20250514-v1:0": _US_THREE,
    "us.anthropic.claude-opus-4-1-20250805-v1:0": _US_THREE,
    "us.anthropic.claude-opus-4-5-20251101-v1:0": _US_CENTRAL,
    "us.anthropic.claude-opus-4-6-v1": _US_ALL,
    "us.anthropic.claude-opus-4-7": _US_ALL,
    "us.anthropic.claude-opus-4-8": _US_ALL,
    "us.anthropic.claude-opus-5-5": _US_ALL,
    "us.anthropic.claude-sonnet-4-20250514-v1:0": _US_FOUR,
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": _US_CENTRAL,
    "us.anthropic.claude-sonnet-4-6": _US_ALL,
    "us.anthropic.claude-sonnet-5-5": _US_ALL,
    "us.cohere.embed-v4:0": _US_FOUR,
    "us.deepseek.r1-v1:0": _US_THREE,
    "us.meta.llama3-1-8b-instruct-v1:0": _US_THREE,
    "us.meta.llama3-1-70b-instruct-v1:0": _US_THREE,
    "us.meta.llama3-1-405b-instruct-v1:0": _from("us-east-2", _US3),
    "us.meta.llama3-2-1b-instruct-v1:0": _US_OHIO,
    "us.meta.llama3-2-3b-instruct-v1:0": _US_OHIO,
    "us.meta.llama3-2-11b-instruct-v1:0": _US_OHIO,
    "us.meta.llama3-2-90b-instruct-v1:0": _US_OHIO,
    "us.meta.llama3-3-70b-instruct-v1:0": _US_THREE,
    "us.meta.llama4-maverick-17b-instruct-v1:0": _US_FOUR,
    "us.meta.llama4-scout-17b-instruct-v1:0": _US_FOUR,
    "us.mistral.pixtral-large-2502-v1:0": _US_THREE,
    "us.writer.palmyra-x4-v1:0": _US_FOUR,
    "us.writer.palmyra-x5-v1:0": _US_FOUR,
    "us-gov.anthropic.claude-3-haiku-20240307-v1:0": _from("us-gov-east-1", _GOV),
    "us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0": _from("us-gov-east-1", _GOV),
    "us-gov.anthropic.claude-3-7-sonnet-20250219-v1:0": _from("us-gov-east-1", _GOV),
    # The page names one destination, the model card two: the more there are, the less is promised.
    "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0": _from(_GOV, _GOV),
    "ca.amazon.nova-lite-v1:0": _among("ca-central-1 ca-west-1"),
    "eu.amazon.nova-2-lite-v1:0": _EU_SIX,
    "eu.amazon.nova-lite-v1:0": _EU_NOVA,
    "eu.amazon.nova-micro-v1:0": _EU_NOVA,
    "eu.amazon.nova-pro-v1:0": _EU_NOVA,
    "eu.anthropic.claude-3-haiku-20240307-v1:0": _EU_THREE,
    "eu.anthropic.claude-3-sonnet-20240229-v1:0": _EU_THREE,
    "eu.anthropic.claude-3-5-sonnet-20240620-v1:0": _EU_THREE,
    "eu.anthropic.claude-3-7-sonnet-20250219-v1:0": _EU_FOUR,
    "eu.anthropic.claude-haiku-4-5-20251001-v1:0": _EU_ALL,
    "eu.anthropic.claude-haiku-5-5": _EU_ALL,
    "eu.anthropic.claude-opus-4-5-20251101-v1:0": _EU_ALL,
    "eu.anthropic.claude-opus-4-6-v1": _EU_ALL,
    "eu.anthropic.claude-opus-4-7": _EU_ALL,
    "eu.anthropic.claude-opus-4-8": _EU_ALL,
    "eu.anthropic.claude-opus-5-5": _EU_ALL,
    "eu.anthropic.claude-sonnet-4-20250514-v1:0": _among(_EU6, "il-central-1"),
    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0": _EU_ALL,
    "eu.anthropic.claude-sonnet-4-6": _EU_ALL,
    "eu.anthropic.claude-sonnet-5-5": _EU_ALL,
    "eu.cohere.embed-v4:0": _EU_SIX,
    "eu.meta.llama3-2-1b-instruct-v1:0": _EU_THREE,
    "eu.meta.llama3-2-3b-instruct-v1:0": _EU_THREE,
    "eu.mistral.pixtral-large-2502-v1:0": _EU_FOUR,
    "apac.amazon.nova-lite-v1:0": _APAC_NOVA,
    "apac.amazon.nova-micro-v1:0": _APAC_NOVA_MICRO,
    "apac.amazon.nova-pro-v1:0": _APAC_NOVA,
    "apac.anthropic.claude-3-haiku-20240307-v1:0": _among(_APAC5),
    "apac.anthropic.claude-3-sonnet-20240229-v1:0": _among(_APAC5),
    "apac.anthropic.claude-3-5-sonnet-20240620-v1:0": _among(_APAC5),
    "apac.anthropic.claude-3-5-sonnet-20241022-v2:0": _among(_APAC6, "ap-south-2"),
    "apac.anthropic.claude-3-7-sonnet-20250219-v1:0": _among(_APAC7),
    "apac.anthropic.claude-sonnet-4-20250514-v1:0": _among(_APAC8) | _APAC_FAR,
    "au.anthropic.claude-haiku-4-5-20251001-v1:0": _AU_NZ,
    "au.anthropic.claude-haiku-5-5": _AU,
    "au.anthropic.claude-opus-4-6-v1": _AU_NZ,
    "au.anthropic.claude-opus-4-7": _AU,
    "au.anthropic.claude-opus-4-8": _AU,
    "au.anthropic.claude-opus-5-5": _AU,
    "au.anthropic.claude-sonnet-4-5-20250929-v1:0": _AU_NZ,
    "au.anthropic.claude-sonnet-4-6": _AU_NZ,
    "jp.amazon.nova-2-lite-v1:0": _from("ap-northeast-1", "ap-northeast-1 ap-northeast-3"),
    "jp.anthropic.claude-haiku-4-5-20251001-v1:0": _JP,
    "jp.anthropic.claude-haiku-5-5": _JP,
    "jp.anthropic.claude-opus-4-7": _JP,
    "jp.anthropic.claude-opus-4-8": _JP,
    "jp.anthropic.claude-opus-5-5": _JP,
    "jp.anthropic.claude-sonnet-4-5-20250929-v1:0": _JP,
    "jp.anthropic.claude-sonnet-4-6": _JP,
}


def destinations(profile: str, source: str) -> frozenset[str] | None:
    """Every region in which a prompt may be processed that is sent to `profile` in `source`; None: nobody has said so."""
    return PROFILES.get(profile, {}).get(source)

"""Residency: in which regions a target may process a prompt, and whether all of them are allowed. Pure.

It is proved or it is not: what nobody knows bars a target as soon as regions are narrowed at all.
"""

from collections.abc import Collection
from typing import Final

from quarry.inference.model_ids import IN_ITS_REGION, VENDORS, Kind, ModelId, known_model_id
from quarry.inference.profiles import destinations
from quarry.inference.routes import RouteTarget

#: Why a target's regions are not known, in words for callers.
_ANYWHERE: Final = "it may process prompts in any commercial region of AWS"
_UNKNOWN: Final = "nothing proves where it processes prompts"


def regions_of(place: RouteTarget) -> frozenset[str] | None:
    """Every region in which a target may process a prompt. Empty: nowhere outside this process; None: nobody can prove it.

    What an operator declared counts where nothing else is known; to what is known it can only add.
    """
    target = place.target
    if target.provider == "echo":
        return place.regions
    if target.provider != "bedrock":
        return place.regions | ({target.region} if target.region else set()) or None
    model = known_model_id(target.model)
    if model is None or model.kind is Kind.GLOBAL_PROFILE:
        return None if model else place.regions or None
    known = _known(model, target.region)
    return place.regions or None if known is None else known | place.regions


def objection(place: RouteTarget, allowed: frozenset[str] | None) -> str | None:
    """Why a target may not serve where prompts have to stay in `allowed`; None where it may. `allowed` is None: they need not."""
    if allowed is None:
        return None
    regions = regions_of(place)
    if regions is None:
        model = known_model_id(place.target.model) if place.target.provider == "bedrock" else None
        return _ANYWHERE if model and model.kind is Kind.GLOBAL_PROFILE else _UNKNOWN
    outside = regions - allowed
    return f"it may process prompts in {_listed(outside)}, which {_verb(outside)} not allowed" if outside else None


def narrowed(*bounds: Collection[str] | None) -> frozenset[str] | None:
    """What all bounds allow; None where there is none. Each bound is None or empty where it allows everything."""
    given = [frozenset(each) for each in bounds if each]
    return frozenset.intersection(*given) if given else None


def _known(model: ModelId, region: str) -> frozenset[str] | None:
    """Where a Bedrock model that is called in `region` may be served, as far as anybody published it."""
    if model.kind in IN_ITS_REGION and not _may_be_a_profile(model):
        return frozenset({region, model.region or region})
    if model.kind is Kind.GEOGRAPHIC_PROFILE:
        return destinations(f"{model.geography}.{model.foundation_model}", region)
    # An application profile or a router may stand for a profile across regions; a bare name says nothing.
    return None


def _may_be_a_profile(model: ModelId) -> bool:
    """Whether an id that was read as VENDOR.MODEL could be PREFIX.VENDOR.MODEL, with a prefix and a vendor that came later."""
    return not model.region and model.vendor is not None and model.vendor not in VENDORS and model.text.count(".") > 1


def _listed(regions: frozenset[str]) -> str:
    *most, last = sorted(regions)
    return f"{', '.join(most)} and {last}" if most else last


def _verb(regions: frozenset[str]) -> str:
    return "is" if len(regions) == 1 else "are"

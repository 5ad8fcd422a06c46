"""The regions of AWS, as the installed botocore knows them: so that a slip of the pen is found before it bars every target."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from botocore.loaders import Loader


@cache
def known_regions() -> frozenset[str]:
    """Of all partitions. A region that is newer than the installed botocore is not among them."""
    # Not at import: most processes never need it.
    partitions = Loader().load_data("endpoints")["partitions"]
    return frozenset(region for partition in partitions for region in partition["regions"])


def unknown_regions(regions: Iterable[str]) -> dict[str, str]:
    """Those of `regions` that there are not, each with a sentence: what it could have been meant to be."""
    return {region: _sentence(region) for region in regions if region not in known_regions()}


def _sentence(region: str) -> str:
    near = get_close_matches(region, known_regions(), n=1)
    return f"is no AWS region that is known here{f'; did you mean {near[0]}?' if near else ''}"

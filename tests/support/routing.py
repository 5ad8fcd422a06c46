"""Routes files for tests, built from targets."""

import json
from typing import Final

MODEL: Final = "amazon.nova-lite-v1:0"
REGIONS: Final = "us-east-1", "us-west-2"


def target(
    region: str = REGIONS[0], *, provider: str = "bedrock", model: str = MODEL, route: str = "default", **more: object
) -> str:
    """One target of a route, as the file has it; without a `region` for providers that have none."""
    place = {"provider": provider, "region": region, "model": model}
    return f"[[routes.{route}.targets]]\n" + _lines({name: value for name, value in place.items() if value} | more)


def route(*targets: str, **settings: object) -> str:
    """The default route over these targets, in this order."""
    return "[routes.default]\n" + _lines(settings) + "".join(targets)


def _lines(settings: dict[str, object]) -> str:
    # What JSON writes of text, numbers and truth, TOML reads.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


#: One model in two regions: the second one serves where the first does not.
TWO_REGIONS: Final = route(*map(target, REGIONS))
FIRST, SECOND = (f"bedrock/{region}/{MODEL}" for region in REGIONS)

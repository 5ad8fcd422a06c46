"""Routes and targets: who can serve a job. `routes_file.py` reads them from `routes.toml`, or there is one built in.

A job names a route, or a model id that some target serves; then those targets are its route.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from quarry.errors import ConfigurationError, ModelNotAllowed
from quarry.invocation import Target

DEFAULT_ROUTE: Final = "default"
#: A geographic inference profile whose member regions are in the United States, so it is built in for callers there only.
BUILT_IN_MODEL: Final = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
#: What a target's `provider` may be without a declaration of its own.
BUILT_IN_PROVIDERS: Final = ("bedrock", "echo")
#: In which order a route's targets are asked: each is a class in `quarry/inference/fallback.py`.
Policy: TypeAlias = Literal["ordered", "ladder", "weighted", "cheapest"]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How a request is changed for one target. `drop` names fields of the submission, `converse` ones after a dot."""

    drop: frozenset[str] = frozenset()
    #: No more than this many tokens are asked for; None: as many as the caller asks for.
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in micro-dollars, as the operator wrote it: prices change, and none is built in."""

    input_usd_micros: int
    output_usd_micros: int


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """A target as one route has it."""

    target: Target
    #: Its share under `weighted`.
    weight: int = 1
    #: Ceilings of the whole fleet; None: as many as it takes. The governor holds to them.
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    #: How long an answer may take, in place of the time that follows from `max_tokens`.
    timeout_seconds: float | None = None
    #: Called as a stream even where nobody listens, so that a stall is told from a slow answer.
    streamed: bool = False
    #: What it can do; None: what its model's family is known to do, and everything where that is not known.
    capabilities: frozenset[str] | None = None
    adapt: Adaptation = Adaptation()
    price: Price | None = None
    #: Where it may process prompts, as the operator declares it: for what nobody else can know.
    regions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DegradedAnswer:
    """What a job is answered when nobody serves it and its deadline is less than `within_seconds` away."""

    text: str
    within_seconds: int


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """An endpoint that is not Bedrock, as `[providers.NAME]` declares it; targets name it as their provider."""

    name: str
    kind: Literal["openai", "sagemaker"]
    base_url: str = ""
    #: Where its key is: a variable of the environment, or a secret in Secrets Manager; None: it takes none.
    api_key_env: str | None = None
    api_key_secret: str | None = None
    #: Where prompts go, as AWS would name it; empty: nowhere that is known, so that no residency can be promised.
    region: str = ""
    #: Prompts and the key may go there in clear, by http, over a network that others may read.
    plaintext: bool = False
    #: File and line of its declaration, for errors; empty: it comes from no file. The same declaration in another line is the same.
    declared_at: str = field(default="", compare=False)

    @property
    def in_clear(self) -> bool:
        """Whether prompts and its key would go there by http, over a network, though `plaintext` does not say that they may."""
        url = urlsplit(self.base_url)
        return url.scheme == "http" and not self.plaintext and not _is_loopback(url.hostname or "")

    @property
    def place(self) -> str:
        """How an error calls its declaration."""
        return f"{self.declared_at}: [providers.{self.name}]".removeprefix(": ")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Route:
    """A name and the targets that serve it. Which of them is asked first, and which next, `policy` says."""

    name: str
    targets: tuple[RouteTarget, ...]
    policy: Policy = "ordered"
    #: After a call that may have been paid and whose answer nobody saw: pay again, or give up.
    on_unknown_outcome: Literal["retry", "fail"] = "retry"
    #: Prompts stay in these; None: wherever its targets are. A job may narrow it further.
    allowed_regions: frozenset[str] | None = None
    degraded: DegradedAnswer | None = None

    @classmethod
    def of(cls, name: str, *targets: Target) -> "Route":
        """A route over these targets, in this order, with nothing else said of them."""
        return cls(name, tuple(RouteTarget(target) for target in targets))


class Routes:
    """All routes of this process. A `Route` that was handed out never changes; what is handed out next may."""

    def __init__(self, routes: Iterable[Route], providers: Iterable[ProviderSpec] = ()) -> None:
        self._by_name = {route.name: route for route in routes}
        self.providers = {provider.name: provider for provider in providers}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._by_name.values())

    def become(self, other: "Routes") -> None:
        """Say from now on what `other` says."""
        self._by_name = {route.name: route for route in other}
        self.providers = other.providers

    def resolve(self, model: str) -> Route:
        """The route that a job's `model` means: a route's name, else a model id that some target serves.

        Raises:
            ModelNotAllowed: neither.
        """
        if model in self._by_name:
            return self._by_name[model]
        of = [route for route in self if any(each.target.model == model for each in route.targets)]
        if not of:
            known = ", ".join(sorted(self._by_name))
            raise ModelNotAllowed(f"no route and no target serves this model; the routes are: {known}")
        serving = {each.target: each for route in of for each in route.targets if each.target.model == model}
        # Whoever would rather fail than pay twice for one of them has not allowed it by another name.
        careful = any(route.on_unknown_outcome == "fail" for route in of)
        return Route(model, tuple(serving.values()), on_unknown_outcome="fail" if careful else "retry")


def built_in(region: str) -> Routes:
    """The route that there is without a file.

    Raises:
        ConfigurationError: there is none for this region; prompts are not sent to another continent unasked.
    """
    if not region.startswith("us-") or region.startswith("us-gov-"):
        raise ConfigurationError(f"QUARRY_ROUTES_FILE is not set, and there is no built-in route for {region}; write a routes.toml")
    return Routes([Route.of(DEFAULT_ROUTE, Target("bedrock", region, BUILT_IN_MODEL))])

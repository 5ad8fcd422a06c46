"""Reading `routes.toml`; `routes_fields.py` says what may stand where.

    [routes.default]
    [[routes.default.targets]]
    provider = "bedrock"
    region = "us-east-1"
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

What is not understood is refused, all of it at once, each fault with its line.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from quarry.inference.residency import objection
from quarry.inference.routes import BUILT_IN_PROVIDERS, DEFAULT_ROUTE, ProviderSpec, Route, Routes, RouteTarget, built_in
from quarry.inference.routes_fields import provider_kind, route_kind
from quarry.toml_fields import Fault, Field, Kind, Wrong, named, nearest, table
from quarry.toml_file import TomlFile
from quarry.toml_lines import Path

VARIABLE: Final = "QUARRY_ROUTES_FILE"

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
#: An endpoint, or one of its inference components. Source: `EndpointName` and `InferenceComponentHeader` in the SageMaker Runtime
#: service model of botocore 1.43.117 (November 2026).
_ENDPOINT_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}(/[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})?")


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError("must be named by lower-case letters, digits and hyphens, a letter first")


def _require_provider_name(name: str) -> None:
    _require_name(name)
    if name in BUILT_IN_PROVIDERS:
        raise ValueError("is the name of a built-in provider; give it another one")


def _file(routes: Mapping[str, Route], providers: Mapping[str, ProviderSpec] | None = None) -> Routes:
    specs = providers or {}
    if DEFAULT_ROUTE not in routes:
        raise Wrong.of(f"needs a route named {DEFAULT_ROUTE!r}: jobs that name no model take it", "routes")
    faults = [fault for route in routes.values() for fault in _misplaced(route, specs)]
    placed = [_at_home(route, specs) for route in routes.values()]
    faults += [fault for route in placed for fault in _abroad(route)]
    if faults:
        raise Wrong(*faults)
    return Routes(placed, specs.values())


def _misplaced(route: Route, specs: Mapping[str, ProviderSpec]) -> Iterator[Fault]:
    """What does not go together with the provider that a target names."""
    for i, each in enumerate(route.targets):
        path: Path = ("routes", route.name, "targets", i)
        spec = specs.get(each.target.provider)
        if spec and each.target.region not in ("", spec.region):
            yield Fault((*path, "region"), f"is that of the provider; write it in [providers.{spec.name}]")
        if spec and spec.kind == "sagemaker" and not _ENDPOINT_NAME.fullmatch(each.target.model):
            yield Fault(
                (*path, "model"), f"is {each.target.model!r}, and must be the name of an endpoint: not its ARN, nor its URL"
            )


def _abroad(route: Route) -> Iterator[Fault]:
    """Targets that could never serve, for their route does not allow all regions in which they may process a prompt."""
    for i, each in enumerate(route.targets):
        if why := objection(each, route.allowed_regions):
            yield Fault(("routes", route.name, "targets", i), f"could never serve, by allowed_regions of its route: {why}")


def _at_home(route: Route, specs: Mapping[str, ProviderSpec]) -> Route:
    """The route, each target where its provider is."""

    def placed(each: RouteTarget) -> RouteTarget:
        spec = specs.get(each.target.provider)
        return replace(each, target=replace(each.target, region=spec.region)) if spec else each

    return replace(route, targets=tuple(placed(each) for each in route.targets))


_FILE: Final = table(
    {
        "routes": Field(
            named(_require_name, route_kind, "tables by name"), "[routes.NAME], one of them named default", required=True
        ),
        "providers": Field(named(_require_provider_name, provider_kind, "tables by name"), "[providers.NAME]"),
    },
    _file,
)


def _read(document: Any) -> Routes:
    # Looked for in what is written, so that it is told even where something else is wrong.
    faults = list(_strangers(document))
    try:
        routes = _FILE.read(document)
    except Wrong as wrong:
        faults += wrong.faults
    if faults:
        raise Wrong(*faults)
    return routes


def _strangers(document: Any) -> Iterator[Fault]:
    """Targets whose provider nobody declares."""
    declared = document.get("providers", {})
    known = [*BUILT_IN_PROVIDERS, *(declared if isinstance(declared, dict) else ())]
    for path, provider in _within(document, "routes", ..., "targets", ..., "provider"):
        if isinstance(provider, str) and provider not in known:
            yield Fault(path, f"is {provider!r}, which is neither built in nor declared{nearest(provider, known)}")


def _within(value: Any, *steps: Any) -> Iterator[tuple[Path, Any]]:
    """What stands at a path, `...` for any name or entry; nothing where the document is of another shape."""
    if not steps:
        yield (), value
        return
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in entries:
        if steps[0] in (..., step):
            for path, found in _within(each, *steps[1:]):
                yield (step, *path), found


ROUTES_FILE: Final = Kind("routes", _read)


def load_routes(
    path: str | None, region: str, is_set: Callable[[str], bool] | None = None, variable: str | None = VARIABLE
) -> Routes:
    """Read `routes.toml`; without a path, the built-in route.

    Args:
        path: Where it is.
        region: Of the built-in route.
        is_set: Whether a variable of the environment holds something; given where keys of providers are needed.
        variable: The setting that names the file; None: whoever is told of faults has named it.

    Raises:
        ConfigurationError: for each fault a sentence that names the file, the line, the place in it and what is wrong.
    """
    if path is None:
        return built_in(region)
    file = TomlFile(variable, path)
    routes = file.read(ROUTES_FILE)
    if is_set and (missing := [fault for spec in routes.providers.values() for fault in _missing(spec, is_set)]):
        raise file.refused(missing)
    placed = [replace(spec, declared_at=file.line(("providers", name))) for name, spec in routes.providers.items()]
    return Routes(routes, placed)


def _missing(spec: ProviderSpec, is_set: Callable[[str], bool]) -> Iterator[Fault]:
    if spec.api_key_env and not is_set(spec.api_key_env):
        yield Fault(
            ("providers", spec.name, "api_key_env"),
            f"names {spec.api_key_env}, which is not set in the environment; set it, or use api_key_secret",
        )

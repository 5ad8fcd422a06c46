"""What `routes.toml` may say: a table of fields for each kind of place in it. A new field is a row, and a member of its dataclass.

Whatever goes wrong inside one target, route or provider is told here; `routes_file.py` looks at the file as a whole.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from quarry.aws import regions_of
from quarry.inference import converse
from quarry.inference.adaptation import CACHE_POINT, EMPTY
from quarry.inference.capabilities import CAPABILITIES
from quarry.inference.model_ids import misplaced, read_model_id
from quarry.inference.routes import (
    Adaptation,
    DegradedAnswer,
    Price,
    ProviderSpec,
    Route,
    RouteTarget,
)
from quarry.invocation import Target
from quarry.settings import base_url
from quarry.store.payloads import INLINE_MAX_BYTES
from quarry.toml_fields import (
    FLAG,
    TEXT,
    Fault,
    Field,
    Kind,
    Wrong,
    checked,
    list_of,
    nearest,
    number,
    one_of,
    table,
    whole,
)

#: In capital letters, as POSIX has them: many a key (`gsk_…`, `hf_…`) would pass for a name else, and be quoted as one.
_ENVIRONMENT_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
#: A name of at most 2,048 characters, or an ARN; source: `SecretIdType` in the Secrets Manager service model of
#: botocore 1.43.117 (November 2026).
_SECRET: Final = re.compile(r"[\x21-\x7e]{1,2048}")
#: Fields of a submission that a target can be asked without, beside those of `converse`.
_DROPPED: Final = (*EMPTY, CACHE_POINT)


def _region(text: str) -> str:
    known = regions_of("ec2")
    if text not in known:
        raise ValueError(f"is {text!r}, which is no region that this SDK knows{nearest(text, sorted(known))}")
    return text


def _capability(text: str) -> str:
    if text not in CAPABILITIES:
        raise ValueError(f"is {text!r}, which is no capability{nearest(text, list(CAPABILITIES))}")
    return text


def _droppable(text: str) -> str:
    members = (name for name in converse.request_shape().members if name not in converse.OWNED_FIELDS)
    known = [*_DROPPED, *(f"converse.{name}" for name in members)]
    if text not in known:
        raise ValueError(f"is {text!r}, which no request can be sent without{nearest(text, known)}")
    return text


def _matching(pattern: re.Pattern[str], reason: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(reason)
        return text

    return check


def _url(text: str) -> str:
    # Before all else: what is told of a URL quotes it, and goes to logs.
    if "@" in text:
        raise ValueError("holds a user or a password; its key is named by api_key_env or api_key_secret")
    try:
        parts = urlsplit(base_url(text))
    except ValueError as error:
        raise ValueError(f"is {text!r}: {error}") from error
    if not text.isprintable() or " " in text:
        raise ValueError(f"is {text!r}: it holds a space, or what cannot be seen")
    try:
        str(parts.hostname).encode("idna")
    except UnicodeError as error:
        raise ValueError(f"is {text!r}: no host is named so") from error
    if parts.query or parts.fragment:
        raise ValueError("must end with a path: no ? and no #")
    return text.rstrip("/")


def _kept_in_a_record(text: str) -> str:
    if len(text.encode()) > INLINE_MAX_BYTES:
        raise ValueError(f"has more than the {INLINE_MAX_BYTES:,} bytes that a job's record keeps of an answer")
    return text


_REGION: Final = checked(TEXT, _region, "region")
_REGIONS: Final = checked(list_of(_REGION, "list of regions", least=1), frozenset)

ADAPT: Final[Mapping[str, Field]] = {
    "drop": Field(
        checked(list_of(checked(TEXT, _droppable), "list of fields"), frozenset),
        "Fields of a submission that this target is asked without: `temperature`, `top_p`, `stop_sequences`, `system`, those of "
        "`converse`, such as `converse.serviceTier`, and `cachePoint`, every such block.",
    ),
    "max_tokens": Field(
        whole(1, 1_000_000), "No more tokens than this are asked of this target. Without it, as many as the caller asks for."
    ),
}

PRICE: Final[Mapping[str, Field]] = {
    "input_usd_per_million_tokens": Field(number(0, 100_000), "What a million tokens of a prompt cost.", required=True),
    "output_usd_per_million_tokens": Field(number(0, 100_000), "What a million tokens of an answer cost.", required=True),
}

DEGRADED: Final[Mapping[str, Field]] = {
    "text": Field(checked(TEXT, _kept_in_a_record), "What the job is answered.", required=True),
    "within_seconds": Field(
        whole(1, 1_036_800), "It is answered so when its deadline is less than this away; until then it waits.", required=True
    ),
}


def _price(input_usd_per_million_tokens: float, output_usd_per_million_tokens: float) -> Price:
    return Price(round(input_usd_per_million_tokens * 1_000_000), round(output_usd_per_million_tokens * 1_000_000))


def _target(provider: str, model: str, region: str = "", **more: Any) -> RouteTarget:
    return RouteTarget(Target(provider, region, model), **more)


def _faults_of_bedrock(written: Mapping[str, Any]) -> Iterator[Fault]:
    """The model id and the region are such as Bedrock has, and go together."""
    if written.get("provider") != "bedrock":
        return
    region, model, known = written.get("region"), written.get("model"), regions_of("bedrock")
    if region is None:
        yield Fault((), "needs region: where Bedrock is called")
    elif isinstance(region, str) and region not in known:
        yield Fault(("region",), f"is {region!r}, where this SDK knows no Bedrock{nearest(region, sorted(known))}")
    if not isinstance(model, str):
        return
    try:
        found = read_model_id(model)
    except ValueError as error:
        yield Fault(("model",), f"cannot be asked: {error}")
    else:
        if isinstance(region, str) and (why := misplaced(found, region)):
            yield Fault(("model",), f"cannot be asked: {why}")


TARGET: Final[Mapping[str, Field]] = {
    "provider": Field(TEXT, "`bedrock`, `echo`, or the name of a provider that the file declares.", required=True),
    "region": Field(
        TEXT, "Where it is called; needed for `bedrock`. For a declared provider it is that of the provider, and not said here."
    ),
    "model": Field(
        TEXT,
        "Any model id of Bedrock: a foundation model, an inference profile, or an ARN, which must be of the target's region. "
        "For `openai` the model as its server calls it; for `sagemaker` the endpoint's name, or `ENDPOINT/COMPONENT` for one of "
        "its inference components.",
        required=True,
    ),
    "weight": Field(whole(0, 1000), "Its share of the jobs, under `weighted` (1). With 0 it is asked when all others failed."),
    "requests_per_minute": Field(whole(1, 10_000_000), "Ceiling on calls of the whole fleet."),
    "tokens_per_minute": Field(
        whole(1, 10_000_000_000),
        "Ceiling on tokens of the whole fleet, prompts and answers together.",
    ),
    "timeout_seconds": Field(
        number(1, 3600), "How long an answer may take. Without it, 60 s and a second for every 10 tokens that may be answered."
    ),
    "streamed": Field(FLAG, "Have the answer streamed even where nobody listens, so that a stall is told from a slow answer."),
    "capabilities": Field(
        checked(list_of(checked(TEXT, _capability), "list of capabilities"), frozenset),
        "All that it [can do](../howto/residency.md#what-a-request-needs), in place of what is known of its model. A job that "
        "needs more skips it.",
    ),
    "adapt": Field(table(ADAPT, Adaptation), "How a request is changed for it."),
    "regions": Field(
        _REGIONS,
        "Where it may process prompts, where only you can know: of an application inference profile, a prompt router, a provider "
        "without a region.",
    ),
    "price": Field(table(PRICE, _price), "What it costs, in US dollars, as you pay it: none is built in. Needed by `cheapest`."),
}


def _route(name: str, targets: tuple[RouteTarget, ...], **more: Any) -> Route:
    route = Route(name, targets, **more)
    faults = list(_faults_of_policy(route))
    for i, each in enumerate(targets):
        if each.target in [before.target for before in targets[:i]]:
            faults.append(Fault(("targets", i), f"is {each.target} again; a target is in a route once"))
    if faults:
        raise Wrong(*faults)
    return route


def _faults_of_policy(route: Route) -> Iterator[Fault]:
    if not any(each.weight for each in route.targets):
        yield Fault(("targets",), "needs a weight above 0: nobody is asked first")
    for i, each in enumerate(route.targets):
        if each.weight != 1 and route.policy != "weighted":
            yield Fault(
                ("targets", i, "weight"), f'means nothing to the policy "{route.policy}"; say policy = "weighted", or drop it'
            )
        if each.price is None and route.policy == "cheapest":
            yield Fault(("targets", i), 'needs a price: the policy "cheapest" compares them')


ROUTE: Final[Mapping[str, Field]] = {
    "policy": Field(
        one_of("ordered", "ladder", "weighted", "cheapest"),
        "In which [order](../explanation/fallback.md) the targets are asked: as they are written (`ordered`), native first "
        "(`ladder`), by chance and weight (`weighted`), by price (`cheapest`).",
    ),
    "on_unknown_outcome": Field(
        one_of("retry", "fail"),
        "After a call that may have been paid and whose answer nobody saw: ask again (`retry`), or let the job fail.",
    ),
    "allowed_regions": Field(
        _REGIONS,
        "Prompts stay in these regions: a target that may [process them elsewhere](../howto/residency.md) is refused. Without it, "
        "in all.",
    ),
    "degraded": Field(
        table(DEGRADED, DegradedAnswer), "An answer for jobs that nobody serves, instead of none. Marked, and counted apart."
    ),
    "targets": Field(
        list_of(table(TARGET, _target, _faults_of_bedrock), "list of tables, each [[routes.NAME.targets]]", least=1),
        "Who serves it: at least one.",
        required=True,
    ),
}


def _provider(name: str, kind: Literal["openai", "sagemaker"], **more: Any) -> ProviderSpec:
    faults = []
    if kind == "openai" and "base_url" not in more:
        faults.append(Fault((), 'needs base_url: kind "openai" is a server of yours, and this says where'))
    if kind == "sagemaker":
        faults += [
            Fault((each,), 'means nothing to kind "sagemaker", which is called with credentials of AWS; drop it')
            for each in ("base_url", "plaintext", "api_key_env", "api_key_secret")
            if each in more
        ]
        if "region" not in more:
            faults.append(Fault((), 'needs region: kind "sagemaker" is called there'))
    if "api_key_env" in more and "api_key_secret" in more:
        faults.append(Fault(("api_key_secret",), "is a second place for the key, beside api_key_env; keep one of them"))
    if faults:
        raise Wrong(*faults)
    return ProviderSpec(name, kind, **more)


PROVIDER: Final[Mapping[str, Field]] = {
    "kind": Field(
        one_of("openai", "sagemaker"),
        "`openai`: a server of that shape (LiteLLM, vLLM, Ollama, OpenAI). `sagemaker`: endpoints of SageMaker.",
        required=True,
    ),
    "base_url": Field(checked(TEXT, _url, "URL"), "Of `openai`: what comes before `/chat/completions`."),
    "region": Field(
        _REGION, "Where prompts are processed; of `sagemaker`, where it is called. Without it, no residency is promised."
    ),
    "plaintext": Field(
        FLAG,
        "Prompts and the key may go there in clear, by http:// over a network. Without it, that is refused but to this machine, "
        "and where `QUARRY_ENVIRONMENT` is `local`.",
    ),
    "api_key_env": Field(
        checked(
            TEXT,
            _matching(
                _ENVIRONMENT_NAME, "must be the name of a variable of the environment, in capital letters, not the key itself"
            ),
        ),
        "The variable of the workers' environment that holds its key.",
    ),
    "api_key_secret": Field(
        checked(TEXT, _matching(_SECRET, "must be the name or the ARN of a secret in Secrets Manager")),
        "The secret in Secrets Manager, by name or ARN, that holds its key.",
    ),
}


def route_kind(name: str) -> Kind[Route]:
    """How the table of a route of this name is read."""
    return table(ROUTE, partial(_route, name))


def provider_kind(name: str) -> Kind[ProviderSpec]:
    """How the declaration of a provider of this name is read."""
    return table(PROVIDER, partial(_provider, name))

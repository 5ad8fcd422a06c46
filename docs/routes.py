"""The generated parts of the page on routes: from the fields that the reader of the file knows, and the kinds of model ids."""  # noqa: INP001 - beside a script, no package

from collections.abc import Mapping

from docs.markdown import table
from quarry.inference import routes_fields
from quarry.inference.model_ids import IN_ITS_REGION, Kind
from quarry.toml_fields import Field

HEADINGS = ("field", "value", "meaning")
#: What an id of each kind looks like; the tests of model ids have one of each.
_WRITTEN: Mapping[Kind, str] = {
    Kind.FOUNDATION_MODEL: "`amazon.nova-lite-v1:0`, or `arn:…:foundation-model/…`",
    Kind.GEOGRAPHIC_PROFILE: "`us.…`, `eu.…`, `apac.…`, `jp.…`, `au.…`, `us-gov.…`, or `arn:…:inference-profile/…`",
    Kind.GLOBAL_PROFILE: "`global.…`, or `arn:…:inference-profile/global.…`",
    Kind.APPLICATION_PROFILE: "`arn:…:application-inference-profile/…`",
    Kind.PROMPT_ROUTER: "`arn:…:prompt-router/…`, `arn:…:default-prompt-router/…`",
    Kind.PROVISIONED: "`arn:…:provisioned-model/…`",
    Kind.CUSTOM_MODEL: "`arn:…:custom-model/…`",
    Kind.CUSTOM_DEPLOYMENT: "`arn:…:custom-model-deployment/…`",
    Kind.IMPORTED_MODEL: "`arn:…:imported-model/…`",
    Kind.MARKETPLACE: "`arn:aws:sagemaker:…:endpoint/…`",
    Kind.PROMPT: "`arn:…:prompt/…`",
    Kind.NAME: "a name or an id without a dot",
}


def fields() -> str:
    """A table for each kind of place in the file."""
    places = {
        "`[routes.NAME]`": routes_fields.ROUTE,
        "`degraded = { … }` of a route": routes_fields.DEGRADED,
        "`[[routes.NAME.targets]]`": routes_fields.TARGET,
        "`adapt = { … }` of a target": routes_fields.ADAPT,
        "`price = { … }` of a target": routes_fields.PRICE,
        "`[providers.NAME]`": routes_fields.PROVIDER,
    }
    return "\n".join(f"### {heading}\n\n{table(HEADINGS, rows_of(rows))}" for heading, rows in places.items())


def rows_of(rows: Mapping[str, Field]) -> list[tuple[str, str, str]]:
    """A row for each field."""
    return [(f"`{name}`{' (needed)' if row.required else ''}", row.kind.shape, row.says) for name, row in rows.items()]


def model_ids() -> str:
    """Every kind of model id, and what the id proves of the place where it is served."""
    rows = [(kind.value, _WRITTEN[kind], "yes" if kind in IN_ITS_REGION else "no") for kind in Kind]
    return table(("kind", "written", "served in the target's region only"), rows)

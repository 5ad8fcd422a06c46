"""The OpenAPI document and `/docs`, both without a network: what FastAPI cannot see in the handlers is said here."""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from producer import quotas
from producer.answers import Problem
from producer.auth.rules import RULES
from producer.headers import POLICY
from producer.problems import HTTP_PROBLEMS, INTERNAL, MEDIA_TYPE, PROBLEMS, UNREADABLE
from producer.requests import Bulk, LookupIds, Submission
from quarry.settings import ApiSettings

_REF: Final = "#/components/schemas/{model}"
_REQUESTS: Final[tuple[type[BaseModel], ...]] = (Submission, Bulk, LookupIds, Problem)

#: Of the API, not of Quarry: which release this is, is nobody's business who has not said who they are.
API_VERSION: Final = "1"
#: Where `fastapi-offline` has Swagger UI.
_ASSETS: Final = "/static-offline-docs"
_SCHEME: Final = "bearer"
_SCHEMES: Final = {
    _SCHEME: {"type": "http", "scheme": "bearer", "description": "An API key or a token: `Authorization: Bearer …`."},
}
#: What stands before every operation: what cannot be read, what is too large, and too many connections. 503 is in all of ours.
_EVERYWHERE: Final = (UNREADABLE.status, 431)

#: Path → the setting that says how large a body may be.
_BODY_LIMITS: Final = {
    "/v1/jobs": "body_max_bytes",
    "/v1/jobs/bulk": "bulk_body_max_bytes",
    "/v1/jobs/lookup": "body_max_bytes",
}

DESCRIPTION: Final = """\
A durable job queue for Amazon Bedrock. Submit a job, keep its `request_id`, and ask for the job until it is terminal
(`completed`, `failed`, `cancelled` or `expired`), best with `wait_seconds`.

Whatever goes wrong is answered with a problem (RFC 9457); programs should look at its `code`.
"""


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """What a handler that reads its body itself says about it: for `openapi_extra`."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, and those that every route has: for `responses`."""
    return {status: _problem(status) for status in sorted({*statuses, 422, INTERNAL.status})}


def document(app: FastAPI, limits: ApiSettings, *, authenticating: bool) -> None:
    """Have the app describe itself: made at the first request for it, then kept. `authenticating`: it asks who is calling."""

    def openapi() -> Mapping[str, Any]:
        if not app.openapi_schema:
            schema = get_openapi(title=app.title, version=API_VERSION, description=DESCRIPTION, routes=app.routes)
            _, models = models_json_schema([(model, "validation") for model in _REQUESTS], ref_template=_REF)
            schema["components"]["schemas"] |= models["$defs"]
            if authenticating:
                schema["components"]["securitySchemes"] = _SCHEMES
            _bound(schema["paths"], limits)
            for path, item in schema["paths"].items():
                for method, operation in item.items():
                    _guard(operation, RULES.get((method.upper(), path)), authenticating=authenticating)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign,assignment]
    content, headers = _page(app.title)

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(content, headers=headers)


def _bound(paths: dict[str, Any], limits: ApiSettings) -> None:
    """Say what the settings bound; and leave out what they leave out."""
    for path, name in _BODY_LIMITS.items():
        paths[path]["post"]["requestBody"]["description"] = f"At most {getattr(limits, name):,} bytes."
    paths["/v1/jobs/lookup"]["post"]["description"] += f" Together: {limits.lookup_max_bytes:,} bytes."
    [wait] = (each for each in paths["/v1/jobs/{request_id}"]["get"]["parameters"] if each["name"] == "wait_seconds")
    wait["schema"]["maximum"] = limits.wait_max_seconds
    if not limits.followers:
        del paths["/v1/jobs/{request_id}/events"]


def _guard(operation: dict[str, Any], rule: object, *, authenticating: bool) -> None:
    """Say of an operation what it asks callers for, and how those are answered who do not bring it."""
    permission = rule if isinstance(rule, str) else ""
    if not permission:
        return
    statuses: tuple[int, ...] = _EVERYWHERE
    if authenticating:
        operation["security"] = [{_SCHEME: []}]
        operation["description"] += f"\n\nPermission: `{permission}`."
        statuses = (*statuses, 401, 403)
    if "requestBody" in operation:
        statuses = (*statuses, 408)
    responses = operation["responses"] | {str(status): _problem(status) for status in statuses}
    operation["responses"] = dict(sorted(responses.items()))


def _page(title: str) -> tuple[bytes, dict[str, str]]:
    """`/docs`. Its policy lets it have what it loads from here, and the one script that is in it, known by its digest."""
    made = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=title,
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
    )
    content = bytes(made.body)
    [script] = re.findall(rb"<script>(.*?)</script>", content, re.DOTALL)
    digest = b64encode(sha256(script).digest()).decode()
    policy = (
        f"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; connect-src 'self'; "
        f"script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self' data:"
    )
    return content, {POLICY: policy}


def _problem(status: int) -> dict[str, Any]:
    kinds = {
        kind.code: kind for kind in (*PROBLEMS.values(), *HTTP_PROBLEMS.values(), UNREADABLE, INTERNAL) if kind.status == status
    }
    said = "; ".join(f"`{kind.code}`: {kind.title.lower()}" for kind in kinds.values())
    answer: dict[str, Any] = {
        "description": said or HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    if status == 429:
        answer["headers"] |= quotas.DOCUMENTED
    return answer

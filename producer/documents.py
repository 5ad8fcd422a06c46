"""The OpenAPI document and `/docs`, both without a network: what FastAPI cannot see in the handlers is said here."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from producer.answers import Problem
from producer.problems import HTTP_PROBLEMS, INTERNAL, MEDIA_TYPE, PROBLEMS
from producer.requests import Bulk, LookupIds, Submission

_REF: Final = "#/components/schemas/{model}"
_REQUESTS: Final[tuple[type[BaseModel], ...]] = (Submission, Bulk, LookupIds, Problem)

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


def document(app: FastAPI) -> None:
    """Have the app describe itself: made at the first request for it, then kept."""

    def openapi() -> Mapping[str, Any]:
        if not app.openapi_schema:
            schema = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
            _, models = models_json_schema([(model, "validation") for model in _REQUESTS], ref_template=_REF)
            schema["components"]["schemas"] |= models["$defs"]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign,assignment]


def _problem(status: int) -> dict[str, Any]:
    kinds = {kind.code: kind for kind in (*PROBLEMS.values(), *HTTP_PROBLEMS.values(), INTERNAL) if kind.status == status}
    said = "; ".join(f"`{kind.code}`: {kind.title.lower()}" for kind in kinds.values())
    answer: dict[str, Any] = {
        "description": said or HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
    if status == 503:
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return answer

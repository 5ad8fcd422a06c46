"""The generated parts of the REST reference: from the routes, and from the schemas of what goes in and out."""  # noqa: INP001 - beside a script, no package

from collections.abc import Iterator

from fastapi.routing import APIRoute

from docs.markdown import table
from producer import answers, explanations, requests
from producer.routes import jobs, probes
from quarry.invocation import Json


def calls() -> str:
    """The calls, with what each answers."""
    rows = []
    for route in (*jobs.router.routes, *probes.router.routes):
        if isinstance(route, APIRoute):
            method = " ".join(route.methods or ())
            codes = sorted({route.status_code or 200, *(int(code) for code in route.responses)})
            rows.append((f"`{method} {route.path}`", route.description.split("\n")[0], ", ".join(f"`{code}`" for code in codes)))
    return table(("call", "does", "answers"), rows)


def submission_fields() -> str:
    """The fields of a submission."""
    return _fields(requests.Submission.model_json_schema())


def query_fields() -> str:
    """The parameters of the calls that take some."""
    parts = (("GET /v1/jobs/{request_id}", requests.GetQuery), ("GET /v1/jobs", requests.ListQuery))
    return "\n".join(f"`{call}`:\n\n{_fields(query.model_json_schema())}" for call, query in parts)


def job_fields() -> str:
    """The fields of a job, with those of its parts."""
    return _fields(answers.JobView.model_json_schema())


def explanation_fields() -> str:
    """The fields of a job's story."""
    return _fields(explanations.ExplanationView.model_json_schema())


def _fields(schema: Json) -> str:
    return table(("field", "value", "meaning"), list(_field_rows(schema, schema.get("$defs", {}))))


def _field_rows(schema: Json, parts: Json, whole: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in schema["properties"].items():
        yield f"`{whole}{name}`", " or ".join(dict.fromkeys(_value(each, parts) for each in _kinds(field))), field["description"]
        for kind in () if whole and name != "fallbacks" else _kinds(field):
            part = parts.get(kind.get("items", kind).get("$ref", "").rpartition("/")[2], {})
            if "properties" in part:
                yield from _field_rows(part, parts, f"{whole}{name}{'[]' if 'items' in kind else ''}.")


def _kinds(field: Json) -> list[Json]:
    """What a field may be, apart from null."""
    return [below for each in field.get("anyOf", [field]) if each.get("type") != "null" for below in each.get("anyOf", [each])]


def _value(kind: Json, parts: Json) -> str:
    """One of these in words."""
    kind = parts[kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind
    if "enum" in kind:
        return ", ".join(f"`{each}`" for each in kind["enum"])
    if kind["type"] == "array":
        return f"list of {_value(kind['items'], parts)}" + (f", at most {kind['maxItems']}" if "maxItems" in kind else "")
    words = {"integer": "number", "boolean": "`true` or `false`", "string": "text"}.get(kind["type"], kind["type"])
    words = "instant" if kind.get("format") == "date-time" else words
    if "minimum" in kind:
        words += f", {kind['minimum']} … {kind.get('maximum', '')}".rstrip()
    most = kind.get("maxLength", kind.get("maxProperties"))
    return words + (f", at most {most} {'characters' if 'maxLength' in kind else 'pairs'}" if most else "")

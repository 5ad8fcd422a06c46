"""Every error of Quarry, brought about in a whole stack: by callers, AWS, models, messages and records that are wrong."""

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

import httpx

from quarry.envelope import Envelope
from tests.support.canaries import Canaries
from tests.support.issuer import b64
from tests.support.keys import with_key
from tests.support.leaks import HOOKS, TENANT, Loud, model_of, routes
from tests.support.processes import Process, eventually, free_port

#: The tenant that may say less than others, and not often.
NARROW_TENANT: Final = "narrow"
#: Fields of a submission that are neither a list of anything nor an object of anything.
FIELDS: Final = (
    "prompt", "messages", "native", "system", "max_tokens", "temperature", "top_p", "stop_sequences", "converse", "stream",
    "allowed_regions", "priority", "deadline_seconds", "max_attempts", "idempotency_key", "model", "custom_id",
)  # fmt: skip
#: Limits that are met once, and then kept to, by the routes on which they are.
LIMITS: Final = ("requests", "tokens")
#: For so long a call is under way whose job has no more time than that.
LATE_SECONDS: Final = 2
#: What an answer has in it that the table shall refuse.
UNRECORDABLE: Final = "not to be recorded"
#: Errors that a model's provider answers with, by the route on which they are met.
REFUSALS: Final[dict[str, dict[str, Any]]] = {
    "throttled": {"error": "ThrottlingException", "headers": {"Retry-After": "60"}},
    "not-ready": {"error": "ModelNotReadyException"},
    "unavailable": {"error": "ServiceUnavailableException"},
    "broken": {"error": "ModelErrorException"},
    "rejected": {"error": "ValidationException"},
    "too-long": {"error": "ValidationException", "message": "Input is too long: "},
    "denied": {"error": "AccessDeniedException"},
    "missing": {"error": "ResourceNotFoundException"},
    "stale": {"error": "ExpiredTokenException", "status": 403},
    "quota": {"error": "ServiceQuotaExceededException"},
}
#: What else is done to calls, by route.
ACTS: Final[dict[str, dict[str, Any]]] = {
    "malformed": {"stop_reason": "malformed_model_output"},
    "timed-out": {"reset": True},
    "paid-once": {"reset": True},
    "slow": {"delay_seconds": 2.0},
    "late": {"delay_seconds": LATE_SECONDS, "error": "ServiceUnavailableException"},
    "unrecordable": {"text": f"{{answer}} {UNRECORDABLE}"},
    "ceiling": {},
}
#: Settings of those routes that have some.
SETTINGS: Final = {"paid-once": 'on_unknown_outcome = "fail"'}


def prepare(it: Loud) -> None:
    """Routes, and what the models behind them do: each says more than it should."""
    words = it.canaries["provider's words"]
    policies = it.stack.directory / "tenants.toml"
    policies.write_text(f"""{HOOKS}
[tenants.{NARROW_TENANT}.limits]
requests_per_minute = 1
[[tenants.{NARROW_TENANT}.guard.forbidden]]
name = "words"
pattern = "{it.canaries["forbidden"]}"
""")
    it.stack.env["QUARRY_TENANTS_FILE"] = str(policies)
    it.stack.declare(routes({name: SETTINGS.get(name, "") for name in (*REFUSALS, *ACTS, *LIMITS)}, it.simulator.url))
    for route, act in REFUSALS.items():
        it.simulator.rule({**act, "message": f"{act.get('message', '')}{words}"}, match={"model": model_of(route)})
    for route, act in ACTS.items():
        said = {"text": act["text"].format(answer=it.canaries["answer"])} if "text" in act else {}
        said |= {"message": words} if "error" in act else {}
        it.simulator.rule(act | said, match={"model": model_of(route)})
    for limit in LIMITS:
        throttle = f"Too many {limit}, please wait before trying again. {words}"
        it.simulator.rule({"error": "ThrottlingException", "message": throttle}, match={"model": model_of(limit)}, times=1)
    # What is refused gives none of the tokens back that were taken for it.
    it.simulator.rule({"error": "ValidationException", "message": words}, match={"model": model_of("tokens")})
    # It quotes the key that it was sent, as some do.
    quoted = f"Incorrect API key provided: {it.canaries['key of a provider']}. {words}"
    it.simulator.rule({"error": "invalid_api_key", "status": 401, "message": quoted}, match={"model": "gpt-oss-120b"})
    it.simulator.rule({"text": it.canaries["answer"]})


def body(c: Canaries, **more: Any) -> dict[str, Any]:
    """A submission with a canary wherever there is room for one."""
    return {
        "messages": [{"role": "user", "content": [{"text": f"Say nothing of {c['message']}"}]}],
        "system": f"You know {c['system']}",
        "stop_sequences": [c["stop sequence"]],
        "converse": {"additionalModelRequestFields": {c["name in converse"]: c["value in converse"]}},
        "metadata": {c["metadata key"]: c["metadata value"]},
        "custom_id": c["custom id"],
        "max_attempts": 1,
        **more,
    }


def no_json(word: str) -> tuple[bytes, ...]:
    """Bodies that are no JSON."""
    return (
        f"{{'{word}'".encode(),
        f'{{"prompt": {word}}}'.encode(),
        f'{{"prompt": "{word}\ud800"}}'.encode("utf-8", "surrogatepass"),
        f'["{word}", NaN]'.encode(),
        f'{{"prompt": "{word}\xff"}}'.encode("latin-1"),
        word.encode(),
    )


def wrong_fields(name: str, value: str, custom_id: str) -> Iterator[dict[str, Any]]:
    """Fields that are not as they should be: of a wrong type, of a wrong shape, too long, or unknown."""
    for field in FIELDS:
        yield {field: [value, {name: value}]}
        yield {field: {name: [value]}}
    for field in ("max_tokens", "temperature", "priority", "stream", "deadline_seconds", "converse", "metadata", "allowed_regions"):
        yield {field: value}
    yield {name: value}
    yield {"custom_id": custom_id * 20}
    yield {"custom_id": f"{custom_id}\0"}
    yield {"idempotency_key": f"{value}\u00fc"}
    yield {"metadata": {name * 2: value}}
    yield {"metadata": {name: [value]}}
    yield {"metadata": {"a": value * 20}}
    yield {"metadata": {f"{name}\0": value}}
    yield {"converse": {name: value}}
    yield {"converse": {"toolConfig": {"tools": [{name: value}]}}}
    yield {"converse": {"toolConfig": {"tools": value}}}
    yield {"native": {name: value, "max_tokens": 10**9}}
    for message in ({name: value}, {"role": value, "content": value}, {"role": "user", "content": [{name: value}]},
                    {"role": "user", "content": [{"image": {"format": value, "source": {"bytes": f"{value}!"}}}]}):  # fmt: skip
        yield {"prompt": None, "messages": [message]}


def no_http(word: str) -> tuple[bytes, ...]:
    """What is no request, or none that can be read."""
    host = "Host: x\r\n"
    lines = (
        word, f"GET /{word} HTTP/9.9", f"GET / HTTP/1.1\r\n{word}", f"GET /{word}?{word} HTTP/1.1\r\n{host}Connection: close",
        f"GET / HTTP/1.1\r\n{host}X-A: {word}\0", f"POST / HTTP/1.1\r\n{host}Content-Length: {word}",
        f"POST /v1/jobs HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n{word}",
        f"GET / HTTP/1.1\r\n{host}X-A: {word * 600}",
    )  # fmt: skip
    return tuple(f"{line}\r\n\r\n".encode() for line in lines)


def has(code: str, answer: httpx.Response) -> None:
    """It is a problem of that code."""
    assert answer.status_code >= 400, answer.text
    assert answer.json()["code"] == code, answer.text


def refused(it: Loud, api: httpx.Client) -> None:
    """What callers get wrong: bodies, queries, headers, paths, and what is no HTTP."""
    c, prompt = it.canaries, {"prompt": it.canaries["prompt"]}

    def post(content: Any, kind: str = "application/json", path: str = "/v1/jobs") -> httpx.Response:
        return api.post(path, content=content, headers={"content-type": kind})

    for content in no_json(c["in no JSON"]):
        for path in ("/v1/jobs", "/v1/jobs/bulk", "/v1/jobs/lookup"):
            has("invalid_json", post(content, path=path))
    wrong = list(wrong_fields(c["field name"], c["value"], c["custom id"]))
    for each in wrong:
        has("invalid_request", api.post("/v1/jobs", json=prompt | each))
    # What cannot be kept is refused as a whole.
    many = [prompt | each for each in wrong if "\\u0000" not in json.dumps(each)]
    assert api.post("/v1/jobs/bulk", json={"jobs": many}).status_code == 202
    has("invalid_request", api.post("/v1/jobs", json=prompt | {"allowed_regions": ["eu-west-1"]}))
    guarded = {"guardrailConfig": {"guardrailIdentifier": c["guardrail"], "guardrailVersion": "1"}}
    has("invalid_request", api.post("/v1/jobs", json=body(c, model="chat", converse=guarded)))
    has("model_not_allowed", api.post("/v1/jobs", json=prompt | {"model": c["model"]}))
    has("unsupported_media_type", post(c["prompt"], f"text/{c['header Content-Type']}"))
    has("payload_too_large", post(c["prompt"] * 40_000))
    for name in (c["name in a query"], "limit", "status", "created_after", "cursor"):
        has("invalid_request", api.get(f"/v1/jobs?{name}={c['value in a query']}"))
    has("forbidden", api.post("/v1/jobs", json=prompt, headers=with_key(it.reader)))
    wrong_places(it, api)
    limited(it, api)
    for port in (api.base_url.port or 0, it.metrics_ports["producer"]):
        for line in no_http(c["bytes"]):
            it.raw(port, line)


def limited(it: Loud, api: httpx.Client) -> None:
    """What a tenant must not say, and more than it may."""
    narrow = it.as_tenant(NARROW_TENANT)
    forbidden = {"prompt": f"Do say {it.canaries['forbidden']}", "system": it.canaries["system"]}
    has("content_refused", api.post("/v1/jobs", json=forbidden, headers=narrow))
    prompt = {"prompt": it.canaries["prompt"]}
    eventually(lambda: api.post("/v1/jobs", json=prompt, headers=narrow).status_code == 429)


def wrong_places(it: Loud, api: httpx.Client) -> None:
    """Jobs and paths that are not there, keys that are taken, jobs that are over."""
    c, prompt = it.canaries, {"prompt": it.canaries["prompt"]}
    bad, keyed = [(b"Idempotency-Key", f"{c['bad key']}\u00fc".encode("latin-1"))], {"Idempotency-Key": c["idempotency key"]}
    has("invalid_request", api.post("/v1/jobs", json=prompt, headers=bad))
    made = api.post("/v1/jobs", json=prompt, headers=keyed).json()["request_id"]
    has("idempotency_conflict", api.post("/v1/jobs", json=prompt | {"max_tokens": 7}, headers=keyed))
    assert api.post("/v1/jobs", json=prompt, headers=keyed).status_code == 202
    has("invalid_request", api.get(f"/v1/jobs/{made}/events", headers={"Last-Event-ID": c["event id"]}))
    has("invalid_request", api.get(f"/v1/jobs/{made}?wait_seconds={c['value in a query']}"))
    over = api.post("/v1/jobs", json=prompt).json()["request_id"]
    it.change(over, "SET #status = :status", {":status": {"S": "completed"}})
    has("not_cancellable", api.post(f"/v1/jobs/{over}/cancel"))
    for path in (f"/v1/jobs/{c['path']}", f"/v1/jobs/{c['path']}/explanation", f"/v1/jobs/{c['path']}/events"):
        has("job_not_found", api.get(path))
    has("job_not_found", api.post(f"/v1/jobs/{c['path']}/cancel"))
    has("job_not_found", api.delete(f"/v1/jobs/{c['path']}"))
    assert api.delete(f"/v1/jobs/{made}").is_success
    for path in (f"/{c['path']}", f"/v1/{c['path']}", f"/v1/jobs/{made}/{c['path']}"):
        has("not_found", api.get(path))
    has("method_not_allowed", api.put("/v1/jobs", json=prompt))
    assert api.request(c["method"].upper(), "/v1/jobs").status_code == 405
    assert api.post("/v1/jobs/lookup", json={"request_ids": [c["id of no job"], made]}).status_code == 200


def unknown(it: Loud, api: httpx.Client) -> None:
    """Credentials that do not hold, and an issuer that is away."""
    c = it.canaries

    def shown(credential: str, code: str = "unauthenticated") -> None:
        has(code, api.get("/v1/jobs", headers=[(b"Authorization", credential.encode("latin-1"))]))

    sound = it.issuer.token(it.issuer.claims(tenant=TENANT, sub="ada", padding=c["claim"]))
    c.add("token", sound)
    # It was away when the API began.
    shown(f"Bearer {it.issuer.token(it.issuer.claims(padding=c['claim']), kid=c['key id of a token'])}", "issuer_unavailable")
    it.issuer.fault = None
    eventually(lambda: api.get("/v1/jobs", headers={"Authorization": f"Bearer {sound}"}).status_code == 200)
    shown(f"Bearer {it.key[:-10]}{c['end of a key'][:10]}")
    for credential in (f"Basic {base64.b64encode(c['password'].encode()).decode()}", f"Bearer {c['bearer']}", c["bearer"],
                       f"Bearer quarry_{c['bearer'][:16]}_{c['bearer']}", f"Bearer {c['bearer']}\u00fc",
                       f"Bearer {sound[:-4]}AAAA", f"Bearer {b64({'alg': 'none'})}.{b64({'sub': c['claim']})}.",
                       f"Bearer {it.issuer.token(it.issuer.claims(tenant='x#' + c['claim']))}",
                       f"Bearer {it.issuer.token(it.issuer.claims(aud=c['claim']))}"):  # fmt: skip
        shown(credential)
    assert api.get(f"/v1/jobs?api_key={c['value in a query']}", headers={"Authorization": ""}).status_code == 401


def broken(it: Loud, api: httpx.Client) -> None:
    """AWS that refuses, and quotes what it was sent; a bug; and no room."""
    c = it.canaries
    for code, status in (("ValidationException", 400), ("InternalServerError", 500), ("ThrottlingException", 400)):
        with it.aws["dynamodb"].refusing(code, status=status):
            has("store_unavailable", api.get("/v1/jobs"))
            assert api.post("/v1/jobs", json=body(c)).status_code == 503
    with it.aws["sqs"].refusing("InvalidMessageContents"):
        has("queue_unavailable", api.post("/v1/jobs", json=body(c)))
    with it.aws["sqs"].refusing("InternalFailure", status=500):
        has("submission_undecided", api.post("/v1/jobs", json=body(c)))
    large = f"{c['large prompt']} " * 1000
    with it.aws["s3"].refusing("InvalidRequest"):
        has("payloads_unavailable", api.post("/v1/jobs", json={"prompt": large}))
    wrong = api.post("/v1/jobs", json=body(c)).json()["request_id"]
    it.change(wrong, "SET #status = :word", {":word": {"S": c["status"]}})
    has("internal_error", api.get(f"/v1/jobs/{wrong}"))
    eventually(lambda: crowded(it, api))


def crowded(it: Loud, api: httpx.Client) -> bool:
    """Whether a large body was refused for another one that was there before it: either may come first."""
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {it.key}\r\nContent-Type: application/json\r\n"
    words = it.canaries["bytes"]
    with it.half_sent(api.base_url.port or 0, f"{head}Content-Length: 1000000\r\n\r\n{words}".encode()):
        return api.post("/v1/jobs", json={"prompt": it.canaries["prompt"] * 5000}).status_code == 503


def submitted(it: Loud, api: httpx.Client) -> dict[str, str]:
    """Jobs for the worker, by what is to become of them, and messages that lead to none."""
    c = it.canaries

    def submit(**more: Any) -> str:
        hook = {"webhook_url": f"{it.receiver.url}/{c['webhook']}?key={c['webhook']}"}
        answer = api.post("/v1/jobs", json=body(c, **hook | more))
        assert answer.status_code == 202, answer.text
        made: str = answer.json()["request_id"]
        return made

    # What fails is left alone for a while: the route of a job that comes later is not asked before.
    jobs = {route: submit(model=route) for route in (*REFUSALS, *ACTS) if route != "late"}
    jobs |= {f"{route} again": submit(model=route) for route in ("throttled", "broken", "ceiling")}
    jobs |= {
        "answered": submit(),
        "unheard": submit(webhook_url=f"http://127.0.0.1:{free_port()}/{c['webhook']}?key={c['webhook']}"),
        "streamed": submit(stream=True),
        # In chat completions there are no words for fields of a model's own.
        "chat": submit(model="chat", converse={}),
        "native": submit_native(api, c),
        "gone": api.post("/v1/jobs", json={"prompt": f"{c['large prompt']} " * 1000}).json()["request_id"],
        "too often": submit(),
        "cancelled": submit(),
        "later": submit(),
        "stale": submit(),
        "changed": submit(),
    }
    s3 = it.stack.client("s3")
    for found in s3.list_objects_v2(Bucket=it.stack.name).get("Contents", []):
        s3.delete_object(Bucket=it.stack.name, Key=found["Key"])
    # Held by workers that vanished, again and again.
    lost = {":n": {"N": "9"}, ":held": {"S": "processing"}, ":word": {"S": "x"}, ":past": {"N": "1"}}
    update = "SET takeovers = :n, #status = :held, lease_token = :word, lease_owner = :word, lease_expires_at = :past"
    it.change(jobs["too often"], update, lost)
    it.change(jobs["cancelled"], "SET cancel_requested = :yes", {":yes": {"BOOL": True}})
    it.change(jobs["later"], "SET available_at = :later", {":later": {"N": "9999999999999"}})
    it.change(jobs["stale"], "SET generation = :n", {":n": {"N": "3"}})
    it.stack.send(c["poison"])
    it.stack.send(json.dumps({"v": 1, "request_id": c["poison"], "tenant": c["poison"]}))
    it.stack.send(json.dumps({"v": 9, "request_id": c["poison"], c["poison"]: c["poison"]}))
    it.stack.send(Envelope("01a1fce02be7769abb984e7979ea003e", TENANT).to_wire())
    # The deadline of this one has passed, and another worker is faster to say so.
    it.change(jobs["changed"], "SET deadline_at = :past", {":past": {"N": "1"}})
    it.aws["dynamodb"].refuse_once("ConditionalCheckFailedException", within='"expired"')
    return jobs


def submit_native(api: httpx.Client, c: Canaries) -> str:
    """A body as it is, whose names are canaries too."""
    native = {"inputText": c["native"], c["native"]: {c["native"]: [c["native"]]}}
    answer = api.post("/v1/jobs", json={"native": native, "model": "default"})
    assert answer.status_code == 202, answer.text
    made: str = answer.json()["request_id"]
    return made


def worked(it: Loud, api: httpx.Client, worker: Process, jobs: dict[str, str]) -> None:
    """The worker meets them."""
    c = it.canaries

    def logged(words: str) -> None:
        eventually(lambda: words in worker.output, what=lambda: f"{words} in {worker.output}")

    def submit(**more: Any) -> str:
        made: str = api.post("/v1/jobs", json=body(c, **more)).json()["request_id"]
        return made

    eventually(lambda: 'reason="job_changed"' in it.stack.metrics(worker))
    for name in ("answered", "streamed", "native", "broken", "rejected", "too-long", "malformed", "timed-out", "paid-once", "gone",
                 "too often", "cancelled"):  # fmt: skip
        it.stack.finished(jobs[name])
    eventually(lambda: it.stack.job(jobs["chat"])["status_reason"] == "blocked")
    it.stack.send(Envelope(jobs["answered"], TENANT).to_wire())
    # Of a job under way there is another message, and then its lease is taken away.
    slow = submit(model="slow")
    eventually(lambda: it.stack.job(slow)["status"] == "processing")
    it.stack.send(Envelope(slow, TENANT).to_wire())
    logged("ClaimedElsewhere")
    it.change(slow, "SET lease_token = :other", {":other": {"S": "somebody-else"}})
    with it.aws["dynamodb"].refusing("ValidationException", operation="UpdateItem", within=UNRECORDABLE):
        it.stack.finished(submit(model="unrecordable"))
    logged('"outcome": "LeaseLost"')
    with it.aws["dynamodb"].refusing("InternalServerError", status=500, operation="UpdateItem"):
        submit()
        logged("claim.failed")
    with it.aws["sqs"].refusing("InternalFailure", status=500, operation="ReceiveMessage"):
        logged("receive.failed")


def typed(it: Loud, api: httpx.Client) -> None:
    """Commands with a wrong setting, a wrong key, and nobody who answers; and dead letters, with a record that nobody can read."""
    c, base = it.canaries, str(api.base_url)
    told = {"QUARRY_CLIENT__API_KEY": f"quarry_{c['client key']}"}
    wrong = it.typed("worker", QUARRY_WORKER__SLOTS="many", **told)
    refused_ = it.typed("submit", c["prompt"], "--system", c["system"], "--api", base, **told)
    alone = it.typed("submit", c["prompt"], "--idempotency-key", c["idempotency key"], "--api", "http://127.0.0.1:1", **told)
    letters = it.typed("dlq", "list", "--tenant", TENANT)
    assert [it.ended(each, "a command") for each in (wrong, refused_, alone, letters)] == [78, 1, 1, 0]

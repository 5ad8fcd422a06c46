"""Errors of jobs whose model is not asked, or whose answer is kept from them, brought about: by guards, limits and deadlines."""

from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.forced import LATE_SECONDS, body
from tests.support.leaks import HOOKS, Loud
from tests.support.processes import Process, eventually

#: The tenant that has a guard by the policies of workers, and none yet by those of the API: they were changed after it submitted.
GUARDED: Final = "guarded"
#: Whose calls pass ApplyGuardrail: of a provider that has no guardrails of its own.
_MODEL: Final = "gpt-oss-20b"
_GUARDRAIL: Final = "gr1"
#: Refusals of the guardrail, by what is in the text that it is asked of.
_REFUSALS: Final = {"denied": "AccessDeniedException", "throttled": "ThrottlingException", "unchecked": "ThrottlingException"}
#: What is then in the log.
_GUARD_SAID: Final = ("content_refused", "guardrail_unusable", "guardrail_unavailable", "answer_unchecked")
#: So many at a time are more than a target is asked at once.
_MANY: Final = 12


def guard(it: Loud) -> Path:
    """A guardrail that mostly does not judge, and says more than it should. Returns the policies as workers have them."""
    c = it.canaries
    it.simulator.guardrail(_GUARDRAIL, c["blocked"])
    for word, error in _REFUSALS.items():
        meant = {"model": f"guardrail/{_GUARDRAIL}", "text_contains": c[word]}
        it.simulator.rule({"error": error, "message": c["provider's words"]}, match=meant)
    it.simulator.rule({"text": c["unchecked"]}, match={"model": _MODEL})
    policies = it.stack.directory / "guarded.toml"
    policies.write_text(f"""{HOOKS}
[[tenants.{GUARDED}.guard.forbidden]]
name = "words"
pattern = "{c["forbidden since"]}"
[tenants.{GUARDED}.guard.guardrails.us-east-1]
id = "{_GUARDRAIL}"
version = "1"
trace = true
""")
    return policies


def guarded(it: Loud, api: httpx.Client) -> None:
    """Jobs that the guard meets: forbidden by now, blocked, and of which nobody knows whether they may be asked, or shown."""
    c, owner = it.canaries, it.as_tenant(GUARDED)
    for model, word in (("default", "forbidden since"), ("default", "blocked"), ("judged", "blocked"), ("judged", "denied"),
                        ("judged", "throttled"), ("judged", "prompt")):  # fmt: skip
        # In chat completions there are no words for fields of a model's own.
        own: dict[str, Any] = {"converse": {}} if model == "judged" else {}
        asked = body(c, model=model, messages=[{"role": "user", "content": [{"text": c[word]}]}], **own)
        answer = api.post("/v1/jobs", json=asked, headers=owner)
        assert answer.status_code == 202, answer.text


def unasked(it: Loud, api: httpx.Client, worker: Process) -> None:
    """The worker meets those, targets that are asked no faster than they grant, and a job that has no time left."""
    late = _submit(it, api, model="late", deadline_seconds=LATE_SECONDS)
    small = _submit(it, api, model="tokens", max_tokens=1)
    jobs = [body(it.canaries, model="requests")] * _MANY
    assert api.post("/v1/jobs/bulk", json={"jobs": jobs}).status_code == 202
    eventually(lambda: it.stack.job(small)["status_reason"] == "waiting_for_capacity")
    # The first of these takes more than the target has by then, and the other one finds nothing left.
    for _ in range(2):
        _submit(it, api, model="tokens", max_tokens=60_000)
    for code in (*_GUARD_SAID, "request_limit_reached", "token_limit_reached"):
        _logged(worker, f'"error": "{code}"')
    it.stack.finished(late)

    def expired() -> bool:
        if met := '"outcome": "Expired"' in worker.output:
            return met
        # It was claimed too late for a first call.
        return not it.stack.finished(_submit(it, api, model="late", deadline_seconds=LATE_SECONDS))

    eventually(expired)


def _submit(it: Loud, api: httpx.Client, **more: Any) -> str:
    answer = api.post("/v1/jobs", json=body(it.canaries, **more))
    assert answer.status_code == 202, answer.text
    made: str = answer.json()["request_id"]
    return made


def _logged(worker: Process, words: str) -> None:
    eventually(lambda: words in worker.output, what=lambda: f"{words} in {worker.output}")

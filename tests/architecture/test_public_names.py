"""What others build on. A name here is never renamed or removed by accident: a change shows up as a change of this file."""

import re

import quarry.testing
from quarry import errors
from quarry.cli import COMMANDS
from quarry.job import JobStatus, StatusReason
from quarry.settings import Group, Settings, variable_name


def test_the_verbs_of_the_command_line() -> None:
    """`quarry VERB`."""
    assert set(COMMANDS) == {
        "api", "worker", "provision", "local", "simulator", "submit", "run", "status", "jobs", "cancel", "dlq", "keys",
        "routes", "explain", "doctor", "plan", "erase", "tenants",
    }  # fmt: skip


def test_the_statuses_of_a_job() -> None:
    """As callers compare them."""
    assert {each.value for each in JobStatus} == {
        "queued", "processing", "retrying", "completed", "failed", "cancelled", "expired",
    }  # fmt: skip
    assert {each.value for each in StatusReason} == {
        "waiting_for_capacity", "blocked", "handed_back", "attempts_exhausted", "taken_over_too_often", "rejected",
        "result_too_large", "discarded", "waiting_for_payload", "payload_lost", "unrecordable", "outcome_unknown", "degraded",
    }  # fmt: skip


def test_the_error_codes_of_a_job() -> None:
    """As callers compare them; each is documented."""
    assert {kind.code for kind in errors.InvocationError.__subclasses__()} == {
        "throttled", "model_not_ready", "provider_unavailable", "model_failed", "malformed_completion", "invocation_timed_out",
        "invocation_rejected", "context_too_long", "access_denied", "model_not_found", "credentials_expired", "quota_exceeded",
        "internal_error", "outcome_unknown", "target_not_capable", "region_not_allowed", "circuit_open",
        "limit_reached", "content_refused", "guardrail_unavailable", "guardrail_unusable", "answer_unchecked",
    }  # fmt: skip


def test_every_error_is_handed_on_and_drawn() -> None:
    """Whoever catches one imports it from `quarry.errors`, whose docstring has the tree."""
    names, found = set(), [errors.QuarryError]
    while found:
        each = found.pop()
        names |= {each.__name__} if each.__module__.startswith("quarry.errors.") else set()
        found += each.__subclasses__()
    assert names - set(errors.__all__) == set()
    assert names - set(re.findall(r"\w+", errors.__doc__ or "")) == set()


def test_the_variables_that_deployments_set() -> None:
    """These keep their names; others may come."""
    fields = Settings.model_fields
    names = {variable_name((name,)) for name, field in fields.items() if not isinstance(field.default, Group)}
    for group, field in fields.items():
        if isinstance(field.default, Group):
            names |= {variable_name((group, name)) for name in type(field.default).model_fields}
    assert names >= {
        "AWS_REGION", "QUARRY_ENVIRONMENT", "QUARRY_QUEUE__NAME", "QUARRY_QUEUE__URL", "QUARRY_QUEUE__DLQ_URL",
        "QUARRY_STORE__TABLE", "QUARRY_STORE__BUCKET", "QUARRY_ROUTES_FILE", "QUARRY_WORKER__SLOTS",
        "QUARRY_WORKER__LEASE_SECONDS", "QUARRY_WORKER__DRAIN_SECONDS", "QUARRY_WORKER__METRICS_PORT",
        "QUARRY_API__METRICS_PORT", "QUARRY_API__AUTH", "QUARRY_JOB__MAX_ATTEMPTS",
    }  # fmt: skip


def test_the_names_of_the_test_kit() -> None:
    """What it exports is there, and is all that it promises."""
    assert set(quarry.testing.__all__) == {
        "NOW", "ClockView", "DeadLetter", "FakeClock", "MemoryDeadLetters", "MemoryErasures", "MemoryKeys", "MemoryPayloads",
        "MemoryQueue", "MemoryStore", "ScriptedProvider", "a_claimed_job", "a_completion", "a_delivery", "a_job", "a_key",
        "a_lease", "an_envelope", "an_invocation",
    }  # fmt: skip
    assert all(hasattr(quarry.testing, name) for name in quarry.testing.__all__)

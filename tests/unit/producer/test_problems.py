"""The table of problems."""

from collections.abc import Iterator

import pytest

from producer import problems
from producer.answers import Problem
from quarry.errors import (
    FieldFault,
    InvalidSubmission,
    JobNotFound,
    ModelNotAllowed,
    QuarryError,
    QueueUnavailable,
    SubmissionError,
    SubmissionUndecided,
    TransportError,
)


def tree(root: type[QuarryError]) -> Iterator[type[QuarryError]]:
    for child in root.__subclasses__():
        yield child
        yield from tree(child)


@pytest.mark.parametrize("error", [*tree(SubmissionError), *tree(TransportError)])
def test_every_error_that_callers_can_meet_has_a_row(error: type[QuarryError]) -> None:
    """4xx where the caller is at fault, 503 where time helps."""
    kind = problems.PROBLEMS[error]
    assert kind.status == 503 if issubclass(error, TransportError) else 400 <= kind.status < 500


def test_codes_are_stable_and_each_means_one_thing() -> None:
    """Programs look at them."""
    kinds = {*problems.PROBLEMS.values(), *problems.HTTP_PROBLEMS.values(), *problems.OTHERS}
    assert sorted(kind.code for kind in kinds) == [
        "answer_too_large", "content_lost", "content_refused",
            "forbidden", "headers_too_large", "idempotency_conflict", "internal_error",
        "invalid_http",
        "invalid_json", "invalid_request", "issuer_unavailable", "job_not_found", "method_not_allowed", "model_not_allowed",
        "not_cancellable", "not_found", "not_streamed", "out_of_time", "overloaded", "payload_too_large",
        "payloads_unavailable", "queue_unavailable",
        "rate_limited",
        "request_timeout", "store_unavailable", "submission_undecided", "unauthenticated", "unsupported_media_type",
    ]  # fmt: skip


def test_the_words_of_what_is_internal_stay_inside() -> None:
    """An AWS code, a bug's message: neither reaches the caller."""
    for error in (QueueUnavailable("SQS could not send: KmsThrottled"), ValueError("secret prompt"), TransportError("x: secret")):
        assert str(error) not in repr(problems.problem_of(error))
        assert str(error) not in repr(problems.item_error(error))


def test_faults_are_listed_with_their_paths() -> None:
    """One for each field; a model that is not allowed is a fault of `model`."""
    document = problems.problem_of(InvalidSubmission(FieldFault("a", "is wrong"), FieldFault("b[0]", "is missing")))
    assert document["errors"] == [{"path": "a", "message": "is wrong"}, {"path": "b[0]", "message": "is missing"}]
    assert [each["path"] for each in problems.problem_of(ModelNotAllowed("no"))["errors"]] == ["model"]


def test_an_undecided_submission_tells_its_id() -> None:
    """So that the caller can look whether it was accepted."""
    error = SubmissionUndecided("019aa5b1c0de7abc8def0123456789ab")
    for document in (problems.problem_of(error), problems.item_error(error)):
        assert document["request_id"] == error.request_id


@pytest.mark.parametrize("error", [JobNotFound("no such job"), SubmissionUndecided("0" * 32), KeyError("a bug")])
def test_a_problem_is_what_the_document_says(error: Exception) -> None:
    """The described model takes it, with no field more."""
    Problem.model_validate(problems.problem_of(error))


def test_the_whereabouts_of_a_bug_hold_no_content() -> None:
    """Class and place, never words: an exception's message may quote a prompt."""
    prompts: dict[str, str] = {}
    with pytest.raises(KeyError) as caught:
        prompts["secret prompt"]
    said = problems.whereabouts(caught.value)
    assert "secret" not in said
    assert said.startswith("KeyError at producer/test_problems.py:")

"""Idempotency keys and the fingerprints of bodies."""

import re

import pytest

from producer import idempotency
from quarry.errors import InvalidSubmission


def test_equal_json_has_one_fingerprint() -> None:
    """Whatever the order of its fields, at any depth; the key itself is no part of it."""
    one = {"prompt": "Hi", "metadata": {"a": "1", "b": "2"}}
    other = {"metadata": {"b": "2", "a": "1"}, "idempotency_key": "k", "prompt": "Hi"}
    assert idempotency.fingerprint(one) == idempotency.fingerprint(other)


@pytest.mark.parametrize("other", [{"prompt": "hi"}, {"prompt": "Hi", "top_p": None}, {"prompt": "Hi", "max_tokens": 500}, {}])
def test_other_json_has_another(other: dict[str, object]) -> None:
    """A null and a spelt-out default are other bodies too."""
    assert idempotency.fingerprint(other) != idempotency.fingerprint({"prompt": "Hi"})


def test_the_order_of_a_list_counts() -> None:
    """Messages are a conversation."""
    assert idempotency.fingerprint({"a": [1, 2]}) != idempotency.fingerprint({"a": [2, 1]})


@pytest.mark.parametrize(("header", "field", "key"), [(None, None, None), ("a", None, "a"), (None, "a", "a"), ("a", "a", "a")])
def test_a_key_may_stand_in_either_place(header: str | None, field: str | None, key: str | None) -> None:
    """Or in both, if they agree."""
    assert idempotency.agreed(header, field) == key


def test_two_keys_do_not_agree() -> None:
    """Neither wins."""
    with pytest.raises(InvalidSubmission):
        idempotency.agreed("a", "b")


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("a", True),
        ("a b", True),
        ("x" * 255, True),
        ("", False),
        (" a", False),
        ("a ", False),
        ("x" * 256, False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_keys_are_printable_and_bounded(key: str, fits: bool) -> None:
    """Without the space at either end that HTTP would cut off."""
    assert (re.fullmatch(idempotency.PATTERN.strip("^$"), key) is not None) is fits

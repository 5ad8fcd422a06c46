"""Identifiers: they sort by creation, say when that was, and are not guessed."""

from datetime import timedelta

import pytest

from quarry.ids import created_at, is_request_id, last_request_id_at, new_request_id, new_token
from quarry.testing import NOW

MS = timedelta(milliseconds=1)


def test_ids_sort_by_creation() -> None:
    """To the millisecond."""
    ids = [new_request_id(NOW + i * MS) for i in range(100)]
    assert sorted(ids) == ids


def test_an_id_is_a_uuid_of_version_7() -> None:
    """In 32 hexadecimal digits, never the same twice."""
    ids = {new_request_id(NOW) for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(each) == 32 and each[12] == "7" and each[16] in "89ab" for each in ids)


def test_an_id_tells_its_instant() -> None:
    """The one that it was made for."""
    assert created_at(new_request_id(NOW + 7 * MS)) == NOW + 7 * MS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (new_request_id(NOW), True),
        (new_request_id(NOW).upper(), False),
        (new_request_id(NOW) + "\n", False),
        (new_request_id(NOW)[:-1], False),
        (new_request_id(NOW) + "0", False),
        ("01a1fdfa-4600-7000-8000-000000000000", False),
        ("0" * 32, False),
        ("", False),
        ("\u0660" * 32, False),
    ],
    ids=["new", "upper", "line feed", "short", "long", "dashes", "no version", "empty", "other digits"],
)
def test_what_has_the_form_of_an_id(text: str, expected: bool) -> None:
    """Lower-case hexadecimal, version 7; nothing before or behind."""
    assert is_request_id(text) is expected


def test_the_bound_of_an_instant_parts_the_ids() -> None:
    """Every id made at it or before is below, every later one above."""
    bound = last_request_id_at(NOW)
    assert is_request_id(bound)
    assert bound < new_request_id(NOW + MS)
    # Digit by digit: no id of that instant can be above, not only none of these.
    ids = [new_request_id(NOW) for _ in range(500)]
    assert all(bound[i] >= max(each[i] for each in ids) for i in range(32))


def test_tokens_are_not_guessed() -> None:
    """128 random bits each."""
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(each) for each in tokens} == {32}

"""An API key: its form, its secret, and how long it is good for."""

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.keys.key import ID_BYTES, SECRET_BYTES, ApiKey, carried, minted, taken_apart
from quarry.testing import NOW, a_key

#: The same in every process, so that the names of cases are.
KEY, CARRIED = minted("t", "", (), None, now=NOW, random=lambda count: bytes(range(200, 200 + count)))
SECRET = CARRIED.rpartition(f"{KEY.key_id}_")[2]
MS = timedelta(milliseconds=1)


@given(id_=st.binary(min_size=ID_BYTES, max_size=ID_BYTES), rest=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_what_is_carried_can_be_taken_apart(id_: bytes, rest: bytes) -> None:
    """Whatever chance makes of a key, also where its secret has the characters that stand between its parts."""
    drawn = iter((id_, bytes(16), rest))
    key, text = minted("t", "", (), None, now=NOW, random=lambda count: next(drawn))
    parts = taken_apart(text)
    assert parts is not None
    assert parts[0] == key.key_id == id_.hex()
    assert carried(*parts) == text
    assert key.is_opened_by(parts[1])


@given(text=st.text() | st.from_regex(r"quarry_[0-9a-f]{10,20}_[\w-]{40,45}"))
def test_nothing_else_can(text: str) -> None:
    """What is taken apart is exactly what is put together again."""
    parts = taken_apart(text)
    if parts is not None:
        assert carried(*parts) == text
        assert (len(parts[0]), len(parts[1])) == (16, 43)
        assert text.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quarry",
        "quarry__",
        SECRET,
        f"quarry_{KEY.key_id}",
        f"quarry_{SECRET}_{KEY.key_id}",
        CARRIED.upper(),
        CARRIED.replace("quarry", "Quarry"),
        carried(KEY.key_id[:-1] + "F", SECRET),
        carried(KEY.key_id[:-1] + "g", SECRET),
        carried(KEY.key_id[:-1], SECRET),
        carried(KEY.key_id + "0", SECRET),
        carried(KEY.key_id[:-1] + "٣", SECRET),
        carried(KEY.key_id, SECRET[:-1]),
        carried(KEY.key_id, SECRET + "A"),
        carried(KEY.key_id, SECRET[:-1] + "="),
        carried(KEY.key_id, SECRET[:-1] + "é"),
        carried(KEY.key_id, SECRET[:-1] + "\u0664"),
        carried(KEY.key_id, SECRET[:-1] + " "),
        carried(KEY.key_id, SECRET[:-1] + "\n"),
        f"{CARRIED}\n",
        f"\n{CARRIED}",
        f" {CARRIED}",
        f"{CARRIED} ",
        f"{CARRIED}\x00",
        f"{CARRIED} {CARRIED}",
        f"{CARRIED},{CARRIED}",
        "quarry_" * 10_000,
    ],
)
def test_what_is_nearly_a_key_is_none(text: str) -> None:
    """Other digits, other cases, white space, too little, too much."""
    assert taken_apart(CARRIED) == (KEY.key_id, SECRET)
    assert taken_apart(text) is None


def test_a_key_is_opened_by_its_secret_alone() -> None:
    """Not by another's, nor by what is kept of it."""
    other, text = a_key()
    assert KEY.is_opened_by(SECRET)
    for wrong in (text.rpartition(f"{other.key_id}_")[2], SECRET[:-1], "", KEY.digest, KEY.salt):
        assert not KEY.is_opened_by(wrong)


def test_equal_secrets_do_not_look_alike() -> None:
    """What is kept of them is salted."""

    def with_salt(salt: bytes) -> tuple[ApiKey, str]:
        drawn = iter((b"\1" * 8, salt * 16, b"\2" * 32))
        return minted("t", "", (), None, now=NOW, random=lambda _: next(drawn))

    (first, one), (second, two) = with_salt(b"a"), with_salt(b"b")
    assert one == two
    assert first.digest != second.digest
    assert SECRET not in (KEY.digest, KEY.salt)


def test_no_two_keys_are_alike() -> None:
    """Neither id, nor salt, nor secret."""
    made = [minted("t", "", (), None, now=NOW, random=secrets.token_bytes) for _ in range(100)]
    assert (
        len({key.key_id for key, _ in made}) == len({key.salt for key, _ in made}) == len({text[-43:] for _, text in made}) == 100
    )


def with_end(key: ApiKey) -> ApiKey:
    return replace(key, ends_at=NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("key", "after", "state"),
    [
        (a_key(lifetime=None)[0], timedelta(days=36_500), "live"),
        (with_end(KEY), timedelta(days=1) - MS, "live"),
        (with_end(KEY), timedelta(days=1), "expired"),
        (with_end(KEY), timedelta(days=2), "expired"),
        (replace(KEY, revoked_at=NOW), timedelta(0), "revoked"),
        # The clock of whoever revoked it was ahead of ours: it counts at once all the same.
        (replace(KEY, revoked_at=NOW + timedelta(hours=1)), timedelta(0), "revoked"),
        (replace(with_end(KEY), revoked_at=NOW), timedelta(days=2), "revoked"),
    ],
)
def test_a_key_is_live_until_its_end(key: ApiKey, after: timedelta, state: str) -> None:
    """At the instant of its end it opens nothing any more; a revoked one never."""
    assert key.state(NOW + after) == state
    assert key.is_live(NOW + after) == (state == "live")

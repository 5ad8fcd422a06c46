"""Roles: what a file may say, and what is said where it is wrong."""

from pathlib import Path

import pytest

from quarry.access import BUILT_IN, is_tenant, load_roles, permitted, unknown_scopes
from quarry.errors import ConfigurationError


def written(directory: Path, text: str) -> str:
    path = directory / "roles.toml"
    path.write_text(text)
    return str(path)


def test_without_a_file_there_are_the_built_in_roles() -> None:
    """As the documents list them."""
    assert load_roles(None) == BUILT_IN


def test_a_file_adds_roles_and_replaces_those_of_the_same_name(tmp_path: Path) -> None:
    """An empty one allows nothing; the other built-in ones stay."""
    roles = load_roles(written(tmp_path, '[roles]\nmember = []\n"Team/ops.eu" = ["read:jobs", "cancel:jobs"]\n'))
    assert permitted(("member",), roles) == set()
    assert permitted(("Team/ops.eu",), roles) == {"read:jobs", "cancel:jobs"}
    assert permitted(("reader",), roles) == {"read:jobs"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[roles]\nops = ["read:jobs"\n', ":2: is not TOML: Unclosed array"),
        ("", ":1: the file needs roles"),
        ("roles = 3\n", ":1: roles is 3, and must be a table"),
        ("[roles]\n[permissions]\n", ":2: permissions is not known here; there are roles"),
        ('[roles]\nops = "read:jobs"\n', ":2: roles.ops is 'read:jobs', and must be a list of permissions"),
        ('[roles]\nops = ["read:job"]\n', r":2: roles.ops \(1\) is 'read:job'.*there are submit:jobs, read:jobs, cancel:jobs"),
        ("[roles]\nops = [1]\n", r":2: roles.ops \(1\) is 1, and must be a text"),
        ('[roles]\nops = ["reader"]\n', "is 'reader', which is no permission"),
        ('[roles]\n"read:jobs" = []\n', "roles.read:jobs must be named by"),
        ('[roles]\n"" = []\n', "must be named by"),
        ('[roles]\nops = []\nops = ["read:jobs"]\n', ":3: is not TOML: .* twice; keep one of them"),
        ("[roles]\nops = []\n[roles]\n", r":3: is not TOML: \[roles\]: the file declares it twice"),
    ],
)
def test_a_wrong_file_says_what_is_wrong_and_where(text: str, words: str, tmp_path: Path) -> None:
    """Variable, file, place, reason: in one sentence."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=words) as refused:
        load_roles(path)
    assert str(refused.value).startswith(f"QUARRY_API__ROLES_FILE: {path}")


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """It is not there, or holds no text."""
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_roles(str(tmp_path / "none.toml"))
    for content in (b"\xff", b"a = " + b"[" * 100_000, b"a = " + b"9" * 10_000):
        (tmp_path / "roles.toml").write_bytes(content)
        with pytest.raises(ConfigurationError, match="is not TOML"):
            load_roles(str(tmp_path / "roles.toml"))


def test_scopes_that_allow_nothing_are_found() -> None:
    """Before a key is made with them."""
    assert unknown_scopes(("member", "read:jobs", "read:job", "admin"), BUILT_IN) == ["read:job", "admin"]


@pytest.mark.parametrize("name", ["", "#keys", "a#b", "a/b", "a b", "-a", "a\n", "ä", "a" * 65, ".."])
def test_what_could_reach_into_another_tenants_keys_is_no_tenant(name: str) -> None:
    """`TENANT#REQUEST_ID` in the table, `TENANT/REQUEST_ID/…` in the bucket."""
    assert not is_tenant(name)
    assert is_tenant("a" * 64)
    assert is_tenant("Acme_2-x")

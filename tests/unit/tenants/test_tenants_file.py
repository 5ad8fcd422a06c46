"""`tenants.toml`: what it means, and what is said of what is wrong in it."""

from pathlib import Path

import pytest

from quarry.errors import ConfigurationError
from quarry.guard.patterns import Forbidden
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Policy
from quarry.tenants.tenants_file import load_tenants


def written(folder: Path, text: str) -> str:
    path = folder / "tenants.toml"
    path.write_text(text)
    return str(path)


def test_without_a_file_nothing_is_said_of_anybody() -> None:
    assert load_tenants(None).of("acme") == Policy()


def test_what_is_said_of_one_goes_before_what_is_said_of_all(tmp_path: Path) -> None:
    tenants = load_tenants(
        written(tmp_path, "[default.limits]\nmax_tokens = 1\n[tenants.acme.limits]\nmax_tokens = 2\n[tenants.b]")
    )

    assert tenants.of("acme").limits == Limits(max_tokens=2)
    assert tenants.of("b").limits == tenants.of("c").limits == Limits(max_tokens=1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[default.limits]\nmax_tokens = 0", ":2: default.limits.max_tokens is 0, and must be a whole number, 1 to 1,000,000"),
        ("\n[tenants.'a/b']", ":2: tenants.a/b is no tenant's name"),
        ("[default]\nlimit = 1", ":2: default.limit is not known here; did you mean 'limits'?"),
        ("[tenants.acme]\nlimits = 3", ":2: tenants.acme.limits is 3, and must be a table"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigurationError) as raised:
        load_tenants(path)

    assert str(raised.value).startswith(f"QUARRY_TENANTS_FILE: {path}{told}")


def test_a_fault_of_the_default_is_told_once(tmp_path: Path) -> None:
    path = written(tmp_path, "[default.limits]\nmax_tokens = 0\n[tenants.a]\n[tenants.b.limits]")

    with pytest.raises(ConfigurationError) as raised:
        load_tenants(path)

    assert str(raised.value).count("max_tokens") == 1


def test_forbidden_patterns_are_read(tmp_path: Path) -> None:
    text = """
    [[default.guard.forbidden]]
    name = "codename"
    pattern = 'project\\s+basilisk'
    where = "both"
    action = "flag"
    """
    [codename] = load_tenants(written(tmp_path, text)).of("acme").guard.forbidden

    assert codename == Forbidden("codename", r"project\s+basilisk", frozenset({"input", "output"}), "flag")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('name = "a"\npattern = "(?=x)"', "pattern is no expression of RE2's: invalid perl operator: (?="),
        ('name = "A b"\npattern = "x"', "must be a name"),
        ('name = "a"\npattern = "x"\nwhere = "all"', "where is 'all'"),
        ('name = "a"\npattern = "x"\n[[tenants.acme.guard.forbidden]]\nname = "a"\npattern = "y"', "forbidden names a twice"),
        ('name = "a"', "needs pattern"),
    ],
)
def test_a_pattern_that_is_wrong_is_told(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_tenants(written(tmp_path, f"[[tenants.acme.guard.forbidden]]\n{table}"))

    assert told in str(raised.value)

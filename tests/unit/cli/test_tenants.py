"""`quarry tenants check`, and what `quarry doctor` says of the file."""

import json
from pathlib import Path

import pytest

from quarry.cli import exits, main
from quarry.cli.checks import _tenants
from quarry.cli.judgements import Level
from quarry.settings import Settings

FILE = "[default.limits]\nmax_tokens = 5\n[tenants.acme.limits]\nroutes = ['a', 'b']\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "QUARRY_TENANTS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QUARRY_ENVIRONMENT", "local")
    path = tmp_path / "tenants.toml"
    path.write_text(FILE)
    return path


def test_what_holds_is_shown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For those who are named, and for the others."""
    assert main(["tenants", "check", str(path)]) == exits.DONE
    shown = capsys.readouterr().out
    assert shown.startswith('acme\n  limits.routes = ["a", "b"]\n  limits.max_tokens = 5\n')
    assert "(others)\n  limits.max_tokens = 5\n" in shown


def test_one_tenant_as_json(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the file that the services have, if none is given."""
    monkeypatch.setenv("QUARRY_TENANTS_FILE", str(path))
    assert main(["tenants", "check", "--json"]) == exits.DONE
    assert [json.loads(line)["limits"]["max_tokens"] for line in capsys.readouterr().out.splitlines()] == [5, 5]
    assert main(["tenants", "check", str(path), "acme"]) == exits.DONE
    assert "named nowhere" not in capsys.readouterr().err
    assert main(["tenants", "check", str(path), "whoever", "--json"]) == exits.DONE
    shown = capsys.readouterr()
    assert json.loads(shown.out)["tenant"] == "whoever"
    assert shown.err.startswith("whoever is named nowhere")


def test_a_wrong_file_is_told_with_its_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And exit code 78; the doctor says it too."""
    path.write_text("[default.limits]\nmax_tokens = 0\n")
    assert main(["tenants", "check", str(path)]) == exits.CONFIGURATION
    assert f"{path}:2: default.limits.max_tokens" in capsys.readouterr().err
    [finding] = _tenants(Settings(tenants_file=str(path)))
    assert (finding.check, finding.level) == ("tenants", Level.FAIL)
    path.write_text(FILE)
    assert [each.level for each in _tenants(Settings(tenants_file=str(path)))] == [Level.OK]
    assert list(_tenants(Settings())) == []

"""`quarry routes check`: what a routes file means, and what is unusual in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from quarry.cli import exits, main
from quarry.inference.model_ids import Kind

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = str(ROOT / "examples" / "routes.toml")
ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of an operator, who has set nothing."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "QUARRY_ROUTES_FILE", "VLLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """The routes that `--json` prints."""
    assert main(["routes", "check", *arguments, "--json"]) == exits.DONE
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def written(directory: Path, *targets: str, route: str = "") -> str:
    """A file with one route over these targets, each given by its lines."""
    path = directory / "routes.toml"
    path.write_text(f"[routes.default]\n{route}\n" + "".join(f"[[routes.default.targets]]\n{each}\n" for each in targets))
    return str(path)


def bedrock(model: str = "amazon.nova-lite-v1:0", region: str = "us-east-1", more: str = "") -> str:
    return f'provider = "bedrock"\nregion = "{region}"\nmodel = "{model}"\n{more}\n'


def test_data_goes_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Every route and every target of the example, in order; how many things are unusual is said beside it."""
    assert main(["routes", "check", EXAMPLE]) == exits.DONE
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line.startswith("route ")] == [
        "route default", "route cheap", "route europe", "route split",
    ]  # fmt: skip
    assert out.count("  1. ") == 4
    assert "600 requests a minute and 400,000 tokens a minute" in out
    assert "without converse.serviceTier" in out
    assert "'We are busy; please ask again in an hour.' when less than 60 s are left" in out
    assert f"{EXAMPLE} can be used" in err


def test_json_has_everything_that_a_target_says(capsys: pytest.CaptureFixture[str]) -> None:
    """One route a line."""
    default, cheap, europe, split = checked(capsys, EXAMPLE)
    assert [each["target"] for each in default["targets"]] == [
        "bedrock/us-east-1/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/us-west-2/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock/us-east-2/amazon.nova-lite-v1:0",
        "vllm/us-east-1/Qwen/Qwen3-8B",
    ]
    first, _, adapted, own = default["targets"]
    assert (first["kind"], first["foundation_model"]) == (Kind.GEOGRAPHIC_PROFILE, "anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert first["regions"] == ["us-east-1", "us-east-2", "us-west-2"]
    assert (first["requests_per_minute"], first["tokens_per_minute"]) == (600, 400_000)
    assert (adapted["regions"], adapted["max_tokens"]) == (["us-east-2"], 5000)
    assert (own["kind"], own["timeout_seconds"], own["drop"]) == ("openai", 120, ["converse.serviceTier"])
    assert [each["usd_per_million_tokens"] for each in cheap["targets"]] == [
        {"input": 0.1, "output": 0.4}, {"input": 0.2, "output": 0.8},
    ]  # fmt: skip
    assert (europe["allowed_regions"], europe["on_unknown_outcome"]) == (["eu-central-1", "eu-west-1"], "fail")
    assert [each["share"] for each in split["targets"]] == [0.75, 0.25]


@pytest.mark.parametrize("name", ["cheap", "amazon.nova-micro-v1:0"])
def test_one_route_is_shown_by_what_a_job_would_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A route's name, or a model id that a target serves."""
    [route] = checked(capsys, EXAMPLE, name)
    assert route["route"] == name
    assert route["targets"][0]["model"] == "amazon.nova-micro-v1:0"


def test_a_route_that_is_not_there_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and which ones there are."""
    assert main(["routes", "check", EXAMPLE, "chaep"]) == exits.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "cheap, default, europe, split" in err


def test_a_wrong_file_is_exit_78_with_every_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, each with its line."""
    path = written(tmp_path, bedrock(region="us-east1"), bedrock(more="tokens_per_minute = 0"))
    assert main(["routes", "check", path]) == exits.CONFIGURATION
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"quarry: {path} has 2 faults:")
    assert [line.split(":")[1] for line in err.splitlines()[1:]] == ["5", "13"]


def test_without_a_file_it_is_that_of_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`QUARRY_ROUTES_FILE`, else what is built in for the region."""
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    [built_in] = checked(capsys)
    assert built_in["targets"][0]["region"] == "us-west-2"
    monkeypatch.setenv("QUARRY_ROUTES_FILE", written(tmp_path, bedrock(region="eu-west-1")))
    [route] = checked(capsys)
    assert route["targets"][0]["region"] == "eu-west-1"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (bedrock("my-name"), "a bare name"),
        (bedrock(f"{ACCOUNT}:imported-model/abcdef123456"), "native body only"),
        (bedrock(f"{ACCOUNT}:prompt/PROMPT0001"), "Prompt management"),
        (bedrock(f"{ACCOUNT}:application-inference-profile/abcdef123456"), "only its owner knows"),
        (bedrock(f"{ACCOUNT}:prompt-router/abc"), "is known afterwards only"),
        (bedrock("eu.amazon.nova-lite-v1:0"), "nothing is published of this profile when it is called from us-east-1"),
        (bedrock("newcomer.model-1"), "the vendor 'newcomer' is none that this version knows"),
        ('provider = "echo"\nmodel = "echo"', "for tests"),
        ('provider = "own"\nmodel = "m"', "declares no region"),
        ('provider = "own"\nmodel = "m"', "by http://, and `plaintext` does not say that it may: a worker"),
        ('provider = "own"\nmodel = "m"', "OWN_KEY, which holds its key, is not set here"),
    ],
)
def test_what_is_unusual_in_a_target_is_said(target: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that is wrong; but whoever wrote it should know. A usual one has no such line."""
    own = '[providers.own]\nkind = "openai"\nbase_url = "http://own.example/v1"\napi_key_env = "OWN_KEY"\n'
    path = Path(written(tmp_path, bedrock(region="us-west-2"), target))
    path.write_text(path.read_text() + own)
    [route] = checked(capsys, str(path))
    usual, unusual = route["targets"]
    assert any(says in note for note in unusual["notes"])
    assert (usual["notes"], route["notes"]) == ([], [])


def test_targets_are_in_the_order_of_the_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the engine would ask them, not as they are written."""
    price = "price = {{ input_usd_per_million_tokens = {0}, output_usd_per_million_tokens = {0} }}".format
    dear, cheap = bedrock(more=price(5)), bedrock("amazon.nova-micro-v1:0", more=price(1))
    [cheapest] = checked(capsys, written(tmp_path, dear, cheap, route='policy = "cheapest"'))
    assert [each["model"] for each in cheapest["targets"]] == ["amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0"]
    own, profile = bedrock("amazon.nova-lite-v1:0"), bedrock("us.amazon.nova-lite-v1:0")
    [ladder] = checked(capsys, written(tmp_path, own, cheap, profile, route='policy = "ladder"'))
    assert ladder["targets"][0]["model"] == "us.amazon.nova-lite-v1:0"


def test_who_would_serve_a_job_that_narrows_its_regions(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that may not come last, each with the reason; a route of which nobody may says so."""
    [route] = checked(capsys, EXAMPLE, "default", "--allowed-regions", "us-east-2")
    first, *never = route["targets"]
    assert (first["target"], first["never_asked"]) == ("bedrock/us-east-2/amazon.nova-lite-v1:0", None)
    assert [each["region"] for each in never] == ["us-east-1", "us-west-2", "us-east-1"]
    assert never[0]["never_asked"] == "it may process prompts in us-east-1 and us-west-2, which are not allowed"
    [route] = checked(capsys, EXAMPLE, "default", "--allowed-regions", "eu-west-1")
    assert route["notes"] == ["no target may serve such a job: it is refused"]
    assert main(["routes", "check", EXAMPLE, "default", "--allowed-regions", "us-east-2"]) == exits.DONE
    shown = capsys.readouterr().out
    assert "  1. bedrock/us-east-2/amazon.nova-lite-v1:0" in shown
    assert "  -  bedrock/us-east-1/us.anthropic" in shown
    assert "  never asked " in shown


def test_what_is_unusual_in_a_route_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A route that has nowhere to go when its target, or its region, fails."""
    [alone] = checked(capsys, written(tmp_path, bedrock()))
    assert "nothing to fall back to" in alone["notes"][0]
    [together] = checked(capsys, written(tmp_path, bedrock(), bedrock("amazon.nova-micro-v1:0")))
    assert "called in us-east-1" in together["notes"][0]


def test_the_built_in_route_needs_a_region(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file and without a region there is nothing to check."""
    assert main(["routes", "check"]) == exits.CONFIGURATION
    assert "AWS_REGION" in capsys.readouterr().err

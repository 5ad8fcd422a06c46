"""`quarry plan`."""

import json
from typing import Any

import pytest

from quarry.capacity.prices import UNVERIFIED
from quarry.cli import exits, main

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
TOKENS = ("--input-tokens", "800", "--output-tokens", "200")


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["plan", "--jobs-per-day", "1e6", *arguments, "--json"]) == exits.DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_it_says_what_is_needed_and_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """For a person."""
    assert main(["plan", "--jobs-per-day", "1e6", "--rpm", "1000", *TOKENS, "--model", HAIKU]) == exits.DONE

    said = capsys.readouterr().out
    for text in (
        "1,000,000 jobs a day of 20 s: 11.6 a second",
        "1 at the trough, 4 at the peak, 2.8 on average",
        "1,250 requests a minute at the peak",
        "1,000 requests a minute of 1,250: the peak waits, for 74 min at the longest",
        "60,225.00  800 tokens in, 200 out a job, times 1.1",
        "0.04048  per vCPU hour, Linux on x86: https://",
        *UNVERIFIED,
    ):
        assert text in said


def test_a_quota_below_the_mean_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """So are the jobs that are left over."""
    main(["plan", "--jobs-per-day", "1e6", "--rpm", "600"])

    assert "600 requests a minute of 1,250: too little; 136,000 jobs are left over each day" in capsys.readouterr().out


def test_a_program_reads_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The sum is that of the lines, and every line names its prices."""
    found = planned(capsys, *TOKENS, "--usd-in", "3", "--usd-out", "15")

    assert found["usd_a_month"] == pytest.approx(sum(line["usd"] for line in found["bill"]), abs=0.05)
    assert all(line["prices"] for line in found["bill"])
    assert found["plan"]["tasks_peak"] == 5
    assert found["plan"]["tpm_needed"] == pytest.approx(1250 * (800 + 500))
    assert found["bill"][-1]["prices"][0]["source"] == "the command line"


def test_what_has_no_price_is_unverified_and_not_in_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    """A model of which no price is known; and tokens that nobody told."""
    unknown = planned(capsys, *TOKENS, "--model", "amazon.nova-lite-v1:0")
    untold = planned(capsys)

    assert unknown["unverified"][0].startswith("the tokens of amazon.nova-lite-v1:0")
    assert untold["unverified"][0].startswith("the models' tokens")
    assert "models" not in {line["what"] for line in unknown["bill"] + untold["bill"]}


def test_a_model_says_how_its_quota_counts_tokens_and_what_its_profile_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """Claude's output counts five times: 800 + 5 x 200 are more than what is held back, 800 + 500."""
    regional, everywhere = (planned(capsys, *TOKENS, "--model", f"{prefix}{HAIKU}") for prefix in ("us.", "global."))

    assert regional["plan"]["tpm_needed"] == pytest.approx(1250 * 1800)
    assert regional["bill"][-1]["usd"] == pytest.approx(1.1 * everywhere["bill"][-1]["usd"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tpm", "1000"), "--tpm needs --input-tokens and --output-tokens"),
        (("--input-tokens", "5"), "--input-tokens and --output-tokens go together"),
        ((*TOKENS, "--max-tokens", "100"), "--max-tokens is below --output-tokens"),
        ((*TOKENS, "--usd-in", "3"), "--usd-in and --usd-out go together"),
        (("--usd-in", "3", "--usd-out", "5"), "--usd-in needs --input-tokens and --output-tokens"),
        (("--max-tokens", "5"), "--max-tokens needs --input-tokens and --output-tokens"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In a sentence."""
    assert main(["plan", "--jobs-per-day", "1e5", *arguments]) == exits.USAGE
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["0", "-5", "many", "nan", "inf"])
def test_a_number_of_jobs_is_a_number(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Above zero, and no more than there can be."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--jobs-per-day", jobs])
    assert ended.value.code == exits.USAGE
    assert "is not a number from 0.001 to 1e+12" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "wrong", "bounds"),
    [
        (option, wrong, bounds)
        for option, bounds in {
            "--jobs-per-day": "a number from 0.001 to 1e+12",
            "--typical-seconds": "a number from 0.001 to 1e+07",
            "--peak": "a number from 1 to 2",
            "--rpm": "a number from 0.001 to 1e+15",
            "--tpm": "a number from 0.001 to 1e+15",
            "--usd-in": "a number from 0 to 1e+06",
            "--usd-out": "a number from 0 to 1e+06",
            "--min-tasks": "a number from 0 to 1000000",
            "--input-tokens": "a number from 1 to 1000000000",
            "--output-tokens": "a number from 1 to 1000000000",
            "--max-tokens": "a number from 1 to 1000000000",
        }.items()
        for wrong in ("1e305", "-1", "nan", "inf", "1e-305", "9" * 18)
        if not (wrong == "1e-305" and option.startswith("--usd"))
    ],
)
def test_what_nobody_has_is_refused(capsys: pytest.CaptureFixture[str], option: str, wrong: str, bounds: str) -> None:
    """A usage error that says the bounds, and no bug of ours."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--jobs-per-day", "1e5", *TOKENS, f"{option}={wrong}"])
    assert ended.value.code == exits.USAGE
    assert f"argument {option}: {wrong!r} is not {bounds}" in capsys.readouterr().err


#: Each option at its bounds.
ENDS = {
    "--jobs-per-day": ("1e-3", "1e12"), "--typical-seconds": ("1e-3", "1e7"), "--peak": ("1", "2"), "--slots": ("1", "2000"),
    "--min-tasks": ("0", "1000000"), "--rpm": ("1e-3", "1e15"), "--tpm": ("1e-3", "1e15"), "--input-tokens": ("1", "1000000000"),
    "--output-tokens": ("1", "1000000000"), "--usd-in": ("0", "1e6"), "--usd-out": ("0", "1e6"),
}  # fmt: skip


@pytest.mark.parametrize("flipped", [*ENDS, None])
@pytest.mark.parametrize("end", [0, 1])
def test_at_its_bounds_everything_can_be_reckoned(capsys: pytest.CaptureFixture[str], flipped: str | None, end: int) -> None:
    """All at one end, or all but one: numbers come out, as text and as JSON."""
    arguments = [f"{name}={ends[1 - end if name == flipped else end]}" for name, ends in ENDS.items()]
    for form in ([], ["--json"]):
        assert main(["plan", *arguments, *form]) == exits.DONE
        said = capsys.readouterr().out
        assert not any(word in said for word in ("nan", "NaN", "inf ", "Infinity"))

"""`quarry submit`: where the body comes from."""

import argparse
import io
from pathlib import Path
from typing import Any

import pytest

from quarry.cli import exits, parser, submit


def body(*arguments: str) -> dict[str, Any]:
    namespace: argparse.Namespace = parser().parse_args(["submit", *arguments])
    return submit._body(namespace)  # noqa: SLF001 - what is sent is what matters


def typed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """What stdin gives, to whom decodes it like a machine without a locale."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), "ascii", errors="surrogateescape"))


def test_only_what_was_given_is_sent() -> None:
    """Defaults are the API's: an option that was not given is no field."""
    assert body("Hello") == {"prompt": "Hello"}
    assert body("Hello", "--model", "fast", "--system", "Be brief.", "--max-tokens", "9", "--custom-id", "a") == {
        "prompt": "Hello",
        "model": "fast",
        "system": "Be brief.",
        "max_tokens": 9,
        "custom_id": "a",
    }


def test_regions_are_given_in_one_word() -> None:
    """With commas between; the API knows which there are."""
    assert body("Hello", "--allowed-regions", "eu-west-1, eu-central-1")["allowed_regions"] == ["eu-west-1", "eu-central-1"]


def test_an_option_wins_over_the_file(tmp_path: Path) -> None:
    """A file is a template: the command line has the last word."""
    path = tmp_path / "body.json"
    path.write_text('{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}')
    assert body("--file", str(path), "--max-tokens", "9") == {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 9,
    }


@pytest.mark.parametrize(
    "words", [("submit", "Hello", "--stream", "--wait", "5"), ("status", "0" * 32, "--follow", "--wait", "5")], ids=lambda it: it[0]
)
def test_waiting_and_following_are_one_or_the_other(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A bound that would not be kept is not taken."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == exits.USAGE
    assert "not allowed with argument" in capsys.readouterr().err


def test_stdin_is_a_prompt_or_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` as the prompt is text, `--file -` is JSON."""
    typed(monkeypatch, "What is\nthis: ü?".encode())
    assert body("-") == {"prompt": "What is\nthis: ü?"}
    typed(monkeypatch, b'\xef\xbb\xbf{"prompt": "Hi"}')
    assert body("--file", "-") == {"prompt": "Hi"}
    typed(monkeypatch, b"\xff")
    with pytest.raises(exits.WrongUsage, match="is not UTF-8"):
        body("-")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_body_is_named(content: bytes, tmp_path: Path) -> None:
    """The message says which file, and nothing is sent."""
    path = tmp_path / "body.json"
    path.write_bytes(content)
    with pytest.raises(exits.WrongUsage, match=r"body\.json"):
        body("--file", str(path))
    with pytest.raises(exits.WrongUsage, match=r"nosuch\.json cannot be read: No such file"):
        body("--file", str(tmp_path / "nosuch.json"))


@pytest.mark.parametrize(
    ("job", "code", "says"),
    [
        ({"status": "completed", "error": None}, 0, ""),
        (
            {"status": "failed", "error": {"code": "invocation_rejected", "message": "too hot"}, "finished_at": "…"},
            1,
            "quarry: the job is failed (invocation_rejected: too hot)\n",
        ),
        (
            {"status": "queued", "error": None, "finished_at": None},
            1,
            "quarry: the job is queued; `quarry status abc --wait` waits on\n",
        ),
    ],
)
def test_waiting_succeeds_only_with_an_answer(
    job: dict[str, Any], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`quarry submit … --wait && next` goes on only when there is an answer; why not is said, and how to wait on."""
    assert submit.verdict({"request_id": "abc", **job}) == code
    assert capsys.readouterr().err == says

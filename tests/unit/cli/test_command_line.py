"""The command line as a whole: quick, explained, and never a stack trace."""

import argparse
import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from quarry.cli import COMMANDS, exits, main, parser, status, values
from quarry.errors import ApiRefused, ApiUnreachable, ConfigurationError, FieldFault, StoreUnavailable

SECONDS_OF_IMPORTS = {"boto3", "botocore", "aiobotocore", "fastapi", "uvicorn", "httpx", "pydantic", "aiohttp", "structlog"}


class Raising:
    """A verb that ends with an error."""

    HELP = "Fail."
    EXAMPLES = "  quarry fail"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """No options."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Fail."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigurationError("QUARRY_X is wrong"), 78, "quarry: QUARRY_X is wrong\n"),
        (exits.WrongUsage("body.json is not JSON"), 2, "quarry: body.json is not JSON\n"),
        (ApiUnreachable("no API answers"), 1, "quarry: no API answers\n"),
        (OSError(28, "No space left on device", "notes"), 1, "quarry: No space left on device: notes\n"),
        (
            StoreUnavailable("DynamoDB is away"),
            1,
            "quarry: DynamoDB is away; `quarry doctor` looks at each part, and says what to do\n",
        ),
        (
            ApiRefused(422, "invalid_request", "Not valid.", (FieldFault("max_tokens", "must be at least 1"),)),
            1,
            "quarry: Not valid. (invalid_request)\n  max_tokens: must be at least 1\n",
        ),
        (
            ApiRefused(401, "unauthenticated", "Send one.", ()),
            1,
            "quarry: Send one. (unauthenticated); QUARRY_CLIENT__API_KEY is where this command has it from\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_a_sentence_and_an_exit_code(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 done, 1 failed, 2 usage, 78 configuration, 130 interrupted; the sentence goes to stderr, nothing to stdout."""
    monkeypatch.setitem(COMMANDS, "fail", Raising(error))
    assert main(["fail"]) == code
    assert capsys.readouterr() == ("", says)


def test_a_bug_is_a_sentence_too_and_says_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Enough for a report: the error's class, its place, its words."""
    monkeypatch.setitem(COMMANDS, "fail", Raising(KeyError("x")))
    assert main(["fail"]) == exits.FAILED
    assert re.fullmatch(
        r"quarry: a bug of Quarry: KeyError at cli/test_command_line\.py:\d+; --debug says more\n", capsys.readouterr().err
    )


def test_who_asks_for_the_stack_trace_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--debug` lets the error through."""
    monkeypatch.setitem(COMMANDS, "fail", Raising(KeyError("x")))
    with pytest.raises(KeyError):
        main(["--debug", "fail"])


def test_a_reader_that_has_enough_ends_the_command_quietly() -> None:
    """`quarry … | head` is no error: nothing on stderr, the exit code of a closed pipe."""
    program = (
        "import sys, quarry.cli as cli\n"
        "class Endless:\n"
        "    HELP = EXAMPLES = ''\n"
        "    def add_arguments(self, parser): pass\n"
        "    def run(self, arguments):\n"
        "        while True: print('a line of a job')\n"
        "cli.COMMANDS['endless'] = Endless()\n"
        "sys.exit(cli.main(['endless']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (exits.CLOSED_PIPE, b"")


@pytest.mark.parametrize(("stdout", "code"), [("/dev/full", 1), ("&-", 0)])
def test_a_stdout_that_takes_nothing_is_no_bug(stdout: str, code: int) -> None:
    """A full disk is said once, and fails; a stdout that the caller closed takes what there is, and that is that."""
    program = (
        "import sys, quarry.cli as cli\n"
        "class Short:\n"
        "    HELP = EXAMPLES = ''\n"
        "    def add_arguments(self, parser): pass\n"
        "    def run(self, arguments): return print('a line of a job') or 0\n"
        "cli.COMMANDS['short'] = Short()\n"
        "sys.exit(cli.main(['short']))\n"
    )
    command = ["sh", "-c", f'exec "$0" -c "$1" >{stdout}', sys.executable, program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "quarry: No space left on device\n" if code else "")


def test_ctrl_c_ends_quietly_while_things_are_imported() -> None:
    """It mostly comes in the first moment, from who typed the wrong line: no stack trace."""
    program = (
        "import sys\n"
        "class Impatient:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'quarry.cli.exits': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "from quarry.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (exits.INTERRUPTED, "")


def test_the_installed_command_is_that_one() -> None:
    """Whoever types `quarry` gets it as well."""
    scripts = tomllib.loads(Path("pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"quarry": "quarry.__main__:main"}


def test_help_imports_nothing_slow() -> None:
    """`quarry --help` answers at once: AWS, HTTP and settings libraries are imported by the verbs that use them, when they run."""
    program = (
        "import sys\n"
        "from quarry.cli import parser\n"
        "parser().format_help()\n"
        "print(' '.join({name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) & SECONDS_OF_IMPORTS == set()


@pytest.mark.parametrize(("encoding", "printed"), [("utf-8", "\\ud83d ü\n"), ("ascii", "\\ud83d \\xfc\n")])
def test_what_cannot_be_printed_is_printed_otherwise(encoding: str, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a pair from a model that was cut off, or a letter that the terminal lacks: the answer was paid for."""
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr(status, "run", lambda _: exits.DONE if sys.stdout.write("\ud83d ü\n") else exits.FAILED)
    assert main(["status", "0" * 32]) == exits.DONE
    assert out.buffer.getvalue().decode(encoding) == printed


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`quarry VERB --help` has a sentence, on 80 columns, a help text for each option, and examples."""
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    command = COMMANDS[verb]
    assert command.HELP.endswith(".")
    assert command.EXAMPLES in shown
    assert max(map(len, shown.split("\n\n")[1].splitlines())) <= 80
    options = argparse.ArgumentParser(add_help=False)
    command.add_arguments(options)
    assert [action.dest for action in options._actions if not action.help] == []  # noqa: SLF001 - argparse has no other list


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_example_is_a_command_line_that_parses(verb: str) -> None:
    """What `--help` shows can be copied."""
    for line in COMMANDS[verb].EXAMPLES.splitlines():
        words = shlex.split(line, comments=True)
        while words and "quarry" in words:
            words = words[words.index("quarry") + 1 :]
            mine = next((words[:i] for i, word in enumerate(words) if word in {"|", ">", "&&"}), words)
            assert parser().parse_args(mine).verb in COMMANDS


@pytest.mark.parametrize(
    "line",
    [
        "", "nosuch", "submit", "submit text --file x", "submit text --max-tokens many", "submit text --wait -1", "status",
        "jobs --limit 0", "jobs --status done", "jobs --limit 5 --all", "status x --api localhost:8000",
        "status x --api http://[::1", "status x --api http://127.0.0.1:notaport", "status x --api http://", "submit \udcff",
        "submit x --idempotency-key \udcff", "run x --output y --in-flight 0", "local --workers 17", "local --port -1",
        "api --port 65536", "simulator --port 99999", "dlq redrive --rate 0", "dlq list --since yesterday", "jobs --limit ٣",
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be meant is refused before anything is asked of anybody."""
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == exits.USAGE
    said = capsys.readouterr().err
    assert "usage: quarry" in said
    # Names of our functions are nobody's business.
    assert not re.search(r"invalid \w*[^a-z ]\w* value|invalid (count|port|url|seconds|rate|instant|words|value) value", said)


@pytest.mark.parametrize(
    ("line", "usage", "meant"),
    [
        ("submit x --wiat", "usage: quarry submit ", "; did you mean --wait?"),
        ("dlq redrive --all --dryrun", "usage: quarry dlq redrive ", "; did you mean --dry-run?"),
        ("submit Why is it", "usage: quarry submit ", "arguments: is it\n"),
        ("submit x --debug", "usage: quarry submit ", "; --debug goes before the verb: `quarry --debug submit ...`"),
    ],
)
def test_a_misspelt_option_is_told_by_its_verb(line: str, usage: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the options that this verb has, not those of `quarry`."""
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == exits.USAGE
    said = capsys.readouterr().err
    assert said.startswith(usage)
    assert meant in said


def test_a_run_needs_a_file_for_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-` is stdout elsewhere, and is not made a file of that name."""
    monkeypatch.chdir(tmp_path)
    Path("jobs.jsonl").write_text("{}")
    assert main(["run", "jobs.jsonl", "--output", "-"]) == exits.USAGE
    assert "--output cannot be stdout" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.jsonl"]


def test_a_command_to_type_again_tells_no_password() -> None:
    """Nor does an error in the URL itself."""
    assert values.masked("quarry jobs --api http://me:secret@api.example/x") == "quarry jobs --api http://…@api.example/x"
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        values.url("http://me:secret@api.example:port")
    assert "secret" not in str(caught.value)

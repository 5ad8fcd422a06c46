"""Wrong settings stop a process at its start: exit 78, one sentence that names the variable, no stack trace."""

import subprocess
from pathlib import Path

import pytest

from tests.support.processes import ROOT, clean_environ, quarry
from tests.support.stack import Stack

BAD = [
    ("worker", {"QUARRY_WORKER__SLOTS": "many"}, "QUARRY_WORKER__SLOTS"),
    ("worker", {"QUARRY_WORKER__SLOTS": "0"}, "QUARRY_WORKER__SLOTS"),
    ("worker", {"QUARRY_WORKER__SLOT": "5"}, "QUARRY_WORKER__SLOT"),
    ("worker", {"QUARRY_WORKERS__SLOTS": "5"}, "QUARRY_WORKERS__SLOTS"),
    ("worker", {"QUARRY_QUEUE__NAME": "no-such-queue"}, "QUARRY_QUEUE__NAME"),
    ("worker", {"QUARRY_STORE__TABLE": "no-such-table"}, "QUARRY_STORE__TABLE"),
    ("worker", {"QUARRY_ROUTES_FILE": "/no/such/routes.toml"}, "QUARRY_ROUTES_FILE"),
    ("api", {"QUARRY_API__ROLES_FILE": "/no/such/roles.toml"}, "QUARRY_API__ROLES_FILE"),
    ("api", {"QUARRY_AUDIT__FILE": "/no/such/audit.jsonl"}, "QUARRY_AUDIT__FILE"),
    ("worker", {"QUARRY_ENVIRONMENT": "production", "AWS_REGION": ""}, "AWS_REGION"),
    ("worker", {"AWS_ENDPOINT_URL_SQS": "not a url"}, "AWS_ENDPOINT_URL_SQS"),
    ("api", {"QUARRY_ENVIRONMENT": "production"}, "QUARRY_API__AUTH"),
    ("api", {"QUARRY_ENVIRONMENT": "staging", "QUARRY_API__AUTH": "anonymous"}, "QUARRY_API__AUTH"),
    ("api", {"QUARRY_API__AUTH": "api_keys"}, "QUARRY_API__AUTH"),
    ("api", {"QUARRY_API__AUTH": "jwt"}, "QUARRY_JWT__ISSUER"),
    ("api", {"QUARRY_QUEUE__NAME": "no-such-queue"}, "QUARRY_QUEUE__NAME"),
    ("api", {"QUARRY_STORE__TABLE": "no-such-table"}, "QUARRY_STORE__TABLE"),
    ("provision", {"AWS_ENDPOINT_URL": "https://sqs.us-east-1.amazonaws.com"}, "AWS_ENDPOINT_URL"),
    ("provision", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "AWS_ENDPOINT_URL"),
]


@pytest.mark.parametrize(("verb", "env", "names"), BAD, ids=str)
def test_a_wrong_setting_is_named_in_one_sentence(stack: Stack, verb: str, env: dict[str, str], names: str) -> None:
    """Exit 78; stderr is the sentence and nothing else.

    Red when: `quarry/cli/__init__.py`: `case ConfigurationError():` -> `case KeyError():`
    """
    done = subprocess.run(quarry(verb), env=stack.environ(**env), capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (78, "")
    [sentence] = done.stderr.strip().splitlines()
    assert sentence.startswith("quarry: ")
    assert names in sentence


def test_an_aws_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    """At the start, before there is anything to retry for: exit 1, so that the platform tries again.

    Red when: `quarry/cli/__init__.py`: `text, code = str(error), exits.FAILED` -> `text, code = str(error), exits.CONFIGURATION`
    """
    env = clean_environ(
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",  # noqa: S106 - nobody's
        QUARRY_ENVIRONMENT="local",
    )
    for verb in ("worker", "api"):
        done = subprocess.run(quarry(verb), env=env, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
        assert done.returncode == 1
        [sentence] = done.stderr.strip().splitlines()
        assert "DynamoDB" in sentence


TARGET = '[[routes.default.targets]]\nprovider = "echo"\nmodel = "m"\n'
ROUTES = [
    ("", ":1: the file needs routes"),
    ("not toml", ":1: is not TOML"),
    (
        f"{TARGET}{TARGET.replace('[[', '[').replace(']]', ']')}",
        ":4: is not TOML: [routes.default.targets]: the file declares it twice",
    ),
    (TARGET.replace("default", "other"), "'default'"),
    ("[routes.default]\ntargets = []", ":2: routes.default.targets is empty"),
    (TARGET.replace("echo", "ecko"), ":2: routes.default.targets (1) provider is 'ecko'"),
    (TARGET.replace("echo", "bedrock"), ":1: routes.default.targets (1) needs region"),
    (TARGET.replace("echo", "bedrock") + 'region = "us-east1"', "did you mean 'us-east-1'?"),
    (TARGET.replace('"m"', "5"), ":3: routes.default.targets (1) model is 5"),
    (TARGET + "requests_per_minute = -1", ":4: routes.default.targets (1) requests_per_minute is -1"),
    (TARGET + TARGET, ":4: routes.default.targets (2) is echo/m again"),
    (f"{TARGET}[routes.Bad_Name]\n{TARGET.replace('default', 'Bad_Name')}", ":4: routes.Bad_Name must be named by"),
    (
        f'{TARGET}[providers.mine]\nkind = "openai"\nbase_url = "http://h"\napi_key_env = "NO_SUCH"',
        ":7: providers.mine.api_key_env",
    ),
]


@pytest.mark.parametrize(("text", "names"), ROUTES, ids=lambda each: repr(each)[-30:])
def test_a_wrong_routes_file_is_named_with_its_line(tmp_path: Path, text: str, names: str) -> None:
    """The file, the line, the place in it, and what is wrong.

    Red when: `quarry/toml_file.py`: `f"{self._path}:{line}: {text}"` -> `f"{self._path}: {text}"`
    """
    path = tmp_path / "routes.toml"
    path.write_text(text)
    env = clean_environ(QUARRY_ROUTES_FILE=str(path), QUARRY_ENVIRONMENT="local")
    done = subprocess.run(quarry("worker"), env=env, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 78
    [sentence] = done.stderr.strip().splitlines()
    assert str(path) in sentence
    assert names in sentence

"""The client verbs and `doctor`, against a running Quarry: what a person types, sees, and gets as an exit code."""

import json
import subprocess
from pathlib import Path

import pytest

from quarry.cli import exits
from tests.support.processes import ROOT, clean_environ, free_port, quarry
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def _echo(stack: Stack) -> None:
    stack.env["QUARRY_ROUTES_FILE"] = stack.routes()


def run(stack: Stack, *arguments: str, stdin: str = "", code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    """A verb of the command line, run as a person would; nobody ever sees a stack trace."""
    if stack.api is not None:
        env = {"QUARRY_CLIENT__API_URL": str(stack.api.base_url)} | env
    done = subprocess.run(
        quarry(*arguments), env=stack.environ(**env), input=stdin, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr + done.stdout
    return done


def test_a_prompt_comes_back_answered(stack: Stack) -> None:
    """`quarry submit … --wait` prints the answer and nothing else to stdout; the id goes to stderr.

    Red when: `quarry/cli/submit.py`: `if arguments.wait is None and not arguments.stream:` -> `if True:`
    """
    with stack.running_api(), stack.running_worker():
        done = run(stack, "submit", "Hello", "--wait", "30")
        assert done.stdout == "Hello\n"
        assert "submitted" in done.stderr
        assert run(stack, "submit", "-", "--wait", stdin="From a pipe").stdout == "From a pipe\n"
        assert json.loads(run(stack, "submit", "Hi", "--wait", "--json").stdout)["result"]["text"] == "Hi"


def test_an_answer_is_printed_as_it_comes(stack: Stack) -> None:
    """By `submit --stream`, and by `status --follow`, of a job that is not streamed too; the events are JSON for programs.

    Red when: `quarry/cli/submit.py`: `given["stream"] = arguments.stream or None` -> `given["stream"] = None`
    Red when: `quarry/cli/following.py`: `[printed:]` -> `[0:]`
    """
    with stack.running_api(), stack.running_worker():
        assert run(stack, "submit", "Grüße, 世界", "--stream").stdout == "Grüße, 世界\n"
        events = [json.loads(line) for line in run(stack, "submit", "Hi", "--stream", "--json").stdout.splitlines()]
        assert (events[-1]["event"], events[-1]["data"]["stream"], events[-1]["data"]["result"]["text"]) == ("done", True, "Hi")
        assert "".join(each["data"]["text"] for each in events if each["event"] == "text") == "Hi"
        request_id = run(stack, "submit", "Hi").stdout.strip()
        assert run(stack, "status", request_id, "--follow").stdout == "Hi\n"
        assert "no such job" in run(stack, "status", request_id[:-6] + "abcdef", "--follow", code=exits.FAILED).stderr


def test_a_job_is_followed_by_its_id(stack: Stack, tmp_path: Path) -> None:
    """`submit` prints an id that `status` and `jobs` take; without a worker the job waits, and waiting for it fails in time.

    Red when: `quarry/cli/status.py`:
    `return exits.DONE if arguments.wait is None else verdict(job)` ->
    `return exits.DONE`: waiting for an unfinished job looks like success.
    """
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"messages": [{"role": "user", "content": "Hi"}], "custom_id": "from-file", "metadata": {"a": "b"}}))
    with stack.running_api():
        request_id = run(stack, "submit", "--file", str(body)).stdout.strip()
        shown = run(stack, "status", request_id).stdout
        assert "queued" in shown
        assert "from-file" in shown
        late = run(stack, "status", request_id, "--wait", "1", code=exits.FAILED)
        assert "the job is queued" in late.stderr
        with stack.running_worker():
            done = run(stack, "status", request_id, "--wait", "30", "--json")
    assert json.loads(done.stdout)["status"] == "completed"


def test_jobs_are_listed_and_cancelled(stack: Stack) -> None:
    """Newest first, through all pages, by status; a cancelled job is done, and cancelling what is over is refused.

    Red when: `quarry/client.py`: `if not answer.get("next_cursor"):` -> `if True:`: only the first page is listed.
    """
    with stack.running_api():
        ids = [stack.submit(prompt="x", custom_id=str(number)) for number in range(103)]
        listed = [json.loads(line) for line in run(stack, "jobs", "--all", "--json").stdout.splitlines()]
        assert [job["request_id"] for job in listed] == ids[::-1]
        assert len(run(stack, "jobs", "--limit", "5").stdout.splitlines()) == 5
        assert run(stack, "cancel", ids[0]).stdout == f"{ids[0]} cancelled\n"
        assert run(stack, "jobs", "--status", "cancelled").stdout.startswith(ids[0])
        with stack.running_worker():
            stack.finished(ids[1])
        refused = run(stack, "cancel", ids[1], code=exits.FAILED)
        assert "(not_cancellable)" in refused.stderr


def test_the_same_key_gives_the_same_job(stack: Stack) -> None:
    """Typing a submission twice with its key makes one job.

    Red when: `quarry/client.py`: `{} if idempotency_key is None else` -> `{} if True else`
    """
    with stack.running_api():
        first, second = (run(stack, "submit", "Hi", "--idempotency-key", "k").stdout for _ in range(2))
    assert first == second


def test_what_is_wrong_is_said_in_a_sentence(stack: Stack) -> None:
    """Bad fields by their paths, an unknown job, an API that is not there: exit code 1; bad settings: 78.

    Red when: `quarry/cli/__init__.py`: `f"{error} ({error.code}){faults}"` -> `f"{error} ({error.code})"`
    """
    with stack.running_api():
        bad = run(stack, "submit", "--file", "-", stdin='{"prompt": "x", "max_tokens": 0, "wat": 1}', code=exits.FAILED)
        assert "max_tokens" in bad.stderr
        assert "wat" in bad.stderr
        assert "(model_not_allowed)" in run(stack, "submit", "x", "--model", "nosuch", code=exits.FAILED).stderr
        unknown = "0" * 12 + "7" + "0" * 3 + "8" + "0" * 15
        assert "(job_not_found)" in run(stack, "status", unknown, code=exits.FAILED).stderr
    gone = run(stack, "jobs", "--api", f"http://127.0.0.1:{free_port()}", code=exits.FAILED)
    assert gone.stderr.startswith("quarry: no API answers at ")
    wrong = run(stack, "jobs", code=exits.CONFIGURATION, QUARRY_CLIENT__API_URL="localhost:8000")
    assert "QUARRY_CLIENT__API_URL" in wrong.stderr


def test_a_client_needs_no_settings_of_a_service() -> None:
    """Who only submits has no region, no queue and no environment name.

    Red when: `quarry/cli/connect.py`:
    `import load_client_settings` -> `import load_settings as load_client_settings`: the exit code is 78.
    """
    env = clean_environ(QUARRY_CLIENT__API_URL=f"http://127.0.0.1:{free_port()}")
    done = subprocess.run(quarry("jobs"), env=env, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == exits.FAILED
    assert "no API answers" in done.stderr


def levels(output: str) -> dict[str, str]:
    """Check → the worst that was found of it."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        level, check = line.split()[:2]
        found[check] = max(level, found.get(check, level), key=["ok", "warn", "FAIL"].index)
    return found


def test_doctor_finds_nothing_to_treat_in_what_provision_made(stack: Stack) -> None:
    """Every check is ok, with an API that is up; nothing is changed and no model is called.

    Red when: `quarry/cli/judgements.py`: `if found == wanted:` -> `if found > wanted:`
    """
    with stack.running_api() as api:
        found = levels(run(stack, "doctor", "--api", str(api.base_url)).stdout)
    checks = [
        "settings",
        "region",
        "credentials",
        "clock",
        "queue",
        "queue-high",
        "queue-low",
        "dlq",
        "visibility",
        "retention",
        "redrive",
        "table",
    ]
    assert found == dict.fromkeys([*checks, "indexes", "ttl", "bucket", "expiry", "routes", "api"], "ok")


def test_doctor_names_what_is_broken_and_goes_on(stack: Stack) -> None:
    """A lost dead-letter queue, a short visibility, rows and objects that never go, no Bedrock, no API: each has its line.

    Red when: `quarry/cli/doctor.py`:
    `return exits.FAILED if failed else exits.DONE` -> `return exits.DONE`: a pipeline would deploy on it.
    Red when: `quarry/cli/judgements.py`: `if not any(_whole(each) for each in expiring):` -> `if False:`
    """
    sqs, dynamodb = stack.client("sqs"), stack.client("dynamodb")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{stack.name}-dlq")["QueueUrl"])
    sqs.set_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=stack.name)["QueueUrl"], Attributes={"VisibilityTimeout": "30"})
    dynamodb.update_time_to_live(TableName=stack.name, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"})
    stack.client("s3").delete_bucket_lifecycle(Bucket=stack.name)
    nowhere = f"http://127.0.0.1:{free_port()}"
    env = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": nowhere, "QUARRY_ROUTES_FILE": stack.routes(provider="bedrock")}
    done = run(stack, "doctor", "--api", nowhere, code=exits.FAILED, **env)
    failed = {check for check, level in levels(done.stdout).items() if level == "FAIL"}
    assert failed == {"dlq", "visibility", "ttl", "expiry", "bedrock", "api"}


def test_doctor_without_credentials_or_aws_is_a_list_of_findings(stack: Stack) -> None:
    """Refused or unreachable: said per check, as JSON if wished, and wrong settings are exit code 78.

    Red when: `quarry/cli/checks.py`: `except (BotoCoreError, ValueError) as error:` -> `except ValueError as error:`
    """
    gone = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    lines = [json.loads(line) for line in run(stack, "doctor", "--json", code=exits.FAILED, **gone).stdout.splitlines()]
    assert {line["check"] for line in lines if line["level"] == "FAIL"} == {"credentials", "queue", "table", "bucket"}
    assert "QUARRY_WORKER__SLOTS" in run(stack, "doctor", code=exits.CONFIGURATION, QUARRY_WORKER__SLOTS="0").stderr

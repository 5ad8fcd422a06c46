"""`quarry submit`: hand in one job."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quarry.cli import exits
from quarry.cli.connect import add_client_arguments, connect
from quarry.cli.following import follow
from quarry.cli.show import as_json, explain
from quarry.cli.values import listed, seconds, words
from quarry.job import Priority

if TYPE_CHECKING:
    from quarry.client import JobView

HELP = "Submit one job; print its request id or, with --wait, its answer."
EXAMPLES = """\
  quarry submit "Why is the sky blue?"
  quarry submit "Why is the sky blue?" --system "Answer in one sentence." --wait
  quarry submit --file body.json --idempotency-key order-4711 --wait 120
  quarry submit "Tell me a long story." --stream
  git diff | quarry submit - --system "Summarise this change." --wait"""

#: Option → field of the submission. An option wins over what the file says.
_FIELDS: Final = ("model", "system", "max_tokens", "allowed_regions", "priority", "custom_id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    body = parser.add_mutually_exclusive_group(required=True)
    body.add_argument("prompt", nargs="?", type=words, metavar="PROMPT", help="the prompt; `-` reads it from stdin")
    body.add_argument("--file", metavar="FILE", help="a submission body as JSON, as the REST API takes it; `-` reads it from stdin")
    parser.add_argument("--model", type=words, help="route or model id (default: the route `default`)")
    parser.add_argument("--system", type=words, metavar="TEXT", help="system prompt")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="most tokens of the answer (default: the API's)")
    parser.add_argument(
        "--allowed-regions",
        type=listed,
        metavar="REGIONS",
        help="AWS regions with commas between: the prompt is processed nowhere else",
    )
    parser.add_argument(
        "--priority",
        choices=[each.value for each in Priority],
        help="how urgent the job is (default: normal): `high` does not wait behind the others",
    )
    parser.add_argument("--custom-id", type=words, metavar="ID", help="a name of your own for the job; it need not be unique")
    parser.add_argument(
        "--idempotency-key",
        type=words,
        metavar="KEY",
        help="the same key and body give the same job, however often they are sent, for 24 h",
    )
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--wait", nargs="?", type=seconds, const=float("inf"), metavar="SECONDS",
        help="wait for the job to finish (without SECONDS: however long that takes) and print its answer; "
        "exit code 1 where there is none",
    )  # fmt: skip
    end.add_argument(
        "--stream", action="store_true", help="print the answer as it is generated (with --json: the job's events, one a line)"
    )
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Submit and, if asked to, wait or follow."""
    body = _body(arguments)
    with connect(arguments) as client:
        job = client.submit(body, arguments.idempotency_key)
        if arguments.wait is None and not arguments.stream:
            print(as_json(job) if arguments.json else job["request_id"])
            return exits.DONE
        # Said before the waiting: whoever gets impatient can come back with it.
        print(f"quarry: submitted {job['request_id']}", file=sys.stderr)
        if arguments.stream:
            return verdict(follow(client, job["request_id"], as_json=arguments.json))
        job = client.wait(job["request_id"], None if arguments.wait == float("inf") else arguments.wait)
        if arguments.json:
            print(as_json(job))
        elif job["status"] == "completed":
            print(client.text_of(job["result"]))
    return verdict(job)


def verdict(job: "JobView") -> int:
    """The exit code of having waited for `job`; says why where it is not 0."""
    if job["status"] == "completed":
        if not job.get("degraded"):
            return exits.DONE
        print("quarry: no model answered in time; this is what the route declares for that", file=sys.stderr)
        return exits.FAILED
    why = f" ({explain(job['error'])})" if job["error"] else ""
    later = "" if job["finished_at"] else f"; `quarry status {job['request_id']} --wait` waits on"
    print(f"quarry: the job is {job['status']}{why}{later}", file=sys.stderr)
    return exits.FAILED


def _body(arguments: argparse.Namespace) -> dict[str, Any]:
    body = {"prompt": _prompt(arguments.prompt)} if arguments.file is None else _from_file(arguments.file)
    given = {name: getattr(arguments, name) for name in _FIELDS}
    given["stream"] = arguments.stream or None
    return body | {name: value for name, value in given.items() if value is not None}


def _prompt(text: str) -> str:
    return _read("-") if text == "-" else text


def _from_file(path: str) -> dict[str, Any]:
    try:
        body = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise exits.WrongUsage(f"{path} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise exits.WrongUsage(f"{path} does not hold a JSON object")
    return body


def _read(path: str) -> str:
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise exits.WrongUsage(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise exits.WrongUsage(f"{path} is not UTF-8") from error

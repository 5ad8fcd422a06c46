"""`quarry doctor`: look at everything Quarry needs, change nothing, pay nothing."""

import argparse
import json

from quarry.cli import exits
from quarry.cli.values import url

HELP = (
    "Check settings, credentials, queues, table, bucket, clock and Bedrock's endpoint; say what to do. Changes and costs nothing."
)
EXAMPLES = """\
  quarry doctor
  quarry doctor --api http://127.0.0.1:8000
  quarry doctor --json | jq 'select(.level != "ok")'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--api", metavar="URL", type=url, help="base URL of an API that should be ready, too (default: none is asked)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line: check, level, text")


def run(arguments: argparse.Namespace) -> int:
    """Check, one line each; 1 where something fails."""
    from quarry.cli.checks import findings
    from quarry.cli.judgements import Level
    from quarry.settings import load_settings

    failed = False
    for finding in findings(load_settings(), arguments.api):
        print(json.dumps(finding.as_json()) if arguments.json else finding, flush=True)
        failed = failed or finding.level is Level.FAIL
    return exits.FAILED if failed else exits.DONE

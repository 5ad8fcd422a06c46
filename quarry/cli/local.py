"""`quarry local`: the whole stack on this machine, in one command."""

import argparse
import sys
from pathlib import Path

from quarry.cli import exits
from quarry.cli.values import port, whole

HELP = "Run everything on this machine: emulated AWS, a simulated Bedrock, the API and a worker. Ctrl-C stops it all."
EXAMPLES = """\
  quarry local
  quarry local --workers 2 --script faults.json
  quarry local --data ./quarry-data
  quarry local --port 8080 --brain echo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--port", type=port, default=8000, help="the API's port; 0 takes any free one (default: %(default)s)")
    parser.add_argument("--aws-port", type=port, default=4566, metavar="PORT", help="emulated AWS's (default: %(default)s)")
    parser.add_argument("--simulator-port", type=port, default=4567, metavar="PORT", help="the simulator's (default: %(default)s)")
    parser.add_argument(
        "--metrics-port", type=port, default=9090, metavar="PORT",
        help="the first worker's metrics; the API's are on the next port, and then come the other workers' (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--workers", type=whole(1, 16), default=1, metavar="N", help="worker processes (default: %(default)s)")
    parser.add_argument(
        "--brain", choices=("smollm2", "echo"), default="smollm2",
        help="what answers: a small real model, or an echo where that cannot be had (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules and quotas for the simulator (default: none)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="keep jobs, queues and payloads here. They are written when the stack stops in order (Ctrl-C, SIGTERM, or its "
        "terminal or itself is killed); where the emulator itself dies, everything since the start is lost but the payloads in S3 "
        "(default: nothing is kept)",
    )  # fmt: skip
    parser.add_argument(
        "--emulator-python", type=Path, default=Path(".venv-aws/bin/python"), metavar="FILE",
        help="the Python that has the emulated AWS; `make install` makes it (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--model-python", type=Path, default=Path(".venv-model/bin/python"), metavar="FILE",
        help="the Python that has the small model; `make model` makes it (default: %(default)s)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Run it until stopped."""
    from quarry.local.ports import Ports
    from quarry.local.service import serve
    from quarry.local.stack import Plan

    plan = Plan(
        ports=Ports(api=arguments.port, aws=arguments.aws_port, simulator=arguments.simulator_port, metrics=arguments.metrics_port),
        brain=arguments.brain,
        script=arguments.script,
        workers=arguments.workers,
        data=arguments.data,
        emulator_python=arguments.emulator_python,
        model_python=arguments.model_python,
    )
    return exits.DONE if serve(plan, say=lambda text: _show(f"quarry: {text}"), show=_show) else exits.INTERRUPTED


def _show(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

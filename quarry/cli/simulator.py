"""`quarry simulator`: serve a simulated Bedrock Runtime."""

import argparse
from pathlib import Path

from quarry.cli.values import port

HELP = "Serve a simulated Bedrock Runtime, for tests and laptops."
EXAMPLES = """\
  quarry simulator
  quarry simulator --brain smollm2
  quarry simulator --port 0 --script faults.json
  curl -d '{"act": {"error": "ThrottlingException"}, "times": 3}' http://127.0.0.1:4567/_simulator/rules
  curl -d '{"requests_per_minute": 600}' http://127.0.0.1:4567/_simulator/quotas"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=4567, help="port to listen on; 0 takes any free one (default: %(default)s)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules and quotas to begin with, as JSON (default: none)")
    parser.add_argument("--brain", choices=("echo", "smollm2"), default="echo", help="what answers (default: %(default)s)")
    parser.add_argument(
        "--model-python", type=Path, default=Path(".venv-model/bin/python"), metavar="FILE",
        help="the Python that has the model of `--brain smollm2`; `make model` makes it (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of what rules draw: probability, jitter (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    # Here and not above: every other verb would wait for these imports.
    from quarry.simulator.rules import RuleBook
    from quarry.simulator.script import read_script
    from quarry.simulator.server import main

    script = read_script(arguments.script)
    rules = RuleBook(script.rules, seed=arguments.seed)
    model_python = arguments.model_python if arguments.brain == "smollm2" else None
    return main(rules, script.quotas, host=arguments.host, port=arguments.port, model_python=model_python)

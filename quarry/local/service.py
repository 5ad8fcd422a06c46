"""`quarry local`: the stack, until Ctrl-C; and what it says meanwhile."""

import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from quarry.errors import ConfigurationError
from quarry.local.ports import Ports
from quarry.local.processes import ChildFailed, Stopped
from quarry.local.stack import LocalStack, Plan, local_stack
from quarry.simulator.script import read_script

_ANSWERS: Final = {"echo": "it echoes", "smollm2": "SmolLM2-135M-Instruct answers, on this machine"}
#: For other terminals; it lies beside the logs.
_ENVIRONMENT: Final = "env.sh"
_TOLD: Final = """
  API         {api}
              {api}/docs
  simulator   {simulator}  (Bedrock; {answers})
  AWS         {aws}  (SQS, DynamoDB, S3; keys test and test)
  metrics     {metrics}
  logs        {logs}
  data        {data}

In another terminal:

  curl -sS {api}/v1/jobs -H 'Content-Type: application/json' -d '{{"prompt": "Why is the sky blue?"}}'
  {quarry} submit {to}"Name three rivers in Europe." --wait

For `quarry doctor`, `quarry dlq` and AWS's own tools there:  source {environment}
"""


def serve(plan: Plan, say: Callable[[str], None], show: Callable[[str], None]) -> bool:
    """Run the stack until a signal comes; whether it then stopped in order, and not by a second Ctrl-C.

    `say` is given sentences, `show` the page that says what listens where.

    Raises:
        ConfigurationError: it cannot start as it is asked to.
        ChildFailed: a process died, or did not get ready. The logs are kept.
    """
    started, in_order = time.monotonic(), True
    read_script(plan.script)
    with _directory(plan.data) as directory:
        try:
            with local_stack(directory, plan, say) as stack:
                (directory / _ENVIRONMENT).write_text(exports(stack), encoding="utf-8")
                say(f"ready after {time.monotonic() - started:.1f} s. Ctrl-C stops everything; a second one kills it.")
                show(told(stack, plan, directory))
                wait(stack, say)
        except Stopped as stopped:
            in_order = not stopped.in_haste
    say("stopped" if in_order else "killed")
    return in_order


def wait(stack: LocalStack, say: Callable[[str], None]) -> NoReturn:
    """Wait for a signal, or for a part to die, and `say` which, since stopping the rest takes a while.

    Raises:
        ChildFailed: a part has died.
        Stopped: a signal came.
    """
    try:
        stack.processes.wait()
    except (Stopped, ChildFailed) as ending:
        say(f"{ending.what}: stopping")
        raise


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    """Where logs go: to what is kept, or to a directory that is left only where something failed."""
    if data is not None:
        logs = data / "logs"
        try:
            # Prompts and answers lie in there.
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            logs.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"--data: {data} cannot be used: {error.strerror}") from error
        yield logs.absolute()
        return
    directory = Path(tempfile.mkdtemp(prefix="quarry-local-"))
    try:
        yield directory
    except ChildFailed:
        raise
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)


def told(stack: LocalStack, plan: Plan, directory: Path) -> str:
    """What listens where, what is kept, and what to type first."""
    answers = _ANSWERS[stack.brain]
    if stack.brain_missing:
        answers += f", since {plan.brain} cannot be had: {stack.brain_missing}"
    return _TOLD.format(
        api=stack.api_url,
        simulator=stack.simulator_url,
        answers=answers,
        aws=stack.aws_url,
        metrics="\n              ".join(f"{url}  ({name})" for name, url in stack.metrics_urls.items()),
        logs=f"{directory}/*.log",
        data=f"{plan.data}: written when it stops in order" if plan.data else "nothing is kept (--data DIR keeps it)",
        quarry=_command(),
        to="" if plan.ports.api == Ports().api else f"--api {stack.api_url} ",
        environment=shlex.quote(str(directory / _ENVIRONMENT)),
    )


def exports(stack: LocalStack) -> str:
    """A file to source, which points a terminal at the stack."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in stack.variables.items())


def _command() -> str:
    """`quarry` as another terminal finds it, whatever its PATH."""
    script = Path(sys.executable).with_name("quarry")
    return shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m quarry"

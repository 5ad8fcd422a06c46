"""Records a run of `make demo` into `docs/howto/demo.md`: `python docs/record.py`, after `make install model`."""  # noqa: INP001 - a script

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "howto" / "demo.md"
BLOCK: Final = re.compile(r"(<!-- recorded: make demo -->\n).*?(<!-- end -->)", re.DOTALL)
_COLUMNS: Final = 132


def main() -> int:
    """Run it, and write down what it says, if it came to its end."""
    load = os.getloadavg()[0]
    environ = {**os.environ, "COLUMNS": str(_COLUMNS)}
    command = ["make", "--no-print-directory", "demo"]
    done = subprocess.run(  # noqa: S603 - our own command
        command, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        return done.returncode
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}\n{recording(done.stdout, load)}\n{found[2]}", PAGE.read_text()))
    return 0


def recording(text: str, load: float) -> str:
    """What stands on the page."""
    where = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}; load average {load:.1f} before it began"
    )
    return f"{datetime.now(UTC):%d %B %Y}, {where}.\n\n```text\n$ make demo\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main())

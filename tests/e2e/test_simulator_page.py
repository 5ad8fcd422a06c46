"""The how-to of the simulator, word for word: its blocks are typed in one terminal, one after the other."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT, clean_environ, free_port

PAGE = (ROOT / "docs" / "howto" / "simulator.md").read_text()
EXCUSED = re.compile(r"^> Not run by the tests: [^\n]+\n\n```sh\n.*?^```$", re.MULTILINE | re.DOTALL)
#: Language and text of each block that is run, and what the page shows below it.
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", EXCUSED.sub("", PAGE), re.MULTILINE | re.DOTALL)
MARK = "--- the end of a block ---"


def script() -> str:
    typed = [text if language == "sh" else f"python - <<'EOF'\n{text}EOF\n" for language, text, _ in BLOCKS]
    ports = {port: str(free_port()) for port in ("4568", "4569")}
    return re.sub("4568|4569", lambda found: ports[found[0]], f"echo '{MARK}'\n".join(typed))


def test_what_the_page_says_can_be_typed(tmp_path: Path) -> None:
    """Every block ends with 0, and prints what stands below it: each line in order, numbers apart; … is anything.

    Red when: `docs/howto/simulator.md`: `"close": true, "after_events": 2` -> `"close": true, "after_events": 9`
    """
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    output = tmp_path / "terminal.log"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with output.open("w") as log:
        terminal = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail", "-c", script()], env=clean_environ(PYTHONPATH=str(ROOT), PATH=path), cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        code = terminal.wait(90)
    finally:
        os.killpg(terminal.pid, signal.SIGTERM)
    printed = output.read_text().split(MARK + "\n")
    assert (code, len(printed)) == (0, len(BLOCKS)), printed[-1]
    for said, (_, text, shown) in zip(printed, BLOCKS, strict=True):
        lines = iter([numberless(line) for line in said.splitlines()])
        missing = [line for line in shown.splitlines() if not any(pattern(line).fullmatch(each) for each in lines)]
        assert missing == [], f"{text}\nprinted\n{said}"


def numberless(line: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "0", line)


def pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, re.split(" ?… ?", numberless(line)))))

"""What a process and all that it started use, from Linux's /proc."""

from contextlib import suppress
from pathlib import Path

from bench.usage import Usage
from tests.support.processes import started_by


class Tree:
    """The processes below and with `pid`; those that it starts later are found by `look`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._pids = [pid]
        self._cpu: dict[int, float] = {}
        self.peak_mib = 0.0

    def look(self) -> None:
        """Note who runs, and the memory: the proportional share (PSS) of each, so that shared pages count once."""
        self._pids = [self._pid, *started_by(self._pid)]
        self.peak_mib = max(self.peak_mib, sum(_pss_mib(pid) for pid in self._pids))

    def cpu_seconds(self) -> float:
        """User and system time so far, of those that have ended too, as far as they were seen."""
        for pid in self._pids:
            with suppress(OSError, StopIteration):
                self._cpu[pid] = Usage.of(pid).cpu_seconds
        return sum(self._cpu.values())


def _pss_mib(pid: int) -> float:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024
    return 0.0

"""What a process has used, from Linux's /proc."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU of all threads, user and system; the resident set at its largest so far."""

    cpu_seconds: float
    peak_mib: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Up to now."""
        process = Path(f"/proc/{pid}")
        # Behind the command's name, which may hold anything: utime and stime are the 14th and 15th of all (proc_pid_stat(5)).
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        peak = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
        return cls((int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND, int(peak.split()[1]) / 1024)

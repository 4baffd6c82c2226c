"""Times calls and reads the peak memory of a process; imports nothing but the standard library."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def seconds(function: Callable[[], Any], runs: int, *, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Measures how long each of `runs` calls takes, in seconds.

    Args:
        function: the call.
        runs: number of calls.
        clock: returns the time; `time.process_time` counts processor time of all threads of this process.
    """
    times = []
    for _ in range(runs):
        start = clock()
        function()
        times.append(clock() - start)
    return times


def peak_gb(status: Path = STATUS) -> float:
    """Reads the peak resident memory of this process, in GB; Linux only.

    `resource.getrusage` also counts the memory of the process that started this one.

    Args:
        status: Linux's description of the process.

    Raises:
        ValueError: the description lacks the peak.
    """
    found = _PEAK.search(status.read_text())
    if found is None:
        raise ValueError(f"{status} does not hold the peak memory (VmHWM)")
    return int(found[1]) * 1024 / 1e9

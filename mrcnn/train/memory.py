"""Reads the memory of this process and of the machine, as Linux reports them."""

from pathlib import Path

STATUS = Path("/proc/self/status")
MACHINE = Path("/proc/meminfo")
RESET = Path("/proc/self/clear_refs")
GROUP = Path("/sys/fs/cgroup")  # limits of a container, version 2
KIB = 1024
RESET_PEAK = "5"  # what Linux documents for `clear_refs`


def reset_peak() -> bool:
    """Makes `peak` count from now on.

    Returns:
        False where the system does not allow it, so that `peak` still counts from the start of the process.
    """
    try:
        RESET.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def peak() -> int | None:
    """Reads the largest memory of this process, in bytes; None where the system does not report it."""
    return _field(STATUS, "VmHWM")


def resident() -> int | None:
    """Reads the memory of this process that is in use now, in bytes; None as for `peak`."""
    return _field(STATUS, "VmRSS")


def available() -> int | None:
    """Reads the memory that programs can still have, in bytes, within the limit of a container; None as above.

    Cached files count as available, since the system drops them when programs need the memory.
    """
    free = _field(MACHINE, "MemAvailable")
    limit, used = (_number(GROUP / name) for name in ("memory.max", "memory.current"))
    if free is None or limit is None or used is None:
        return free
    return min(free, max(0, limit - used + _cached()))


def _field(path: Path, name: str) -> int | None:
    if not path.is_file():
        return None
    lines = [line.split() for line in path.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(lines[0][1]) * KIB if lines else None


def _cached() -> int:
    """Reads the memory of a container's cached files that were not used lately, in bytes."""
    path = GROUP / "memory.stat"
    entries = dict(line.split() for line in path.read_text().splitlines()) if path.is_file() else {}
    return int(entries.get("inactive_file", 0))


def _number(path: Path) -> int | None:
    """Reads a file of one number; None for another word, such as `max`, and without the file."""
    text = path.read_text().strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None

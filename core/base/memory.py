"""How much memory this program has: the machine's, or a container's share of it; and a bound on this process."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
OWN_STATUS = Path("/proc/self/status")
COUNTERS = Path("/proc/vmstat")


def machine_memory_mb(groups: Path = GROUPS, own: Path = OWN_GROUPS) -> int:
    """Megabytes of memory: the machine's, or those of the container this process is in where they are fewer.

    `groups` is where the kernel shows control groups (version 1 or 2), `own` the file that names this process's.
    """
    return int(min([psutil.virtual_memory().total, *_group_bounds(groups, own)])) >> 20


def _group_bounds(groups: Path, own: Path) -> list[int]:
    """Bytes that this process's groups may take, and the groups above them; in a container the file shows names
    from outside that do not exist in it, and its own bounds lie at the top."""
    places = {PurePosixPath("/")}
    for line in _read(own).splitlines():
        _, _, rest = line.partition(":")
        kinds, _, place = rest.partition(":")
        if place and (not kinds or "memory" in kinds.split(",")):
            places |= {PurePosixPath(place), *PurePosixPath(place).parents}
    inner = [str(place).lstrip("/") for place in places]
    files = [groups / place / "memory.max" for place in inner]
    files += [groups / "memory" / place / "memory.limit_in_bytes" for place in inner]
    return [int(text) for text in (_read(file).strip() for file in files) if text.isdecimal() and int(text)]


def memory_kills(counters: Path = COUNTERS) -> int:
    """Processes that the kernel has ended since its start because memory ran out; 0 where it does not say."""
    found = [line.split() for line in _read(counters).splitlines()]
    return next((int(parts[1]) for parts in found if len(parts) == 2 and parts[0] == "oom_kill"), 0)


@contextlib.contextmanager
def memory_bound(most_bytes: int) -> Iterator[None]:
    """While the block runs this process is refused more memory of its own than that: a MemoryError or the
    allocator's words, where otherwise the kernel would end some process. Files that are only read do not count, nor
    does what was reserved before the block and never used (pyarrow's allocator: a gigabyte).

    On Linux alone; elsewhere nothing is bounded.
    """
    if sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = most_bytes + _reserved_bytes()
    lowest = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, hard))
    try:
        yield
    finally:  # what is said about a failure needs some memory too
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _reserved_bytes() -> int:
    """Address space for data, which is what the kernel bounds, that holds no memory yet."""
    lines = (line.split() for line in _read(OWN_STATUS).splitlines())
    kilobytes = {parts[0]: int(parts[1]) for parts in lines if parts[0] in ("VmData:", "RssAnon:")}
    return max(0, kilobytes.get("VmData:", 0) - kilobytes.get("RssAnon:", 0)) << 10


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""

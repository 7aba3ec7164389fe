"""What this machine's processor can do, found without torch, for estimates made in the interface's process."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
CORES = "TASKLOOM_CORES"  # for a worker that an engine started
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def multiplies_bfloat16() -> bool:
    """Whether training would multiply in bfloat16 on this CPU: what `core.training.device.cpu_has_bfloat16` asks
    torch. False where the system does not tell (not Linux), as an estimate that is too slow hurts nobody.
    """
    return bool(BFLOAT16_FLAGS & cpu_flags())


def num_cores() -> int:
    """Cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, granted_cores() or cores)


def granted_cores() -> int | None:
    """Cores that an engine has set aside for this run, where it does not itself keep the process to them."""
    given = os.environ.get(CORES)
    return max(1, int(given)) if given else None


@cache
def cpu_flags() -> frozenset[str]:
    """The instruction sets that Linux names for an x86 processor; empty elsewhere."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())

"""What a child process may cost, and that it ends with whom it works for: set by the system, not by the child."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
# Found beforehand: between fork and exec of a process with threads nothing may be imported or looked up.
_PRCTL: Callable[..., int] | None = getattr(ctypes.CDLL(None), "prctl", None)


@dataclass(frozen=True)
class Limits:
    """What a child may cost; beyond it the system ends it, or refuses it memory. None: no limit of ours."""

    cpu_s: int | None = None
    memory_bytes: int | None = None
    written_bytes: int | None = None
    open_files: int | None = None

    def lower(self, pid: int) -> None:
        """Lowers the limits of a process that was just started, 0 for this one. It cannot raise them again (Linux).

        From outside: the copy of a large process that becomes the child may itself be above them. A second more of
        processor time, so that the signal which says why comes before the one that ends it.
        """
        wanted = (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, self.cpu_s),
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_FSIZE, self.written_bytes),
            (resource.RLIMIT_NOFILE, self.open_files),
        )
        for name, value in wanted:
            if value is not None:
                _, hard = resource.getrlimit(name)
                most = value + 1 if name == resource.RLIMIT_CPU else value
                most = most if hard == resource.RLIM_INFINITY else min(most, hard)
                with contextlib.suppress(ProcessLookupError):  # it has ended already
                    resource.prlimit(pid, name, (min(value, most), most))


def bind_to_parent() -> None:
    """Asks the kernel to kill this process when the thread that started it ends. Nothing where there is no such
    call (Linux has it)."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, int(signal.SIGKILL))

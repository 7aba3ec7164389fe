"""A program that is ready before it is asked for: it has been imported once, and forks a child for each order.

Started by `core.base.warm` as `python -m core.base.warm_server DOOR MODULE...`; the first module's `main` is what a
child runs, the others are imported with it. So what the start of a Python process costs (a second for the readers
of files on a busy machine) is paid once. A child is limited, alone in its process group and ended as one that was
started from nothing (`core.base.processes`), and reads what it is about from its own input: this process never
sees it, so nothing of one order is left for the next.

It holds no thread but its own (a fork copies only the one that forks), and ends when whoever holds the other end of
its door has ended, with all its children.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.base.limits import Limits, bind_to_parent

READY, BEGAN, REFUSED = b"ready", b"began", b"refused"
MOST_BYTES = 4096  # of an order: numbers
MOST_FILES = 1 << 20  # above any that this process may have open
Run = Callable[[], int]


@dataclass
class Child:
    """`exit_fd` can be read once it has ended; nothing can be read from `line` until its asker wants it to end."""

    pid: int
    exit_fd: int
    line: socket.socket
    is_buried: bool = False


class WarmServer:
    def __init__(self, door: socket.socket, run: Run) -> None:
        self._door, self._run = door, run
        self._watched = selectors.DefaultSelector()

    def serve(self) -> None:
        """Until the door is closed from outside."""
        self._watched.register(self._door, selectors.EVENT_READ)
        self._door.send(READY)
        while True:
            for key, _ in self._watched.select():
                if key.fileobj is self._door:
                    if not self._begin():
                        return
                elif key.data.is_buried:  # in the same turn
                    continue
                elif key.fileobj is key.data.line:
                    self._watched.unregister(key.data.line)
                    _kill(key.data)
                else:
                    self._bury(key.data)

    def _begin(self) -> bool:
        """One order: limits, and the child's input, output, complaints and the line to its asker."""
        try:
            order, files, _, _ = socket.recv_fds(self._door, MOST_BYTES, 4)
        except ConnectionResetError:
            return False
        if not order:
            return False
        line = socket.socket(fileno=files[3])
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # too many processes, or no memory
            line.send(REFUSED)
            line.close()
        else:
            if pid == 0:
                _live(self._run, Limits(**json.loads(order)), files, parent)
            child = Child(pid, os.pidfd_open(pid), line)
            self._watched.register(child.exit_fd, selectors.EVENT_READ, child)
            self._watched.register(line, selectors.EVENT_READ, child)
            with contextlib.suppress(OSError):  # nobody waits any more: the line says so too
                line.send(BEGAN)
        for file in files[:3]:
            os.close(file)
        return True

    def _bury(self, child: Child) -> None:
        """Ends what the child has left behind, while its number can be nobody else's, and tells how it ended."""
        _kill(child)
        _, status = os.waitpid(child.pid, 0)
        child.is_buried = True
        self._watched.unregister(child.exit_fd)
        os.close(child.exit_fd)
        with contextlib.suppress(KeyError):  # its asker had wanted it to end
            self._watched.unregister(child.line)
        with contextlib.suppress(OSError):
            child.line.send(b"%d" % os.waitstatus_to_exitcode(status))
        child.line.close()


def _kill(child: Child) -> None:
    for kill in (os.killpg, os.kill):  # it may not have become the head of a group yet
        with contextlib.suppress(ProcessLookupError):
            kill(child.pid, signal.SIGKILL)


def _live(run: Run, limits: Limits, files: list[int], parent: int) -> None:
    """The child's life, from the fork to its end; never returns, whatever happens."""
    code = 1
    try:
        os.setsid()
        bind_to_parent()
        if os.getppid() != parent:  # it ended before that was heard
            return
        for place, file in enumerate(files[:3]):
            os.dup2(file, place)
        os.closerange(3, MOST_FILES)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        limits.lower(0)
        try:
            code = run()
        except SystemExit as asked:
            code = asked.code if isinstance(asked.code, int) else 0 if asked.code is None else 1
        finally:
            if sys.exc_info()[0] is not None:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> int:
    door = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the program that started this one, which ends it
    program, *_ = [importlib.import_module(name) for name in sys.argv[2:]]
    if threads := len(list(Path("/proc/self/task").iterdir())) - 1:
        sys.exit(f"{threads} more threads after importing {', '.join(sys.argv[2:])}: no child could be forked")
    os.close(os.pidfd_open(os.getpid()))  # here, where a system may not know it, and not with the first child
    gc.collect()
    gc.freeze()  # so that a child's collector copies none of it
    WarmServer(door, program.main).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())

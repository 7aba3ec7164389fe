"""Keeps a program ready for those who run it to its end: `core.base.warm_server` as seen from outside.

Whoever calls `run_to_end` notices nothing but the time. Where there is no such server (yet, or any more, or on this
system), or an order asks for something that it cannot do, the child is started from nothing as ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import IO

from core.base.limits import Limits
from core.base.processes import Order, Process, offered, python, start_beside
from core.base.warm_server import BEGAN, READY

SERVER = "core.base.warm_server"
ANSWER_S = 10.0  # for a fork; one that takes longer is stuck
KILLED_S = 10.0
ENDED = b"the process that had started this one ended\n"
PAUSE_S, LONG_S = (
    5.0,
    60.0,
)  # until a server that ended is started again; what has lived so long did not fail at once
MOST_FAILURES = 5


@dataclass
class WarmChild:
    """A child that a server has started. `line` leads to the server, which tells how the child ended and ends it
    when this end is shut."""

    line: socket.socket
    errors: IO[bytes]
    code: int | None = None

    def look(self, seconds: float) -> int | None:
        """How it ended, waited for so long; None while it is at work."""
        if self.code is None:
            self.line.settimeout(max(seconds, 0.001))
            try:
                said = self.line.recv(64)
            except TimeoutError:
                return None
            except OSError:
                said = b""
            if not said:  # its server is gone, and it with it
                os.pwrite(self.errors.fileno(), ENDED, os.fstat(self.errors.fileno()).st_size)
            self.code = int(said or 1)
        return self.code

    def end(self) -> None:
        """Ends it with all its children and waits for that."""
        with self.line:
            if self.code is None:
                try:
                    self.line.shutdown(socket.SHUT_WR)
                except OSError:  # as above
                    return
                self.look(KILLED_S)


class WarmProgram:
    """The program of `order`, the module `modules[0]`, kept ready together with the other modules."""

    def __init__(self, order: Order, modules: Sequence[str]) -> None:
        self.order, self.modules = order, tuple(modules)
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._server: Process | None = None
        self._door: socket.socket | None = None  # while the server is ready
        self._environment: dict[str, str] = {}  # of the server, and so of its children

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """While the block runs there is a server, and another when it ends; Linux only, elsewhere nothing happens.

        The thread that started the server must not end before: the kernel would end the server with it.
        """
        if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
            yield
            return
        threading.Thread(target=self._keep, daemon=True, name=f"warm {self.modules[0]}").start()
        try:
            with offered(self.order.command, self.start):
                yield
        finally:
            self._closed.set()
            self._break_off()

    def start(self, order: Order, files: tuple[IO[bytes], IO[bytes], IO[bytes]]) -> WarmChild | None:
        """A child for an order of this program; None where it has to be started from nothing."""
        if order.folder or order.descriptors or order.environment != self._environment:
            return None
        limits = json.dumps(asdict(order.limits or Limits())).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sent = [*(file.fileno() for file in files), theirs.fileno()]
        with theirs:
            if not self._send(limits, sent):
                ours.close()
                return None
        ours.settimeout(ANSWER_S)
        try:
            began = ours.recv(64) == BEGAN
        except OSError:  # also when it took too long: then nobody may begin it later either
            self._break_off()
            began = False
        if not began:
            ours.close()
            return None
        return WarmChild(ours, files[2])

    @property
    def pid(self) -> int | None:
        """Of the server that is ready; None while there is none."""
        with self._lock:
            return self._server.pid if self._server is not None and self._door is not None else None

    def _send(self, limits: bytes, files: list[int]) -> bool:
        with self._lock:
            try:
                return self._door is not None and socket.send_fds(self._door, [limits], files) > 0
            except OSError:  # it has just ended
                return False

    def _break_off(self) -> None:
        """Ends a server that does not answer, and its children with it."""
        with self._lock:
            if self._server is not None:
                self._server.kill()
                self._server.wait()

    def _keep(self) -> None:
        failures = 0
        while failures < MOST_FAILURES and not self._closed.is_set():
            began = time.monotonic()
            with contextlib.suppress(OSError):  # no room for a process now
                self._serve()
            failures = 0 if time.monotonic() - began > LONG_S else failures + 1
            self._closed.wait(PAUSE_S)

    def _serve(self) -> None:
        """The life of one server."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = python("-m", SERVER, str(theirs.fileno()), *self.modules)
        order = replace(self.order, command=command, descriptors=(theirs.fileno(),))
        with ours:
            with theirs:
                environment, server = order.environment, start_beside(order)
            with self._lock:
                self._environment, self._server = environment, server
            if self._closed.is_set():
                server.kill()
            if ours.recv(64) == READY:
                with self._lock:
                    self._door = ours
            server.wait()
            with self._lock:
                self._server = self._door = None

"""The chat worker as seen from outside: a child process with JSON lines over its pipes. Torch-free.

A reader thread sorts the worker's lines into one queue a request. When the process ends, for whatever reason, every
open request gets a worded error, and the next question starts a new process (see `chat.py`).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import threading
import time
from pathlib import Path
from typing import IO, Any

from core.base.errors import RunError
from core.base.processes import Order, end_group, python, start_piped
from core.chat.protocol import ERROR, ChatEvent, ChatRequest, event_from_dict

COMMAND = python("-u", "-m", "core.chat_worker")


class ChatProcess:
    """One running worker. `last_sign` is when it last said anything (monotonic seconds).

    Raises:
        RunError: the process cannot be started, or is gone when something is sent.
    """

    def __init__(self, command: tuple[str, ...], log_path: Path) -> None:
        self.log_path = log_path
        self.last_sign = time.monotonic()
        self._queues: dict[int, queue.SimpleQueue[ChatEvent]] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        order = Order(command, variables={"TASKLOOM_CHAT_LOG": str(log_path)})
        try:
            self._process = start_piped(order, log_path)
        except OSError as error:
            detail = error.strerror or str(error)
            raise RunError("serving.worker_start", detail=detail, log=str(log_path)) from error
        self._input: IO[bytes] = self._pipe(self._process.stdin)
        self._output: IO[bytes] = self._pipe(self._process.stdout)
        self._ended = False
        threading.Thread(target=self._read, name="chat worker reader", daemon=True).start()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None  # Popen was asked for it
        return pipe

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def ask(self, request: ChatRequest) -> tuple[int, queue.SimpleQueue[ChatEvent]]:
        """Sends a request; its events arrive in the queue, the last one is `done` or `error`."""
        events: queue.SimpleQueue[ChatEvent] = queue.SimpleQueue()
        with self._lock:
            if self._ended:
                raise self._died()
            number = next(self._ids)
            self._queues[number] = events
            self.last_sign = time.monotonic()
        try:
            self._send({"op": "answer", "id": number, **request.as_dict()})
        except RunError:
            self.forget(number)
            raise
        return number, events

    def stop(self, number: int) -> None:
        """Asks the worker to end one answer here; it then sends `done` with what it has."""
        self._send({"op": "stop", "id": number})

    def forget(self, number: int) -> None:
        """Later events of this request are dropped."""
        self._queues.pop(number, None)

    def kill(self) -> None:
        """Ends the process at once and waits for it."""
        end_group(self._process)

    def close(self, grace_s: float = 2.0) -> None:
        """Closes the worker's input, which makes it leave by itself; kills it after a grace period."""
        with contextlib.suppress(OSError):  # it is gone already
            self._input.close()
        end_group(self._process, grace_s)

    def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        try:
            with self._lock:
                self._input.write(line)
                self._input.flush()
        except (OSError, ValueError) as error:
            raise self._died() from error

    def _read(self) -> None:
        for line in self._output:
            self.last_sign = time.monotonic()
            try:
                values = json.loads(line)
            except ValueError:
                continue
            events = self._queues.get(values.get("id", 0))
            if events is not None:
                events.put(event_from_dict(values))
        self._process.wait()
        self._output.close()
        with self._lock, contextlib.suppress(OSError):  # what could not be sent any more
            self._ended = True
            self._input.close()
        with self._lock:
            left, self._queues = list(self._queues.values()), {}
        died = self._died()
        for events in left:
            events.put(ChatEvent(ERROR, key=died.key, values=died.values))

    def _died(self) -> RunError:
        return RunError("serving.worker_died", code=self._process.poll(), log=str(self.log_path))

"""Talking to trained runs from a process without torch: the browser app, the command line, the HTTP endpoint.

    client = ChatClient()
    for event in client.stream(ask(run_dir, "intents", "My card was stolen")):
        ...  # phase, delta, done or error, see `protocol.ChatEvent`

One worker process serves all callers of a client. It is started by the first question, keeps base model and
adapters in memory, leaves after an idle time and is replaced when it was killed or hangs.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path

from core.base.errors import RunError
from core.chat.process import COMMAND, ChatProcess
from core.chat.protocol import DELTA, ERROR, PHASE, ChatEvent, ChatRequest

IDLE_S = 900.0
SILENCE_S = 120.0
LOADING_SILENCE_S = 900.0  # a large model from a slow disk says nothing while it is read
_LOOK_S = 0.5
_LOST = ("serving.worker_died", "serving.worker_silent")


class ChatClient:
    """Starts, shares and replaces the chat worker. May be used by many threads at once.

    idle_s: the worker leaves after this many seconds without a question. silence_s (loading_s while a model is
    read): a worker that says nothing for this long while it owes an answer is killed, and the caller gets a
    worded error event.
    """

    def __init__(
        self,
        idle_s: float = IDLE_S,
        silence_s: float = SILENCE_S,
        loading_s: float = LOADING_SILENCE_S,
        log_path: Path | None = None,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._command = (*command, "--idle", str(idle_s))
        self._silence_s, self._loading_s = silence_s, loading_s
        self._log_path = log_path or Path(tempfile.gettempdir()) / "taskloom-chat.log"
        self._lock = threading.Lock()
        self._process: ChatProcess | None = None
        self._open: dict[int, tuple[ChatProcess, int]] = {}

    def stream(self, request: ChatRequest, stop: threading.Event | None = None) -> Generator[ChatEvent, None, None]:
        """Events of one answer; the last is `done` or `error`. Closing the iterator stops the answer; setting
        `stop` does too, and still brings the `done` with what there is.

        Errors of the worker arrive as an event, so that text that was already shown is not lost. A worker that dies
        or hangs before it has said a word of the answer is replaced and asked once more; a phase says so.
        """
        if request.refine:
            from core.chat.refining import refine  # reads task files: only where it is wished

            yield from refine(request, partial(self.stream, stop=stop))
            return
        yield ChatEvent(PHASE, "starting")
        spoken = False
        for event in self._stream_once(request, stop):
            spoken = spoken or event.kind == DELTA
            if event.key not in _LOST or spoken:
                yield event
                continue
            if event.values.get("code") != 0:  # code 0: it left for idleness while the question was on its way
                yield ChatEvent(PHASE, "replaced")
            yield from self._stream_once(request, stop)

    def _stream_once(self, request: ChatRequest, stop: threading.Event | None) -> Iterator[ChatEvent]:
        try:
            process, number, events = self._send(request)
        except RunError as error:
            yield ChatEvent(ERROR, key=error.key, values=error.values)
            return
        ticket = id(events)
        self._open[ticket] = (process, number)
        finished = False
        try:
            told = False
            for event in self._watch(process, events):
                if stop is not None and stop.is_set() and not told:
                    told = True
                    with contextlib.suppress(RunError):  # it died: its error event comes by itself
                        process.stop(number)
                if event is not None:
                    finished = event.is_last
                    yield event
        finally:
            self._open.pop(ticket, None)
            process.forget(number)
            if not finished:
                with contextlib.suppress(RunError):  # it is gone: nothing left to stop
                    process.stop(number)

    def answer(self, request: ChatRequest) -> ChatEvent:
        """The last event of `stream`: the whole answer.

        Raises:
            RunError: the worker reported an error.
        """
        last = ChatEvent(ERROR)
        for event in self.stream(request):
            last = event
        if last.kind == ERROR:
            raise RunError(last.key, **last.values)
        return last

    def stop(self) -> None:
        """Ends all running answers of this client; each stream still gets its `done` event."""
        for process, number in list(self._open.values()):
            with contextlib.suppress(RunError):
                process.stop(number)

    def close(self) -> None:
        """Ends the worker."""
        with self._lock:
            if self._process is not None:
                self._process.close()
                self._process = None

    @property
    def worker_pid(self) -> int | None:
        """Process id of the living worker, None while there is none."""
        process = self._process
        return process.pid if process is not None and process.is_alive else None

    def _send(self, request: ChatRequest) -> tuple[ChatProcess, int, queue.SimpleQueue[ChatEvent]]:
        """Asks the living worker; one that left meanwhile (idle, killed) is replaced once."""
        process = self._living()
        try:
            return process, *process.ask(request)
        except RunError:
            process = self._living()
            return process, *process.ask(request)

    def _living(self) -> ChatProcess:
        with self._lock:
            if self._process is None or not self._process.is_alive:
                self._process = ChatProcess(self._command, self._log_path)
            return self._process

    def _watch(self, process: ChatProcess, events: queue.SimpleQueue[ChatEvent]) -> Iterator[ChatEvent | None]:
        """The events as they come; None now and then while there is none."""
        loading = True
        while True:
            try:
                event = events.get(timeout=_LOOK_S)
            except queue.Empty:
                allowed = self._loading_s if loading else self._silence_s
                if time.monotonic() - process.last_sign > allowed:
                    process.kill()
                    yield ChatEvent(ERROR, key="serving.worker_silent", values={"seconds": round(allowed)})
                    return
                yield None
                continue
            loading = event.kind == PHASE and event.text == "loading"
            yield event
            if event.is_last:
                return

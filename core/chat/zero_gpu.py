"""Chat on a ZeroGPU Space. There a card exists only inside functions marked with `spaces.GPU`, called in the app's
own process, so the chat worker would never see it. Training stays on the processor.

The client has the contract of `ChatClient`; each question loads its run anew, since a marked function runs in a
fork that ends with the call.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from core.base.errors import TaskloomError
from core.chat.client import ChatClient
from core.chat.protocol import DELTA, DONE, ERROR, ChatEvent, ChatRequest, event_from_dict, request_from_dict

SECONDS = 60  # of a card for one answer; what a visitor's daily quota is charged at most

Events = Iterator[dict[str, Any]]


def on_zero_gpu() -> bool:
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")


def gpu_function(function: Callable[..., Events], seconds: int = SECONDS) -> Callable[..., Events]:
    """The function marked for ZeroGPU where the package `spaces` is there, else the function itself."""
    if importlib.util.find_spec("spaces") is None:
        return function
    import spaces

    marked: Callable[..., Events] = spaces.GPU(duration=seconds)(function)
    return marked


def answer_here(request: dict[str, Any]) -> Events:
    """Events of one question as dictionaries, since they cross a process; the model is loaded in this one."""
    from core.chat.answering import Bench  # torch: only where the answer is written

    said: list[dict[str, Any]] = []
    bench = Bench(lambda _, event: said.append(event.as_dict()))
    try:
        bench.begin(1, request_from_dict(request))
        while bench.groups() or said:
            yield from said
            said.clear()
            for key in bench.groups():
                bench.work(key)
    except TaskloomError as error:
        yield ChatEvent(ERROR, key=error.key, values=error.values).as_dict()


class ZeroGpuChat(ChatClient):
    """Answers in this process, inside a function marked for ZeroGPU."""

    def __init__(
        self,
        log_path: Path | None = None,
        function: Callable[..., Events] = answer_here,
        refusals: tuple[type[Exception], ...] = (),
    ) -> None:
        """`refusals`: what the Hub's package raises where a visitor has no card left; the page knows, not core."""
        super().__init__(log_path=log_path)
        fork_died = (RuntimeError, OSError, EOFError, MemoryError)
        self._refusals: tuple[type[Exception], ...] = (*refusals, *fork_died)
        self._answer = gpu_function(function)  # marked before the page opens, or the Hub takes the card away

    def _stream_once(self, request: ChatRequest, stop: threading.Event | None = None) -> Iterator[ChatEvent]:
        text = ""
        try:
            with closing(_generator(self._answer(request.as_dict()))) as events:
                for values in events:
                    event = event_from_dict(values)
                    text += event.text if event.kind == DELTA else ""
                    yield event
                    if stop is not None and stop.is_set() and not event.is_last:
                        yield ChatEvent(DONE, text=text, stopped=True, seed=request.seed)
                        return
        except self._refusals as error:
            traceback.print_exception(error)  # into the Space's log: an error of ours must be found there
            detail = f"{type(error).__name__}: {error}"[:500]
            values = {"detail": detail, "log": str(self._log_path)}
            yield ChatEvent(ERROR, key="serving.worker_failed", values=values)


def _generator(events: Events) -> Any:
    """Whatever the marked function returns, with a `close`."""
    yield from events

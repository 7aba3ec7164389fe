"""Several answers at once: each request streams in its own thread, events come out in the order they happen."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

from core.chat.client import ChatClient
from core.chat.protocol import ChatEvent, ChatRequest


class Stops:
    """What the Stop button of each browser tab sets. A tab is answered one question at a time."""

    def __init__(self) -> None:
        self._wishes: dict[str, threading.Event] = {}

    def begin(self, session: str) -> threading.Event | None:
        """A fresh wish for a tab's next question; None while another one of it is being answered."""
        mine = threading.Event()
        return mine if self._wishes.setdefault(session, mine) is mine else None

    def end(self, session: str, wish: threading.Event | None = None) -> None:
        """The question is answered. With its own `wish` it ends no other one that has begun meanwhile."""
        if wish is None or self._wishes.get(session) is wish:
            self._wishes.pop(session, None)

    def stop(self, session: str) -> None:
        """Ends the answers that are being written for a tab; what there is of them stays."""
        if session in self._wishes:
            self._wishes[session].set()


def stream_together(
    client: ChatClient, requests: Sequence[ChatRequest], stop: threading.Event | None = None
) -> Iterator[list[tuple[int, ChatEvent]]]:
    """Batches of (place of the request, event), as many as have come since the last look.

    Ends when all answers have ended; `stop` ends them where they are, closing the iterator drops them.
    """
    events: queue.SimpleQueue[tuple[int, ChatEvent]] = queue.SimpleQueue()
    enough = threading.Event()

    def pump(place: int, request: ChatRequest) -> None:
        with closing(client.stream(request, stop)) as stream:
            for event in stream:
                events.put((place, event))
                if enough.is_set():
                    return

    for place, request in enumerate(requests):
        inherited = contextvars.copy_context()  # on ZeroGPU it tells whose quota the answer is charged to
        thread = threading.Thread(target=inherited.run, args=(pump, place, request), daemon=True)
        thread.start()
    still_open = set(range(len(requests)))
    try:
        while still_open:
            batch = [events.get()]
            while not events.empty():
                batch.append(events.get())
            still_open -= {place for place, event in batch if event.is_last}
            yield batch
    finally:
        enough.set()

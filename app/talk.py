"""Several answers at once: each request streams in its own thread, events come out in the order they happen."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

from core.serving.chat import ChatClient
from core.serving.protocol import ChatEvent, ChatRequest


def stream_together(client: ChatClient, requests: Sequence[ChatRequest]) -> Iterator[list[tuple[int, ChatEvent]]]:
    """Batches of (place of the request, event), as many as have come since the last look.

    Ends when all answers have ended; closing the iterator stops them.
    """
    events: queue.SimpleQueue[tuple[int, ChatEvent]] = queue.SimpleQueue()
    enough = threading.Event()
    threads = [
        threading.Thread(
            target=_pump, args=(client, request, place, events, enough), daemon=True, name=f"answer {place}"
        )
        for place, request in enumerate(requests)
    ]
    for thread in threads:
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


def _pump(
    client: ChatClient,
    request: ChatRequest,
    place: int,
    events: queue.SimpleQueue[tuple[int, ChatEvent]],
    enough: threading.Event,
) -> None:
    with closing(client.stream(request)) as stream:
        for event in stream:
            events.put((place, event))
            if enough.is_set():
                return

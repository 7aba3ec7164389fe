"""Answers of the chat worker for callers that wait asynchronously, such as those of the HTTP endpoint.

A client's stream blocks the thread that reads it. So many threads as answers may be open at the same time read
them; later requests wait for a thread, which costs nothing, and a caller that goes away frees its place.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from core.base.errors import TaskloomError
from core.chat.client import ChatClient
from core.chat.protocol import ERROR, ChatEvent, ChatRequest

T = TypeVar("T")


class AnswerPool:
    """At most `size` answers are open; further ones wait in the order they came."""

    def __init__(self, client: ChatClient, size: int) -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="answer")

    async def run(self, work: Callable[[], T]) -> T:
        """Something short that would keep the other callers waiting, such as reading a run's tasks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def events(self, requests: Sequence[ChatRequest]) -> AsyncGenerator[tuple[int, ChatEvent], None]:
        """(number of the request, event) until every request has its last one. Closing the iterator stops all."""
        loop, stop = asyncio.get_running_loop(), threading.Event()
        arrived: asyncio.Queue[tuple[int, ChatEvent]] = asyncio.Queue()

        def tell(number: int, event: ChatEvent) -> None:
            if not stop.is_set():
                loop.call_soon_threadsafe(arrived.put_nowait, (number, event))

        for number, request in enumerate(requests):
            self._threads.submit(self._read, number, request, stop, tell)
        try:
            left = len(requests)
            while left:
                number, event = await arrived.get()
                left -= event.is_last
                yield number, event
        finally:
            stop.set()

    def close(self) -> None:
        """Lets no further request begin; the open ones end when their client is closed."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(
        self, number: int, request: ChatRequest, stop: threading.Event, tell: Callable[[int, ChatEvent], None]
    ) -> None:
        """In a thread of the pool. A caller that has gone while it waited is not asked for any more."""
        if stop.is_set():
            return
        try:
            for event in self._client.stream(request, stop):
                tell(number, event)
        except TaskloomError as error:
            tell(number, ChatEvent(ERROR, key=error.key, values=error.values))

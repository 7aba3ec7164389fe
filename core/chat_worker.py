"""The chat process, `python -m core.chat_worker`: requests on standard input, events on standard output.

See `core/chat/protocol.py` for the lines. The process leaves when its input closes (the app is gone) and
after an idle time. Whatever libraries print goes to the log, never between the events.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from core.base.errors import TaskloomError, plain_values
from core.base.quiet import quiet_libraries
from core.chat.protocol import ERROR, ChatEvent, request_from_dict

LOOK_S = 3.0  # how often an idle worker looks whether somebody wants the device
LOG_NAME = os.environ.get("TASKLOOM_CHAT_LOG", "the log of the chat process")


class Channel:
    """The worker's side of the pipes: an inbox of requests, stop wishes, and `say` for events."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self.inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._stops: set[int] = set()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def say(self, number: int, event: ChatEvent) -> None:
        line = json.dumps({"id": number, **event.as_dict()}, ensure_ascii=False, separators=(",", ":"))
        self._out.write(line.encode() + b"\n")

    def say_ready(self) -> None:
        self._out.write(b'{"kind":"ready","id":0}\n')

    def take_stops(self) -> set[int]:
        stops, self._stops = self._stops, set()
        return stops

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            try:
                message = json.loads(line)
                op, number = message["op"], int(message["id"])
            except (ValueError, KeyError, TypeError):
                # Not a word of it: the log outlives the project that it is about.
                print(f"unreadable request of {len(line)} bytes", file=sys.stderr, flush=True)
                continue
            if op == "stop":
                self._stops = self._stops | {number}
            else:
                self.inbox.put(message)
        os._exit(0)  # nobody listens any more, even if the main thread is in the middle of a long step


def serve(channel: Channel, idle_s: float) -> None:
    """Takes requests until none came for `idle_s` seconds; writes all open answers in turn, a token each round."""
    from core.chat.answering import Bench  # torch: only here

    bench = Bench(channel.say)
    channel.say_ready()
    last_asked = time.monotonic()
    while True:
        if bench.is_idle:
            bench.yield_device()
        else:
            last_asked = time.monotonic()
        left = last_asked + idle_s - time.monotonic()
        for message in _waiting(channel, bench.is_idle, min(max(left, 0.0), LOOK_S)):
            if message is None and left <= LOOK_S:
                return
            if message is None:
                continue
            last_asked = time.monotonic()
            _begin(channel, bench, message)
        bench.stop(channel.take_stops())
        for key in bench.groups():
            with _told_by(partial(bench.drop, key)):  # a group that fails must not end the others
                bench.work(key)


def _waiting(channel: Channel, is_idle: bool, wait_s: float) -> list[dict[str, Any] | None]:
    """All requests at hand; when there is nothing else to do, waits for one. [None] when none came in time."""
    messages: list[dict[str, Any] | None] = []
    try:
        if is_idle:
            messages.append(channel.inbox.get(timeout=wait_s))
        while True:
            messages.append(channel.inbox.get_nowait())
    except queue.Empty:
        return messages if messages or not is_idle else [None]


def _begin(channel: Channel, bench: Any, message: dict[str, Any]) -> None:
    number = int(message["id"])
    with _told_by(partial(channel.say, number)):  # one bad request must not end the answers of the others
        bench.begin(number, request_from_dict(message))


@contextmanager
def _told_by(tell: Callable[[ChatEvent], None]) -> Iterator[None]:
    """The chat process's one translator: whatever goes wrong for one asker is told as an event, and the process
    goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a model's code may raise anything
        tell(_worded(error))


def _worded(error: Exception) -> ChatEvent:
    if isinstance(error, TaskloomError):
        return ChatEvent(ERROR, key=error.key, values=plain_values(error.values))
    traceback.print_exception(error)
    values = {"detail": f"{type(error).__name__}: {error}"[:500], "log": LOG_NAME}
    return ChatEvent(ERROR, key="serving.worker_failed", values=values)


def main() -> None:
    quiet_libraries()
    parser = argparse.ArgumentParser(prog="python -m core.chat_worker", description=__doc__)
    parser.add_argument("--idle", type=float, default=900.0, help="seconds without a question before it leaves")
    arguments = parser.parse_args()
    serve(Channel(), arguments.idle)
    sys.stderr.flush()
    os._exit(0)  # a normal exit would wait for the thread that reads standard input


if __name__ == "__main__":
    main()

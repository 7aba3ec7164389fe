"""Gradio's queue, shared fairly by the visitors of one page.

Gradio 6.31 counts what waits, not whose it is: 300 posts of one visitor filled it, and everybody else was told to
come back. Here each open page, each visitor and each address has a share: so many events that wait or are at work,
so many begun a minute, so many at work at once. A page that opens sends some dozens of events; the shares lie far
above that, and far enough below the whole that others always find room. On one's own machine there are none.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from gradio import queueing
from gradio.queueing import Event, Queue
from starlette.exceptions import HTTPException

from app.shell.page_token import VISITOR_HEADER, mark_of
from app.shell.selection import language_of
from app.shell.sessions import PageStates
from app.texts import word_whole
from app.texts.language import in_language

Keys = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Share:
    """Of one page, visitor or address. `open`: events that wait or are at work; `running`: of these at work;
    `a_minute`: events begun, on average."""

    open: int
    running: int
    a_minute: int


QUEUE_SIZE = (
    512  # that wait; 40 more are at work. A class that opens the page at once, from one address, finds room
)
SHARES = {"page": Share(64, 8, 1200), "visitor": Share(96, 10, 1500), "address": Share(320, 24, 6000)}
SOON_S, LATER_S = 0.004, 0.02  # until the next look, also when all that waits is held back; Gradio's own is 1 ms,
# which alone took a 25th of a core, and with threads at work each look waits for its turn
PROGRESS_S = 0.1  # until bars of progress are looked at: Gradio's own is 10 ms
MOST_KNOWN = 10_000  # whose minutes are remembered


class FairQueue(Queue):
    """`key` signs the words of visitors."""

    key = ""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.sleep_when_free, self.progress_update_sleep_when_free = SOON_S, PROGRESS_S
        self._begun: dict[str, tuple[float, float]] = {}  # what may still be begun, and when that was reckoned
        self._whose: dict[str, Keys] = {}  # by event

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        keys = self._keys(request, body.session_hash)
        self._whose = {event: whose for event, whose in self._whose.items() if event in self.event_ids_to_events}
        opened = Counter(key for whose in self._whose.values() for _, key in whose)
        if any(opened[key] >= SHARES[kind].open for kind, key in keys):
            raise _refusal(request, "visitor.too_fast")
        if not all(self._may_begin(kind, key) for kind, key in keys):
            raise _refusal(request, "visitor.too_fast")
        holder = self.blocks.state_holder
        if isinstance(holder, PageStates) and not holder.has_room(body.session_hash, keys[-1][1]):
            raise _refusal(request, "visitor.no_room")
        success, event, state = await super().push(body, request, username)
        if success:
            self._whose[str(event)] = keys
        elif state == "queue_full":
            raise _refusal(request, "visitor.no_room")
        return success, event, state

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """The oldest of those who have not their share at work already; no event of ours is one of a batch."""
        at_work = (event for job in self.active_jobs for event in job or [])
        running = Counter(key for event in at_work for _, key in self._whose.get(event._id, ()))
        names = list(self.event_queue_per_concurrency_id)
        random.shuffle(names)
        for name in names:
            line = self.event_queue_per_concurrency_id[name]
            if line.concurrency_limit is not None and line.current_concurrency >= line.concurrency_limit:
                continue
            for event in line.queue:
                whose = self._whose.get(event._id, ())
                if all(running[key] < SHARES[kind].running for kind, key in whose):
                    line.queue.remove(event)
                    self.sleep_when_free = SOON_S
                    return [event], False, name
        self.sleep_when_free = LATER_S
        return None

    def _may_begin(self, kind: str, key: str) -> bool:
        """A bucket that holds a minute's worth and fills all the time."""
        now, share = time.monotonic(), SHARES[kind].a_minute
        left, since = self._begun.get(key, (float(share), now))
        left = min(float(share), left + (now - since) * share / 60)
        if len(self._begun) >= MOST_KNOWN:
            self._begun = {k: v for k, v in self._begun.items() if v[1] > now - 60}
        self._begun[key] = (left - 1 if left >= 1 else left, now)
        return left >= 1

    def _keys(self, request: Any, session: str | None) -> Keys:
        """(kind of share, whose) of an event; the address comes last."""
        mark = mark_of(self.key, request.headers.get(VISITOR_HEADER, "")) if self.key else ""
        visitor = (("visitor", f"visitor {mark}"),) if mark else ()
        address = request.client.host if request.client else ""
        return ("page", f"page {session}"), *visitor, ("address", f"address {address}")


def _refusal(request: Any, key: str) -> HTTPException:
    """Of Gradio's own refusal, a 503, its page shows a sentence of its own, in English; of a 429 it shows the
    detail."""
    language = language_of(request.headers.get("accept-language", ""))
    return HTTPException(429, in_language(language, word_whole, key, {}))


def share_the_queue(shared: bool, key: str) -> None:
    """From now on apps have such a queue, or Gradio's own: it reads the name when it builds one."""
    queueing.Queue = type("KeyedFairQueue", (FairQueue,), {"key": key}) if shared else Queue  # type: ignore[misc]

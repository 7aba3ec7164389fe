"""Gradio's queue, shared fairly by the visitors of one page.

Gradio 6.31 counts what waits, not whose it is: 300 posts of one visitor filled it, and everybody else was told to
come back. Here each open page, each visitor and each address has a share: so many events that wait, are at work or
have an answer that nobody has fetched (a long post counts as several), so many begun a minute, so many at work at
once. A page that opens sends some dozens of events; the shares lie far above that, and far enough below the whole
that others always find room. On one's own machine there are none.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from gradio import queueing
from gradio.queueing import Event, Queue
from starlette.exceptions import HTTPException

from app.shell.buckets import Buckets
from app.shell.mailboxes import Mailbox
from app.shell.page_token import VISITOR_HEADER, mark_of
from app.shell.selection import language_of
from app.shell.sessions import PageStates
from app.shell.watched_answer import MAX_POST_BYTES
from app.texts import word_whole
from app.texts.language import in_language

Keys = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Share:
    """Of one page, visitor or address. `open`: events that wait, are at work, or whose answer lies unread;
    `running`: of these at work; `a_minute`: events begun, on average."""

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
MOST_NAME = 64  # characters of a page's own name; Gradio's has 11
POST_BYTES = 80 << 10  # of a post that counts as one event; read, they may take twenty times as much


class FairQueue(Queue):
    """`key` signs the words of visitors."""

    key = ""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.sleep_when_free, self.progress_update_sleep_when_free = SOON_S, PROGRESS_S
        self._begun = Buckets()
        self._whose: dict[str, Keys] = {}  # by event
        self._weights: dict[str, int] = {}

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        if not body.session_hash or len(body.session_hash) > MOST_NAME:  # every page of ours has one
            raise _refusal(request, "visitor.unknown")
        keys, weight = self._keys(request, body.session_hash), weight_of(request)
        self._forget_ended()
        opened: Counter[str] = Counter()
        for event, whose in self._whose.items():
            opened.update(dict.fromkeys((key for _, key in whose), self._weights[event]))
        if any(opened[key] + weight > SHARES[kind].open for kind, key in keys):
            raise _refusal(request, "visitor.too_fast")
        if not all(self._begun.take(key, SHARES[kind].a_minute) for kind, key in reversed(keys)):
            raise _refusal(request, "visitor.too_fast")
        holder = self.blocks.state_holder
        if isinstance(holder, PageStates) and not holder.has_room(body.session_hash, keys[-1][1]):
            raise _refusal(request, "visitor.no_room")
        if body.session_hash not in self.pending_messages_per_session:
            self.pending_messages_per_session[body.session_hash] = Mailbox()
        success, event, state = await super().push(body, request, username)
        if success:
            self._whose[str(event)], self._weights[str(event)] = keys, weight
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

    def _forget_ended(self) -> None:
        """Events that have ended and whose answer was fetched, or has gone with its mailbox."""
        boxes = self.pending_messages_per_session.values()
        unread = {event for box in boxes if isinstance(box, Mailbox) for event in box.unread}
        self._whose = {
            event: whose
            for event, whose in self._whose.items()
            if event in self.event_ids_to_events or event in unread
        }
        self._weights = {event: self._weights[event] for event in self._whose}
        for ids in self.pending_event_ids_session.values():
            ids.intersection_update(self._whose)  # of a connection that broke nobody takes the others out

    def _keys(self, request: Any, session: str | None) -> Keys:
        """(kind of share, whose) of an event; the address comes last."""
        mark = mark_of(self.key, request.headers.get(VISITOR_HEADER, "")) if self.key else ""
        visitor = (("visitor", f"visitor {mark}"),) if mark else ()
        address = request.client.host if request.client else ""
        return ("page", f"page {session}"), *visitor, ("address", f"address {address}")


def weight_of(request: Any) -> int:
    """As how many events a post counts; its length was looked at by the guard."""
    length = request.headers.get("content-length", "")  # a post in chunks says none
    return 1 + (int(length) if length.isdecimal() else MAX_POST_BYTES) // POST_BYTES


def _refusal(request: Any, key: str) -> HTTPException:
    """Of Gradio's own refusal, a 503, its page shows a sentence of its own, in English; of a 429 it shows the
    detail."""
    language = language_of(request.headers.get("accept-language", ""))
    return HTTPException(429, in_language(language, word_whole, key, {}))


def share_the_queue(shared: bool, key: str) -> None:
    """From now on apps have such a queue, or Gradio's own: it reads the name when it builds one."""
    queueing.Queue = type("KeyedFairQueue", (FairQueue,), {"key": key}) if shared else Queue  # type: ignore[misc]

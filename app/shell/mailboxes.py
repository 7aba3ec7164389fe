"""What a page has not fetched yet, bounded.

Gradio 6.31 keeps every message for a page until somebody fetches it, and for the last 2,000 pages that asked: who
posts and never reads fills the memory with answers. Here an answer that nobody fetches counts as an open event of
its page, visitor and address (see `fair_queue`), and a page has room for so many messages; then the oldest go.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gradio.server_messages import EstimationMessage, ProcessCompletedMessage

MOST_MESSAGES = 512  # of one page; one that reads has a few
MOST_ESTIMATES = 64  # beyond, nobody is told any more how many wait before each event: with each that comes all are


class Mailbox(asyncio.Queue[Any]):
    """Messages for one page. `unread`: the events whose answer lies in it."""

    def __init__(self) -> None:
        super().__init__()
        self.unread: set[str] = set()

    def _put(self, item: Any) -> None:
        if isinstance(item, EstimationMessage) and self.qsize() >= MOST_ESTIMATES:
            return
        while self.qsize() >= MOST_MESSAGES:
            self._get()
        super()._put(item)
        if isinstance(item, ProcessCompletedMessage) and item.event_id:
            self.unread.add(item.event_id)

    def _get(self) -> Any:
        item = super()._get()
        if isinstance(item, ProcessCompletedMessage):
            self.unread.discard(item.event_id or "")
        return item


def forget_messages(queue: Any, session: str) -> None:
    """Takes away what lies there for a page that is gone, or closed, unless something of it is still at work."""
    known = queue.event_ids_to_events
    if not any(event in known for event in queue.pending_event_ids_session.get(session, ())):
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)

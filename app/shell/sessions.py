"""What the server keeps of every open page, bounded.

Gradio 6.31 keeps a description of all components for each page ever opened, up to 10,000 pages of about 3 MB. And a
component that is changed by an update is made anew under a new id: the next plain value is then filed under that id
too, with a component and a value for every event that gives one after the other.
"""

from __future__ import annotations

from collections import ChainMap
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gradio import routes
from gradio.blocks import Block, BlocksConfig
from gradio.components import State
from gradio.state_holder import SessionState, StateHolder

from app.shell.mailboxes import forget_messages

if TYPE_CHECKING:
    from gradio import Blocks

MOST_PAGES = 128  # of about 1.5 MB; beyond, those that ask no more go, the quietest first
IN_USE = timedelta(minutes=1)  # an open page asks every few seconds
CLOSED_KEPT = timedelta(hours=12)  # a laptop sleeps over night, and its page comes back
CAPACITY = 4 * MOST_PAGES  # not even pages in use are more: then a new one is told to come back
OF_ADDRESS = 2 * MOST_PAGES  # of these for one address, so that nobody fills all of them alone


class PageState(SessionState):
    """The states and components of one page, each once, without the description that only deep links read (they
    are closed here, see `web_guard`)."""

    def __init__(self, blocks: Blocks) -> None:
        # Not Gradio's own, which describes all components first: a third of what opening a page cost. Nor a copy of
        # all components: what this page has otherwise stands before those that all pages share.
        self.blocks_config = BlocksConfig(blocks)
        self.blocks_config.blocks = ChainMap({}, blocks.default_config.blocks)  # type: ignore[assignment]
        self.blocks_config.fns = blocks.default_config.fns
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = int(CLOSED_KEPT.total_seconds())
        self.moved = 0.0  # when the event began that chose the place: project, task and run

    def __setitem__(self, key: int, value: Any) -> None:
        known = self.blocks_config.blocks.get(key)
        if isinstance(known, State):
            self._state_ttl[key] = (known.time_to_live, datetime.now())  # as Gradio: without a time zone
            self.state_data[key] = value
            return
        if isinstance(value, Block):
            value._id = key  # remade by an update, it would have a new one
        self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """Nothing: there is no description."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing: there is no description."""


class PageStates(StateHolder):
    """All pages; those that have been closed for long are forgotten, and when there are many, those not in use. A
    page in use is never taken away for a new one."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, tuple[str, datetime]] = {}  # of each page on a shared one: its address, since when

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = PageState(self.blocks)
        return super().__getitem__(session_id)

    def has_room(self, session_id: str, address: str) -> bool:
        """Whether this page may ask: it is known, or there is room for another one."""
        if session_id in self.asked:
            return True
        begun = datetime.now() - IN_USE
        self.asked = {s: who for s, who in self.asked.items() if s in self.session_data or who[1] > begun}
        mine = sum(other == address for other, _ in self.asked.values())
        if mine >= OF_ADDRESS or len(self.asked) >= self.capacity:
            return False
        self.asked[session_id] = (address, datetime.now())
        return True

    def delete_all_expired_state(self) -> None:
        """Gradio calls it every second. Its own way takes the states of a page one by one, by when each was last
        changed, from a page whose connection broke once and which goes on being used."""
        now = datetime.now()
        listed = list(self.session_data.items())
        idle = {session_id: now - self.time_last_used.get(session_id, now) for session_id, _ in listed}
        gone = [session_id for session_id, state in listed if state.is_closed and idle[session_id] > CLOSED_KEPT]
        quiet = sorted((s for s in idle if s not in gone and idle[s] > IN_USE), key=idle.__getitem__, reverse=True)
        gone += quiet[: max(0, len(listed) - len(gone) - MOST_PAGES)]
        for session_id in gone:
            with self.lock:
                self.session_data.pop(session_id, None)
                self.time_last_used.pop(session_id, None)
        queue = self.blocks._queue
        for session_id in [*gone, *(s for s, state in listed if state.is_closed and idle[s] > IN_USE)]:
            forget_messages(queue, session_id)


def bound_sessions() -> None:
    """From now on apps keep pages this way: Gradio reads the name when it builds one."""
    routes.StateHolder = PageStates  # type: ignore[misc]

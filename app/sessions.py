"""What the server keeps of every open page, bounded.

Gradio 6.31 keeps a description of all components for each page ever opened, up to 10,000 pages of about 3 MB. And a
component that is changed by an update is made anew under a new id: the next plain value is then filed under that id
too, with a component and a value for every event that gives one after the other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gradio import routes
from gradio.blocks import Block
from gradio.components import State
from gradio.state_holder import SessionState, StateHolder

if TYPE_CHECKING:
    from gradio import Blocks

MOST_PAGES = 256  # of about 1.5 MB; the one that asked longest ago goes first, and open ones ask every few seconds
CLOSED_KEPT = timedelta(hours=1)  # as long as Gradio keeps the states of a closed page, which may come back


class PageState(SessionState):
    """The states and components of one page, each once, without the description that only deep links read (they
    are closed here, see `web_guard`)."""

    def __init__(self, blocks: Blocks) -> None:
        super().__init__(blocks)
        self.config_values = {}

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
    """All pages; those that closed an hour ago are forgotten, and so is the quietest when there are too many."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = PageState(self.blocks)
        return super().__getitem__(session_id)

    def delete_all_expired_state(self) -> None:
        """Gradio calls it every second."""
        super().delete_all_expired_state()
        now = datetime.now()
        for session_id, state in list(self.session_data.items()):
            if state.is_closed and now - self.time_last_used.get(session_id, now) > CLOSED_KEPT:
                with self.lock:
                    self.session_data.pop(session_id, None)
                    self.time_last_used.pop(session_id, None)


def bound_sessions() -> None:
    """From now on apps keep pages this way: Gradio reads the name when it builds one."""
    routes.StateHolder = PageStates  # type: ignore[misc]

"""What was done last to the rows of the chosen task, in sight above them, with the button that takes it back."""

from __future__ import annotations

from app.drawing.durations import word_count
from app.drawing.markup import esc
from app.drawing.widgets import buttons_in
from app.shell.context import Context
from app.shell.selection import Selection
from app.tasks.health_panel import chosen_task, take_back
from app.tasks.versions_panel import word_change
from app.texts import say
from core.tasks.changing.versions import Version, list_versions


class LastChange:
    """Nothing to be seen while the rows are as they came."""

    def __init__(self, context: Context) -> None:
        self.said = buttons_in("task-last-change")
        context.on_selection(self.draw, self.said)
        context.on(self.said.click, take_back, [context.selection], context.selection)

    def draw(self, context: Context, selection: Selection) -> str:
        spec = chosen_task(context, selection)
        earlier = list_versions(context.require_project(selection), spec.task_id) if spec else []
        return change_view(earlier[-1]) if earlier else ""


def change_view(version: Version) -> str:
    """A line with its button."""
    key = "versions.last" if version.count else "versions.last_settings"
    said = say(key, change=word_change(version), n=word_count(version.count))
    undo = (
        f'<button type="button" class="card-act" data-id="undo" data-act="act">{esc(say("health.undo"))}</button>'
    )
    return f'<p class="note">{esc(said)} {undo}</p>'

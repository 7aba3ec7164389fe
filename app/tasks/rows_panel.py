"""All rows of a task as a table to search, edit, add to and delete from; every saving is a version."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.widgets import way_to
from app.shell.context import Context
from app.shell.notices import tell
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.tasks.health_panel import chosen_task
from app.texts import say
from app.texts.language import in_language
from app.texts.words import Key
from core.messages.locales import LANGUAGES
from core.tasks.cell_text import target_text
from core.tasks.changing.browsing import PAGE_ROWS, EditedRow, find_rows, shown_columns
from core.tasks.changing.editing import Place
from core.tasks.changing.in_child import save_table_in_child
from core.tasks.spec import SPLITS

Page = dict[str, Any]  # places: [[split, line], ...], columns: names behind the three fixed ones, start, total
WIDTHS = [104, 80, 80]  # pixels of the fixed columns, whose heads would break in two otherwise
ROOM, LONG, LEAST = 455, 40, 220  # pixels that a desk has left for the others; characters and pixels of a long cell
# Splits are shown, and may be typed, in every language.
SPLIT_OF = {
    in_language(language, say, f"rows.{split}").lower(): split for language in LANGUAGES for split in SPLITS
}
NOTHING: Page = {"places": [], "columns": [], "start": 0, "total": 0}
# Gradio's table leaves its check boxes nameless and inside nameless buttons: a screen reader hears their column.
_NAME_BOXES = """
const area = element.closest('#task-all-rows');
if (area && !area.named) {
  area.named = true;
  const name = () => {
    for (const cell of area.querySelectorAll(':is(.bool-cell, .select-all-checkbox)[role=button]')) {
      const column = cell.closest('[data-col]')?.dataset.col;
      const head = area.querySelector(`[data-heading="${column}"]`)?.title;
      cell.removeAttribute('role');
      cell.querySelector('input')?.setAttribute('aria-label', head || cell.textContent.trim());
    }
    for (const lock of area.querySelectorAll('.wrapper[aria-label]:not([role])')) lock.setAttribute('role', 'img');
  };
  new MutationObserver(name).observe(area, {subtree: true, childList: true});
}
"""


class RowsPanel:
    """A fold; the rows are read when it is opened."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.opened, self.page, self.led = gr.State(False), gr.State(NOTHING), way_to("task-all-rows")
        with words(gr.Accordion, label=Key("rows.title"), open=False, elem_id="task-all-rows") as self.fold:
            with gr.Row(elem_classes="bottom"):
                self.find = words(gr.Textbox, label=Key("rows.find"), elem_id="rows-find", scale=3)
                given = {"choices": [(Key("rows.all"), ""), *((Key(f"rows.{s}"), s) for s in SPLITS)], "value": ""}
                self.split = words(gr.Dropdown, label=Key("rows.split"), **given, elem_id="rows-split")
                small = {"size": "sm", "min_width": 60}
                self.back = words(gr.Button, Key("rows.back"), **small, elem_id="rows-back")
                self.on = words(gr.Button, Key("rows.on"), **small, elem_id="rows-on")
            self.count = gr.HTML(elem_id="rows-count", js_on_load=_NAME_BOXES)
            self.table = gr.Dataframe(
                interactive=True, type="array", wrap=True, max_chars=240, show_label=False, max_height=460,
                static_columns=[2], elem_id="rows-table", buttons=[],
            )  # fmt: skip
            with gr.Row():
                given = {"variant": "primary", "min_width": 120}
                self.save = words(gr.Button, Key("rows.save"), **given, elem_id="rows-save")
                self.add = words(gr.Button, Key("rows.add"), min_width=120, elem_id="rows-add")
        self._wire(context)

    def _wire(self, context: Context) -> None:
        selection, look = context.selection, [self.find, self.split]
        drawn, first = [self.page, self.count, self.table], [selection, *look]
        context.on(self.fold.expand, self.open, first, [self.opened, *drawn])
        context.on(self.fold.collapse, lambda _: False, [], self.opened)
        context.on_selection(self.redraw, drawn, [self.opened, *look])
        context.on_preset(self.bring, [self.fold, self.opened, *drawn, self.led], look)
        for event in (self.find.submit, self.split.input):
            context.on(event, self.draw, first, drawn)
        context.on(self.back.click, self.page_back, [*first, self.page], drawn)
        context.on(self.on.click, self.page_on, [*first, self.page], drawn)
        quiet = {"show_progress": "hidden"}
        context.on(self.add.click, add_row, [selection, self.table, self.page], self.table, **quiet)
        context.on(self.save.click, save_rows, [selection, self.page, self.table], selection)

    def bring(self, context: Context, selection: Selection, values: dict[str, Any], *look: Any) -> Shown:
        """Another screen leads here to add rows to a task: `rows=True`."""
        if not values.get("rows") or chosen_task(context, selection) is None:
            return {}
        shown = self.open(context, selection, *look)
        return {self.fold: gr.update(open=True), **shown, self.led: str(selection.version)}

    def open(self, context: Context, selection: Selection, find: str, split: str) -> Shown:
        return {self.opened: True, **self.draw(context, selection, find, split)}

    def redraw(self, context: Context, selection: Selection, opened: bool, find: str, split: str) -> Shown:
        return self.draw(context, selection, find, split) if opened else gr.skip()

    def page_back(self, context: Context, selection: Selection, find: str, split: str, page: Page) -> Shown:
        return self.draw(context, selection, find, split, max(0, page["start"] - PAGE_ROWS))

    def page_on(self, context: Context, selection: Selection, find: str, split: str, page: Page) -> Shown:
        following = page["start"] + PAGE_ROWS
        start = following if following < page["total"] else page["start"]
        return self.draw(context, selection, find, split, start)

    def draw(self, context: Context, selection: Selection, find: str, split: str, start: int = 0) -> Shown:
        """One page of the rows that fit."""
        spec = chosen_task(context, selection)
        if spec is None:
            return {self.page: NOTHING, self.count: ""}
        found = find_rows(context.require_project(selection), spec.task_id, split or "", find or "", start)
        columns = shown_columns(spec, found.rows)
        data = [
            [False, say(f"rows.{r.split}"), str(r.line), *(target_text(r.row.get(c)) for c in columns)]
            for r in found.rows
        ]
        said = say("rows.count", first=start + bool(data), last=start + len(data), total=found.total)
        places = [[r.split, r.line] for r in found.rows]
        return {
            self.page: {"places": places, "columns": columns, "start": start, "total": found.total},
            self.count: f'<p class="note">{said}</p>',
            self.table: _table(columns, data),
        }


def _table(columns: list[str], data: list[list[Any]]) -> Any:
    heads = [say(f"rows.{name}") for name in ("delete", "split", "line")]
    kinds = ["bool", *["str"] * (len(columns) + 2)]
    value = {"headers": [*heads, *columns], "data": data}
    return gr.update(value=value, datatype=kinds, column_widths=_widths(columns, data))


def _widths(columns: list[str], data: list[list[Any]]) -> list[int]:
    """Pixels of each column: labels get what they and their heads need in one line, long texts share the rest."""
    heads = [
        max(56 + _pixels(name), *(24 + _pixels(str(cells[len(WIDTHS) + i])) for cells in data), 0)
        for i, name in enumerate(columns)
    ]
    heads = [min(240, head) for head in heads]
    long = [i for i in range(len(columns)) if any(len(cells[len(WIDTHS) + i]) > LONG for cells in data)]
    rest = ROOM - sum(head for i, head in enumerate(heads) if i not in long)
    for i in long or range(len(columns)):
        heads[i] = max(heads[i], LEAST, rest // len(long)) if long else max(heads[i], ROOM // len(columns))
    return [*WIDTHS, *heads]


def _pixels(text: str) -> int:
    return sum(8 if c.isascii() else 15 for c in text)


def add_row(_: Context, selection: Selection, data: list[list[Any]], page: Page) -> Any:
    """An empty row at the end; it becomes a practice row when the table is saved."""
    blank = [False, say(f"rows.{SPLITS[0]}"), "", *[""] * len(page["columns"])]
    return [*data, blank]


def save_rows(context: Context, selection: Selection, page: Page, data: list[list[Any]]) -> Selection:
    """Takes the table over; all of it is one version that can be undone."""
    spec = chosen_task(context, selection)
    if spec is None:
        return selection
    require_shared_space(context, selection)
    places: list[Place] = [(split, line) for split, line in page["places"]]
    kept = [_edited(cells, places, page["columns"]) for cells in data if not _ticked(cells[0])]
    project = context.require_project(selection)
    _, count = save_table_in_child(project, spec.task_id, places, kept)
    tell(say("rows.saved", n=count), 6)
    return selection.touched()


def _edited(cells: list[Any], places: list[Place], columns: list[str]) -> EditedRow:
    """Lines are unique within exam and practice only, so a moved row is found by its line and old split."""
    line = str(cells[2] or "").strip()
    known = [place for place in places if str(place[1]) == line]
    split = str(cells[1] or SPLITS[0]).strip()
    split = SPLIT_OF.get(split.lower(), split)
    place = next((p for p in known if p[0] == split), known[0] if known else None)
    texts = {name: str(cell) if cell is not None else "" for name, cell in zip(columns, cells[3:], strict=False)}
    return EditedRow(place, split, texts)


def _ticked(cell: Any) -> bool:
    return cell is True or str(cell).lower() == "true"

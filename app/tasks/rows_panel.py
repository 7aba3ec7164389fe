"""All rows of a task as a table to search, edit, add to and delete from; every saving is a version."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.notices import tell
from app.shell.permissions import require_shared_space
from app.shell.selection import Selection
from app.tasks.health_panel import chosen_task
from app.texts import say
from app.texts.language import in_language
from app.texts.words import Key
from core.messages.locales import LANGUAGES
from core.tasks.cell_text import target_text
from core.tasks.changing.browsing import PAGE_ROWS, EditedRow, find_rows, shown_columns
from core.tasks.changing.editing import Place
from core.tasks.changing.in_child import save_table_apart
from core.tasks.spec import SPLITS

Shown = dict[str, Any]  # places: [[split, line], ...], columns: names behind the three fixed ones, start, total
WIDTHS = [104, 80, 80]  # pixels of the fixed columns, whose heads would break in two otherwise
ROOM, LONG, LEAST = 455, 40, 220  # pixels that a desk has left for the others; characters and pixels of a long cell
# Splits are shown, and may be typed, in every language.
SPLIT_OF = {
    in_language(language, say, f"rows.{split}").lower(): split for language in LANGUAGES for split in SPLITS
}
NOTHING: Shown = {"places": [], "columns": [], "start": 0, "total": 0}


class RowsPanel:
    """A fold; the rows are read when it is opened."""

    def __init__(self, context: Context) -> None:
        words, selection = context.words, context.selection
        self.opened, self.shown = gr.State(False), gr.State(NOTHING)
        with words(gr.Accordion, label=Key("rows.title"), open=False, elem_id="task-all-rows") as fold:
            with gr.Row(elem_classes="bottom"):
                find = words(gr.Textbox, label=Key("rows.find"), elem_id="rows-find", scale=3)
                splits = [(Key("rows.all"), ""), *((Key(f"rows.{s}"), s) for s in SPLITS)]
                split = words(gr.Dropdown, label=Key("rows.split"), choices=splits, value="", elem_id="rows-split")
                back = words(gr.Button, Key("rows.back"), size="sm", min_width=60, elem_id="rows-back")
                on = words(gr.Button, Key("rows.on"), size="sm", min_width=60, elem_id="rows-on")
            count = gr.HTML(elem_id="rows-count")
            table = gr.Dataframe(
                interactive=True, type="array", wrap=True, max_chars=240, show_label=False, max_height=460,
                static_columns=[2], elem_id="rows-table", buttons=[],
            )  # fmt: skip
            with gr.Row():
                save = words(gr.Button, Key("rows.save"), variant="primary", min_width=120, elem_id="rows-save")
                add = words(gr.Button, Key("rows.add"), min_width=120, elem_id="rows-add")
        look, drawn = [find, split], [self.shown, count, table]
        first = [selection, *look]
        context.on(fold.expand, open_rows, first, [self.opened, *drawn])
        context.on(fold.collapse, lambda _: False, [], self.opened)
        context.on_selection(redraw_rows, drawn, [self.opened, *look])
        for event in (find.submit, split.input):
            context.on(event, draw_rows, first, drawn)
        context.on(back.click, page_back, [*first, self.shown], drawn)
        context.on(on.click, page_on, [*first, self.shown], drawn)
        context.on(add.click, add_row, [selection, table, self.shown], table, show_progress="hidden")
        context.on(save.click, save_rows, [selection, self.shown, table], selection)


def open_rows(context: Context, selection: Selection, find: str, split: str) -> list[Any]:
    return [True, *draw_rows(context, selection, find, split)]


def redraw_rows(context: Context, selection: Selection, opened: bool, find: str, split: str) -> Any:
    return draw_rows(context, selection, find, split) if opened else gr.skip()


def page_back(context: Context, selection: Selection, find: str, split: str, shown: Shown) -> list[Any]:
    return draw_rows(context, selection, find, split, max(0, shown["start"] - PAGE_ROWS))


def page_on(context: Context, selection: Selection, find: str, split: str, shown: Shown) -> list[Any]:
    following = shown["start"] + PAGE_ROWS
    return draw_rows(context, selection, find, split, following if following < shown["total"] else shown["start"])


def draw_rows(context: Context, selection: Selection, find: str, split: str, start: int = 0) -> list[Any]:
    """-> what is shown, how many rows fit, the table of one page."""
    spec = chosen_task(context, selection)
    if spec is None:
        return [NOTHING, "", gr.skip()]
    page = find_rows(context.require_project(selection), spec.task_id, split or "", find or "", start)
    columns = shown_columns(spec, page.rows)
    heads = [say(f"rows.{name}") for name in ("delete", "split", "line")]
    data = [
        [False, say(f"rows.{r.split}"), str(r.line), *(target_text(r.row.get(c)) for c in columns)]
        for r in page.rows
    ]
    shown = {"places": [[r.split, r.line] for r in page.rows], "columns": columns, "start": start,
             "total": page.total}  # fmt: skip
    said = say("rows.count", first=start + bool(data), last=start + len(data), total=page.total)
    kinds = ["bool", *["str"] * (len(columns) + 2)]
    value = {"headers": [*heads, *columns], "data": data}
    table = gr.update(value=value, datatype=kinds, column_widths=_widths(columns, data))
    return [shown, f'<p class="note">{said}</p>', table]


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


def add_row(_: Context, selection: Selection, data: list[list[Any]], shown: Shown) -> Any:
    """An empty row at the end; it becomes a practice row when the table is saved."""
    blank = [False, say(f"rows.{SPLITS[0]}"), "", *[""] * len(shown["columns"])]
    return [*data, blank]


def save_rows(context: Context, selection: Selection, shown: Shown, data: list[list[Any]]) -> Selection:
    """Takes the table over; all of it is one version that can be undone."""
    spec = chosen_task(context, selection)
    if spec is None:
        return selection
    require_shared_space(context, selection)
    places: list[Place] = [(split, line) for split, line in shown["places"]]
    kept = [_edited(cells, places, shown["columns"]) for cells in data if not _ticked(cells[0])]
    project = context.require_project(selection)
    _, count = save_table_apart(project, spec.task_id, places, kept)
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

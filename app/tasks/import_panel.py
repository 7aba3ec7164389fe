"""Other ways in: reading a dropped file differently, pasted rows, data sets of the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.durations import word_count
from app.drawing.markup import bullets, esc, note, table
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_error, word_problem
from app.texts.words import Key
from core.base.errors import TaskloomError, WorkspaceError
from core.tasks.changing.add_task import add_pasted
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.domain import read_again
from core.tasks.changing.hub import add_hub_dataset
from core.tasks.changing.isolation import preview_isolated
from core.tasks.changing.preview import FilePreview
from core.tasks.reading.legacy import ENCODINGS as LEGACY
from core.tasks.reading.legacy import encoding_words
from core.tasks.reading.readings import QUOTES, ReadOptions
from core.tasks.spec import TaskSpec

ENCODINGS = ("utf-8", "utf-16", *LEGACY)
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
MOST_CHARS = 60
MOST_NOTES = 6


class ImportPanel:
    """`dropped` (State) holds the paths of the latest drop; `file` chooses one of them."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.dropped = gr.State([])
        folded = {"open": False, "elem_id": "import-again"}
        with words(gr.Accordion, label=Key("import.again"), visible=False, **folded) as self.fold:
            self.file = words(gr.Dropdown, label=Key("import.file"), choices=[], elem_id="again-file")
            known = [(encoding_words(name), name) for name in ENCODINGS]
            with gr.Row():
                self.encoding = self._choice(words, "encoding", known, allow_custom_value=True)
                marks = [(Key(f"import.{name}"), mark) for name, mark in DELIMITERS.items()]
                self.delimiter = self._choice(words, "delimiter", marks, allow_custom_value=True)
                ways = [(Key(f"import.quotes_{name.replace('-', '_')}"), name) for name in QUOTES]
                self.quotes = self._choice(words, "quotes", ways)
            with gr.Row():
                self.sheet = self._choice(words, "sheet", [])
                heads = [(Key("import.has_header"), "yes"), (Key("import.no_header"), "no")]
                self.header = self._choice(words, "header", heads)
            with gr.Row():
                kinds = [(Key("import.shown"), "shown"), (Key("import.stored"), "stored")]
                self.numbers = self._choice(words, "numbers", kinds, visible=False)
            self.preview = gr.HTML(elem_id="again-preview")
            self.read = words(gr.Button, Key("import.read"), variant="primary", elem_id="again-read")
        with words(gr.Accordion, label=Key("import.paste"), open=False, elem_id="import-paste"):
            self.text = words(gr.Textbox, label=Key("import.text"), lines=5, max_lines=12, elem_id="paste-text")
            self.name = words(gr.Textbox, label=Key("tasks.name"), max_length=80, elem_id="paste-name")
            self.add = words(gr.Button, Key("import.add"), elem_id="paste-add")
        with words(
            gr.Accordion, label=Key("import.hub"), open=False, visible=not context.shared, elem_id="import-hub"
        ):
            example = {"placeholder": "PolyAI/banking77", "elem_id": "hub-id"}
            self.dataset = words(gr.Textbox, label=Key("import.dataset"), **example)
            self.config = words(gr.Textbox, label=Key("import.config"), elem_id="hub-config")
            self.fetch = words(gr.Button, Key("import.fetch"), elem_id="hub-fetch")

    @staticmethod
    def _choice(words: Any, name: str, choices: list[Any], **more: Any) -> Any:
        offered = [(Key("import.guess"), ""), *choices]
        return words(
            gr.Dropdown, label=Key(f"import.{name}"), choices=offered, value="", elem_id=f"again-{name}", **more
        )

    def wire(self, context: Context, report: Any, outcomes: gr.State) -> None:
        """`report` is the screen's line about what was added, `outcomes` what the screen has made so far."""
        self.report, selection, quiet = report, context.selection, {"show_progress": "hidden"}
        options = [self.encoding, self.delimiter, self.quotes, self.sheet, self.header, self.numbers]
        chosen, told = [self.dropped, self.file, *options], [selection, report]
        first = [self.sheet, self.numbers, self.preview]
        context.on(self.dropped.change, self.offer_files, [self.dropped], [self.fold, self.file], **quiet)
        context.on(self.file.change, self.draw_first, [selection, self.dropped, self.file], first)
        for field in options:
            given = {"trigger_mode": "always_last"}
            context.on(field.input, draw_preview, [selection, *chosen], self.preview, **given)
        pasted = [self.text, self.name]
        ways = (
            (self.read.click, self.read_differently, (chosen, told)),
            (self.add.click, self.take_pasted, (pasted, [*told, *pasted])),
            (self.fetch.click, self.take_hub, ([self.dataset, self.config], told)),
        )
        for trigger, handler, wired in ways:
            wire_making(context, trigger, Making(handler, (report, *pasted)), wired, outcomes)

    def offer_files(self, _: Context, dropped: list[str]) -> Shown:
        """The first file of a drop is chosen."""
        names = [Path(path).name for path in dropped]
        chosen = names[0] if names else None
        return {self.fold: gr.update(visible=bool(names)), self.file: gr.update(choices=names, value=chosen)}

    def draw_first(self, context: Context, selection: Selection, dropped: list[str], name: str | None) -> Shown:
        """Sheets of the chosen file, how its numbers are taken (a spreadsheet's), its preview as it is guessed."""
        path = _path(dropped, name)
        if path is None:
            return {self.preview: ""}
        guess = (say("import.guess"), "")
        try:
            found = preview_isolated(path)
        except TaskloomError as error:
            none = gr.update(choices=[guess], value="", visible=False)
            return {self.sheet: none, self.numbers: gr.update(visible=False), self.preview: _refused(error)}
        sheets = [guess, *((sheet, sheet) for sheet in found.sheets)]
        return {
            self.sheet: gr.update(choices=sheets, value="", visible=len(found.sheets) > 1),
            self.numbers: gr.update(value="", visible=found.format == "xlsx"),
            self.preview: preview_view(found),
        }

    def read_differently(
        self, context: Context, selection: Selection, dropped: list[str], name: str, *options: Any
    ) -> Shown:
        """Replaces the task that came from the file by what these options make of it."""
        path = _path(dropped, name)
        if path is None:
            return {self.report: ""}
        require_shared_space(context, selection)
        with context.at_work(selection, "import"):
            spec = read_again(context.require_project(selection), path, _options(options), dropped)
        return self._added(context, selection, spec)

    def take_pasted(self, context: Context, selection: Selection, text: str, name: str) -> Shown:
        """The pasted rows become a task; the fields are emptied."""
        require_shared_space(context, selection)
        request = TaskRequest(name=(name or "").strip() or None)
        spec = add_pasted(context.require_project(selection), text or "", request)
        return {**self._added(context, selection, spec), self.text: "", self.name: ""}

    def take_hub(self, context: Context, selection: Selection, dataset: str, config: str) -> Shown:
        """A data set of the Hub, on one's own machine only."""
        if context.shared:
            raise WorkspaceError("hub.shared")
        project, part = context.require_project(selection), (config or "").strip()
        with context.at_work(selection, "import"):
            spec = add_hub_dataset(project, (dataset or "").strip(), part or None)
        return self._added(context, selection, spec)

    def _added(self, context: Context, selection: Selection, spec: TaskSpec) -> Shown:
        told = bullets([("ok", say("tasks.added", names=spec.name))])
        return {context.selection: selection.with_task(spec.task_id), self.report: told}


def draw_preview(context: Context, selection: Selection, dropped: list[str], name: str, *options: Any) -> str:
    path = _path(dropped, name)
    if path is None:
        return ""
    try:
        return preview_view(preview_isolated(path, ReadOptions(**_options(options))))
    except TaskloomError as error:
        return _refused(error)


def preview_view(found: FilePreview) -> str:
    """How the file is read: encoding, first rows, the guess with its reasons, what was noted."""
    key = {"exact": "import.about", "nearly": "import.about_nearly", "at_least": "import.about_first"}[found.count]
    about = say(key, format=found.format, encoding=found.encoding, rows=word_count(found.num_rows))
    rows = [[esc(str(row.get(c) if row.get(c) is not None else "")[:MOST_CHARS]) for c in found.columns]
            for row in found.rows]  # fmt: skip
    reasons = [("info", word_error(key, v)[0]) for key, v in (found.guess.reasons if found.guess else ())]
    notes = [
        ("info" if p.severity == "note" else "warn", word_problem(p), p.raw) for p in found.problems[:MOST_NOTES]
    ]
    return note(about) + table(found.columns, rows) + bullets([*reasons, *notes])


def _refused(error: TaskloomError) -> str:
    return bullets([("bad", word_problem(error))])


def _path(dropped: list[str], name: str | None) -> Path | None:
    """Only files of this visitor's own drop: their paths never come from the browser."""
    return next((Path(path) for path in dropped if Path(path).name == name), None)


def _options(values: tuple[Any, ...]) -> dict[str, Any]:
    encoding, delimiter, quotes, sheet, header, numbers = values
    return {
        "encoding": encoding or None, "delimiter": delimiter or None, "quotes": quotes or None,
        "sheet": sheet or None, "header": {"yes": True, "no": False}.get(header),
        "raw_numbers": numbers == "stored",
    }  # fmt: skip

"""Share: hand a trained run on, as standard files with a model card, to the Hub, or as code to copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.markup import bullets, empty, lead, note, part
from app.share.push_panel import PushPanel, export_words
from app.share.snippets import LANGUAGE_OF, LOAD, WAYS, snippet_for
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder
from app.texts import say, word_error
from app.texts.language import current_language
from app.texts.words import Key, Words
from core.export.card import KINDS, OF_ALL_TASKS, CardRequest, build_card
from core.insight.forgotten import describe_warning, read_forgetting
from core.runs.folder import RunFolder

TITLE = "tab.share"
CONSENTED = 2  # practice rows a task


class Share:
    """What to make and where to on the left, its model card on the right, code below."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.head = gr.HTML(elem_id="share-head")
        with gr.Column(visible=False) as self.body:
            with gr.Row():
                with gr.Column(scale=4, min_width=320):
                    self._build_choice(words)
                    self.make = words(gr.Button, Key("share.make"), variant="primary", elem_id="share-make")
                    self.checked = gr.HTML(elem_id="share-checked")
                    given = {"label": Key("share.file"), "visible": False, "interactive": False}
                    self.file = words(gr.File, **given, elem_id="share-file")
                    PushPanel(context, self.choice)
                with gr.Column(scale=6, min_width=320):
                    self.title = gr.HTML()
                    self.card = gr.Markdown(elem_id="share-card", max_height=620, container=True)
            self._build_code(context)
        self._wire(context)

    def _build_choice(self, words: Words) -> None:
        """Kind of export, what it is, task, consent to show rows."""
        kinds = [(Key(f"share.kind_{kind}"), kind) for kind in KINDS]
        self.kind = words(gr.Radio, label=Key("share.kind"), choices=kinds, value=KINDS[0], elem_id="share-kind")
        self.about = gr.HTML(elem_id="share-about")
        label, hint = Key("share.task"), Key("share.task_help")
        self.task = words(gr.Dropdown, label=label, info=hint, choices=[], elem_id="share-task")
        label, hint = Key("share.examples"), Key("share.examples_help")
        self.examples = words(gr.Checkbox, label=label, info=hint, value=False, elem_id="share-examples")

    def _build_code(self, context: Context) -> None:
        """Ways of using the model, and the code for it; a shared page answers no programs, so loading only."""
        ways = (LOAD,) if context.shared else WAYS
        given = {"choices": [(Key(f"share.way_{way}"), way) for way in ways], "value": ways[0]}
        self.way = context.words(gr.Radio, label=Key("share.code"), **given, elem_id="share-way")
        self.code = gr.Code(
            language="python", interactive=False, show_label=False, elem_id="share-code", max_lines=24
        )

    @property
    def choice(self) -> list[Any]:
        return [self.kind, self.task, self.examples]

    def _wire(self, context: Context) -> None:
        selection, quiet = context.selection, {"show_progress": "hidden"}
        shown = [self.head, self.body, self.task, self.title, self.checked, self.file]
        kept, coded = [self.task, self.checked, self.file], [self.kind, self.task, self.way]
        carded = [self.about, self.task, self.card]
        context.on_selection(self.draw, shown, kept=kept, subject=context.results_seen)
        context.on_selection(self.draw_card, carded, self.choice)
        context.on_selection(draw_code, self.code, coded)
        for field in self.choice:
            context.on(field.input, self.draw_card, [selection, *self.choice], carded, **quiet)
        for field in coded:
            context.on(field.input, draw_code, [selection, *coded], self.code, **quiet)
        alone = {"show_progress": "full", "concurrency_limit": 1}
        context.on(self.make.click, self.make_files, [selection, *self.choice], [self.file, self.checked], **alone)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """What can be made of the chosen run; no check and no file yet."""
        nothing = {self.checked: "", self.file: gr.update(visible=False)}
        run_dir = context.trained_run(selection)
        if run_dir is None:
            hint = empty(say("share.none_title"), say("share.none_text"))
            return {self.head: hint, self.body: gr.update(visible=False), self.title: "", **nothing}
        names = [spec.name for spec in RunFolder(run_dir).read_tasks()]
        return {
            self.head: lead(say("share.lead")) + warn_of_forgetting(run_dir),
            self.body: gr.update(visible=True),
            self.task: gr.update(choices=names, value=names[0]),
            self.title: part(say("share.card")),
            **nothing,
        }

    def draw_card(
        self, context: Context, selection: Selection, kind: str, task: str | None, examples: bool
    ) -> Shown:
        """What this kind is, the task field (not for all tasks), the model card in the user's language."""
        request = request_for(context, selection, kind, task, examples)
        if request is None:
            return {self.about: "", self.card: ""}
        return {
            self.about: note(say(f"share.about_{kind}")),
            self.task: gr.update(visible=kind not in OF_ALL_TASKS),
            self.card: without_head(build_card(request)),
        }

    def make_files(
        self, context: Context, selection: Selection, kind: str, task: str | None, examples: bool
    ) -> Shown:
        """Exports in a process of its own, checks the reloaded files, and packs them into one zip to download."""
        run_dir = context.trained_run(selection)
        if run_dir is None:
            return {self.file: gr.update(visible=False), self.checked: ""}
        folder = new_export_folder(run_dir.name)
        made = run_errand(context.workspace.root, *export_words(run_dir, folder, kind, task, examples))
        packed = shutil.make_archive(str(folder / f"taskloom-{kind}-{run_dir.name}"), "zip", folder / "files")
        shutil.rmtree(folder / "files")
        return {self.file: gr.update(value=packed, visible=True), self.checked: checked_view(made)}


def warn_of_forgetting(run_dir: Path) -> str:
    """What others should know of the run before they get it; "" when there is nothing."""
    found = read_forgetting(run_dir)
    said = describe_warning(found) if found else []
    return bullets([("warn", word_error(one.key, one.values)[0]) for one in said]) if said else ""


def draw_code(context: Context, selection: Selection, kind: str, task: str | None, way: str) -> Any:
    """The code to copy, for this kind and task."""
    request = request_for(context, selection, kind, task, False)
    if request is None:
        return gr.update(value="")
    tasks = RunFolder(request.run_dir).read_tasks()
    spec = next((spec for spec in tasks if spec.name == (request.task or task)), tasks[0])
    base_model = RunFolder(request.run_dir).read_config().base_model
    return gr.update(value=snippet_for(way, request, base_model, spec), language=LANGUAGE_OF[way])


def request_for(
    context: Context, selection: Selection, kind: str, task: str | None, examples: bool
) -> CardRequest | None:
    """What the screen shows, as a request for a card; None without a trained run."""
    run_dir = context.trained_run(selection)
    if run_dir is None:
        return None
    names = [spec.name for spec in RunFolder(run_dir).read_tasks()]
    chosen = None if kind in OF_ALL_TASKS else task if task in names else names[0]
    return CardRequest(run_dir, kind, chosen, current_language(), CONSENTED if examples else 0)


def checked_view(made: list[dict[str, Any]]) -> str:
    """What the check after reloading found."""
    return bullets([("ok", say("share.checked", difference=f"{max(e['difference'] for e in made):.1e}"))])


def without_head(card: str) -> str:
    """The card as people read it: without the block for the Hub between the two lines of dashes."""
    if not card.startswith("---"):
        return card
    return card.split("\n---", 1)[-1].lstrip("-\n ")


build = Share

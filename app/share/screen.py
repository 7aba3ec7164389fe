"""Share: hand a trained run on, as standard files with a model card, to the Hub, or as code to copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.markup import bar, bullets, lead, note, part
from app.share.push_panel import PushPanel, export_words
from app.share.snippets import LANGUAGE_OF, LOAD, WAYS, snippet_for
from app.share.warnings import warnings_view
from app.share.wishes import Choice, Outcome, Wishes
from app.shell.context import Context
from app.shell.outcomes import draw_after
from app.shell.redraw import Shown
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.shell.upload_folders import export_name, new_export_folder
from app.shell.way_on import WayOn
from app.texts import say, word_error, word_whole
from app.texts.language import current_language
from app.texts.words import Key, Words
from core.base.errors import TaskloomError
from core.export.card import GGUF, KINDS, OF_ALL_TASKS, CardRequest, build_card
from core.export.gguf_layout import gguf_refusal
from core.runs.folder import RunFolder

TITLE = "tab.share"
CONSENTED = 2  # practice rows a task


class Share:
    """What to make and where to on the left, its model card on the right, code below."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.way_on, self.wishes = WayOn(context, "share-head"), gr.State(Wishes())
        self.head = self.way_on.head
        with gr.Column(visible=False) as self.body:
            with gr.Row():
                with gr.Column(scale=4, min_width=320):
                    self._build_choice(words)
                    self.make = words(gr.Button, Key("share.make"), variant="primary", elem_id="share-make")
                    self.checked = gr.HTML(elem_id="share-checked")
                    given = {"label": Key("share.file"), "visible": False, "interactive": False}
                    self.file = words(gr.File, **given, elem_id="share-file")
                    PushPanel(context, self.choice, self.wishes, choice_of)
                with gr.Column(scale=6, min_width=320):
                    self.title = gr.HTML()
                    self.card = gr.Markdown(elem_id="share-card", max_height=620, container=True)
            self._build_code(context)
        self._wire(context)

    def _build_choice(self, words: Words) -> None:
        """Kind of export, what it is, task, consent to show rows."""
        given = {"choices": list(KINDS), "value": KINDS[0]}  # worded by `draw_kinds`, which knows what can be made
        self.kind = words(gr.Radio, label=Key("share.kind"), **given, elem_id="share-kind")
        self.missing, self.about = gr.HTML(elem_id="share-missing"), gr.HTML(elem_id="share-about")
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
        chosen, outcome = [selection, *self.choice, self.wishes], [self.file, self.checked]
        shown, coded = [self.head, self.body, self.task, self.title], [self.kind, self.task, self.way]
        carded = [self.about, self.task, self.card]
        context.on_selection(self.draw, shown, kept=[self.task], subject=context.results_seen)
        context.on_selection(self.draw_kinds, [self.kind, self.missing], [self.kind])
        context.on_selection(self.draw_card, carded, self.choice)
        context.on_selection(self.draw_outcome, outcome, [*self.choice, self.wishes])
        context.on_selection(draw_code, self.code, coded)
        for field in self.choice:
            context.on(field.input, self.draw_card, [selection, *self.choice], carded, **quiet)
            context.on(field.input, self.draw_outcome, chosen, outcome, **quiet)
        for field in coded:
            context.on(field.input, draw_code, [selection, *coded], self.code, **quiet)
        # Asked for at once, made one after the other, shown to the choice that is there when it is done.
        asked = context.on(self.make.click, self.ask, chosen, outcome, trigger_mode="multiple", **quiet)
        alone = {"concurrency_limit": 1, "concurrency_id": "export", **quiet}
        made = context.on(asked.then, self.make_files, [selection, self.wishes], [], **alone)
        draw_after(context, made, self.draw_outcome, chosen, outcome)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """What can be made of the chosen run; no check and no file yet."""
        run_dir = context.trained_run(selection)
        if run_dir is None:
            hint = self.way_on.view(context, selection, say("share.none_title"), say("share.none_text"))
            return {self.head: hint, self.body: gr.update(visible=False), self.title: ""}
        names = [spec.name for spec in RunFolder(run_dir).read_tasks()]
        return {
            self.head: lead(say("share.lead")) + warnings_view(run_dir),
            self.body: gr.update(visible=True),
            self.task: gr.update(choices=names, value=names[0]),
            self.title: part(say("share.card")),
        }

    def draw_kinds(self, context: Context, selection: Selection, kind: str) -> Shown:
        """What can be made of the chosen run; a kind that its base model cannot become is not offered, and why not
        is said."""
        run_dir = context.trained_run(selection)
        if run_dir is None:
            return gr.skip()
        refusal = gguf_refusal(RunFolder(run_dir).read_config().base_model)
        kinds = [k for k in KINDS if k != GGUF or refusal is None]
        choices = [(say(f"share.kind_{k}"), k) for k in kinds]
        said = note(say("share.no_gguf", why=word_error(refusal.key, refusal.values)[0])) if refusal else ""
        return {
            self.kind: gr.update(choices=choices, value=kind if kind in kinds else KINDS[0]),
            self.missing: said,
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

    def ask(
        self, context: Context, selection: Selection, kind: str, task: str | None, examples: bool, wishes: Wishes
    ) -> Shown:
        """Puts the choice into the queue of this page."""
        choice = choice_of(context, selection, kind, task, examples)
        if choice is not None:
            wishes.ask(choice)
        return self.draw_outcome(context, selection, kind, task, examples, wishes)

    def make_files(self, context: Context, selection: Selection, wishes: Wishes) -> None:
        """Makes what was asked for first. What goes wrong is said to its choice, and in a notice."""

        def make(choice: Choice) -> Outcome:
            made_of = context.trained_run(selection.with_run(choice.about[0]))
            if made_of is None:
                return Outcome("", bullets([("bad", say("share.none_title"))]))
            try:
                with context.at_work(selection.with_run(made_of.name), "export"):
                    return _make(context, made_of, choice)
            except TaskloomError as error:
                said = bullets([("bad", word_whole(error.key, error.values))])
                return Outcome("", said)

        wishes.make_next(make)

    def draw_outcome(
        self, context: Context, selection: Selection, kind: str, task: str | None, examples: bool, wishes: Wishes
    ) -> Shown:
        """The files of the choice that is shown, or that they are being made or wait; never another one's."""
        choice = choice_of(context, selection, kind, task, examples)
        outcome = wishes.outcome_of(choice) if choice else None
        place = wishes.place_of(choice) if choice else None
        said = outcome.said if outcome else ""
        if place is not None:
            said = waiting_view(place)
        path = outcome.path if outcome and place is None else ""
        return {self.checked: said, self.file: gr.update(value=path or None, visible=bool(path))}


def choice_of(context: Context, selection: Selection, kind: str, task: str | None, examples: bool) -> Choice | None:
    """What the fields say, of the chosen run; None without one."""
    request = request_for(context, selection, kind, task, examples)
    if request is None:
        return None
    return Choice(context.results_seen(selection), kind, request.task or "", bool(examples))


def _make(context: Context, run_dir: Path, choice: Choice) -> Outcome:
    """Exports in a process of its own, checks the reloaded files, and packs them into one zip to download."""
    folder = new_export_folder(run_dir.name)
    words = export_words(run_dir, folder, choice.kind, choice.task, choice.examples)
    made = run_errand(context.workspace.root, *words)
    packed = shutil.make_archive(
        str(folder / export_name(run_dir, choice.kind, choice.task)), "zip", folder / "files"
    )
    shutil.rmtree(folder / "files")
    return Outcome(packed, checked_view(made))


def waiting_view(place: int) -> str:
    """That it is being made, or how many are made before it."""
    said = say("share.making") if place == 0 else say("share.waiting", n=place)
    return f'<div class="errand making">{bar(1.0, "busy", say("run.progress"), known=False)}</div>' + note(said)


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

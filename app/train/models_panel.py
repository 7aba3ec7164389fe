"""Base models on the Train screen: which are here, which one suits this project and how long it would take,
getting, adding, using and removing one. Fetching is a process of its own that outlives the page.

On a shared page models are looked at and chosen; the store is the owner's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.durations import word_range
from app.drawing.forms import read_yaml
from app.drawing.markup import badge, bullets, esc, note, table
from app.drawing.model_offers import base_choices
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.base.errors import ModelError, TaskloomError
from core.models.advising import advise_base
from core.models.offers import TO_FETCH, ModelOffer, list_offers
from core.models.store import list_stored, models_dir
from core.runs.model_users import recent_folders, remove_unused
from core.runs.ready import ready_report
from core.tasks.store import list_tasks
from core.training.config import RunConfig, change_config
from core.training.plan import load_run_dataset
from core.workspace import Project

MOST_TEXTS = 200


class ModelsPanel:
    """Folded away until somebody looks. `config` is the plan's gr.State with the YAML text, `field` its dropdown of
    base models, which offers what is on this machine too."""

    def __init__(self, context: Context, config: Any, field: Any) -> None:
        words, self.field = context.words, field
        with words(gr.Accordion, label=Key("models.title"), open=False, elem_id="models") as self.fold:
            self.opened, self.advised, self.due = gr.State(False), gr.State(""), gr.State(None)
            self.advice, self.listed = gr.HTML(elem_id="models-advice"), gr.HTML(elem_id="models-list")
            with gr.Row(elem_classes="bottom"):
                given = {"label": Key("models.use_which"), "choices": [], "value": None, "scale": 3}
                self.chosen = words(gr.Dropdown, **given, elem_id="models-chosen")
                self.use = words(gr.Button, Key("models.use"), elem_id="models-use", min_width=120)
                self.remove = words(gr.Button, Key("models.remove"), elem_id="models-remove", min_width=120)
            with gr.Row(visible=False) as self.ask:
                self.yes = words(gr.Button, Key("run.sure_yes"), variant="stop", elem_id="models-yes")
                self.no = words(gr.Button, Key("run.sure_no"), elem_id="models-no")
            self.said = gr.HTML(elem_id="models-said")
            if not context.shared:
                self._build_sources(context)
        self._wire(context, config)

    def _build_sources(self, context: Context) -> None:
        """Getting a known model and adding a file or folder of this machine."""
        words = context.words
        given = {"label": Key("models.get_which"), "choices": [], "value": None, "allow_custom_value": True}
        self.wanted = words(gr.Dropdown, **given, elem_id="models-wanted")
        self.terms = words(gr.Checkbox, label=Key("models.terms"), value=False, elem_id="models-terms")
        JobPanel(context, JobSpec("model_get", get_words, store_place), [self.wanted, self.terms], "models.get")
        given = {"label": Key("models.path"), "info": Key("models.path_help"), "max_lines": 1}
        self.path = words(gr.Textbox, **given, elem_id="models-path")
        given = {"label": Key("models.file"), "file_types": [".gguf"], "type": "filepath", "height": 110}
        self.file = words(gr.File, **given, elem_id="models-file")
        JobPanel(context, JobSpec("model_add", add_words, store_place), [self.path, self.file], "models.add")

    def _wire(self, context: Context, config: Any) -> None:
        selection, quiet = context.selection, {"show_progress": "hidden"}
        shown = [self.listed, self.chosen, self.ask, self.remove, self.field]
        shown += [] if context.shared else [self.wanted]
        context.on_selection(self.draw, shown, kept=[self.field], subject=lambda seen: seen.language)
        advice, in_turn = [self.advice, self.advised], {"concurrency_limit": 1, "concurrency_id": "advice", **quiet}
        context.on(self.fold.expand, lambda _: True, [], self.opened, **quiet)
        context.on(self.fold.collapse, lambda _: False, [], self.opened, **quiet)
        context.on(self.fold.expand, self.draw_advice, [selection, config], advice, **in_turn)
        context.on(self.due.change, self.draw_advice, [selection, config], advice, **in_turn)
        context.on_selection(self.keep_advice, [*advice, self.due], [self.opened, self.advised])
        context.on(self.use.click, self.use_it, [selection, self.chosen], [selection, context.tabs])
        context.on(self.remove.click, lambda _: gr.update(visible=True), [], self.ask, **quiet)
        context.on(self.no.click, lambda _: gr.update(visible=False), [], self.ask, **quiet)
        outcome = [selection, self.ask, self.said]
        context.on(self.yes.click, self.remove_it, [selection, self.chosen], outcome)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """The table, and what can be used (folders of earlier runs too), fetched and removed."""
        offers, project = list_offers(), None if context.shared else context.project(selection)
        here = [offer.name for offer in offers if offer.state != TO_FETCH]
        folders = [] if project is None else recent_folders(project)
        here += folders
        shown: Shown = {
            self.listed: offers_table(offers),
            self.chosen: gr.update(choices=here, value=here[0]),
            self.field: gr.update(choices=base_choices(offers, folders)),
            self.ask: gr.update(visible=False),
            self.remove: gr.update(visible=not context.shared and bool(list_stored())),
        }
        if not context.shared:
            wanted = [offer.name for offer in offers if offer.state == TO_FETCH]
            shown[self.wanted] = gr.update(choices=wanted, value=wanted[0] if wanted else None)
        return shown

    def draw_advice(self, context: Context, selection: Selection, text: str) -> Shown:
        """Which one for this project and why, and how long the plan would take with each that is here."""
        project = context.project(selection)
        if project is None or not list_tasks(project):
            return {self.advice: note(say("models.no_tasks")), self.advised: selection.project_id}
        found = advice_view(project, read_yaml(text), list_offers())
        return {self.advice: found, self.advised: selection.project_id}

    def keep_advice(self, context: Context, selection: Selection, opened: bool, advised: str) -> Shown:
        """Advice for one project never stands in another: there it is due, if somebody looks."""
        if advised == selection.project_id:
            return {}
        return {self.advice: "", self.advised: "", self.due: selection if opened else None}

    def use_it(self, context: Context, selection: Selection, name: str) -> Shown:
        """The plan of the next run stands on this model."""
        return context.go_to(selection, "train", changes={"base_model": name})

    def remove_it(self, context: Context, selection: Selection, name: str) -> Shown:
        """Gone from the store, unless runs stand on it; what lies in a folder of the user's stays there."""
        if context.shared:
            return {self.ask: gr.update(visible=False)}
        record = remove_unused(context.workspace, name or "")
        text = say("models.stays", folder=record.folder) if record.folder else say("models.removed", name=name)
        told = bullets([("ok", text)])
        return {context.selection: selection.touched(), self.ask: gr.update(visible=False), self.said: told}


def store_place(context: Context, _: Selection) -> Path | None:
    """The model store, whose jobs fetch and convert; nobody's on a shared page."""
    return None if context.shared else models_dir()


def get_words(_: Context, __: Selection, name: str | None, terms: bool) -> list[str]:
    return ["model", "get", *(["--accept-terms"] if terms else []), "--", (name or "").strip()]


def add_words(_: Context, __: Selection, path: str | None, file: str | None) -> list[str]:
    """The path that was typed, else the file that was dropped.

    Raises:
        ModelError: neither.
    """
    given = (path or "").strip() or file
    if not given:
        raise ModelError("model.nothing_given")
    return ["model", "add", "--", given]


def offers_table(offers: list[ModelOffer]) -> str:
    """One row a base model: what it is, whether it is here, and its hash where that is known."""
    heads = [say(f"models.{n}") for n in ("name", "where", "size", "disk", "languages", "licence", "form", "hash")]
    rows = []
    for o in offers:
        form = "" if o.has_chat_template is None else say("models.chat" if o.has_chat_template else "models.plain")
        size, disk = (f"{value:g}" if value else "" for value in (o.parameters, o.megabytes))
        where = badge(say(f"models.{o.state}"), "" if o.state == TO_FETCH else "good")
        mark = f'<code title="{esc(o.weights_sha256)}">{esc(o.weights_sha256[:12])}</code>'
        cells = [esc(o.name), where, size, disk, esc(o.languages), esc(o.licence), esc(form)]
        rows.append([*cells, mark if o.weights_sha256 else ""])
    return table(heads, rows, numeric=(2, 3), named=True)


def advice_view(project: Project, config: RunConfig, offers: list[ModelOffer]) -> str:
    """The advice with its reason, then minutes by model, as the Ready card would say them."""
    advice = advise_base(sample_texts(project), offers)
    state = next((o.state for o in offers if o.name == advice.name), TO_FETCH)
    reason = say(f"models.for_{advice.reason}", name=advice.name, share=f"{100 * advice.share:.0f}")
    items = [("info", reason)]
    if state == TO_FETCH:
        items.append(("info", say("models.not_here", name=advice.name)))
    for offer in offers:
        if offer.state != TO_FETCH:
            items.append(
                ("info", say("models.takes", name=offer.name, time=time_with(project, config, offer.name)))
            )
    return bullets(items)


def time_with(project: Project, config: RunConfig, name: str) -> str:
    """About how long the plan takes on this machine with a base model: of a rehearsal, else the formula's range."""
    try:
        report = ready_report(project, change_config(config, {"base_model": name}))
    except TaskloomError as error:
        return error.message
    if report.seconds is None:
        return say("models.time_unknown")
    key = "models.time_rehearsed" if report.rehearsed else "models.time_formula"
    return say(key, time=word_range(*report.seconds))


def sample_texts(project: Project) -> list[str]:
    """Some questions and answers of every task."""
    dataset = load_run_dataset(project, RunConfig())
    rows = [row for i in range(len(dataset.tasks)) for row in dataset.split(i, "train")[:MOST_TEXTS]]
    return [f"{row.prompt} {row.target}" for row in rows]

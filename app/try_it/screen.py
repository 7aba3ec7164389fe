"""Try it: ask like in a chat; up to three columns answer the same message; compare, correct, vote, save."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.drawing.markup import lead
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.way_on import BY_BUTTON, WayOn, next_place
from app.texts import say
from app.texts.words import Key, Words
from app.try_it.bench_panel import STREAMED, Bench, Filling, places_of
from app.try_it.columns import (
    MOST_SIDES,
    NUM_SETTINGS,
    build_exchange,
    exam_rows,
    find_spec,
    preset_choices,
    read_settings,
    side_choices,
    specs_of,
)
from app.try_it.conversation import NOBODY, TUNED, Asking, Exchange
from app.try_it.device_panel import DevicePanel
from app.try_it.file_panel import FilePanel
from app.try_it.merge_panel import MergePanel
from app.try_it.settings_panel import SettingsPanel
from core.chat.detecting import AUTO
from core.chat.routing import BY_TEXT, WAYS, has_router
from core.tasks.cell_text import input_text

TITLE = "tab.try_it"
MOST_COLUMNS = 8  # input columns that get a field of their own
BUTTONS = (("ask", "primary"), ("stop", "secondary"), ("example", "secondary"), ("clear", "secondary"))
DEFAULTS = (TUNED, NOBODY, NOBODY)


class TryIt:
    """A box to ask in, who answers and how behind options, the answers below, newest first; files of questions and
    merging at the end."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.way_on = WayOn(context, "try-head")
        self.head = self.way_on.head
        self.onwards = words(
            gr.Button, Key("try.go_train"), variant="primary", visible=False, elem_id="try-go-train"
        )
        DevicePanel(context)
        with gr.Column(visible=False) as self.body:
            shared = {"lines": 1, "max_lines": 12, "elem_classes": "try-input"}  # one line: Enter asks
            self.fields = [
                gr.Textbox(visible=i == 0, elem_id=f"try-input-{i}", **shared) for i in range(MOST_COLUMNS)
            ]
            with gr.Row(elem_id="try-buttons"):
                self.buttons = {
                    name: words(gr.Button, Key(f"try.{name}"), variant=look, elem_id=f"try-{name}", min_width=110)
                    for name, look in BUTTONS
                }
            with words(gr.Accordion, label=Key("try.options"), open=False, elem_id="try-options"):
                self._build_options(words)
                self.settings = SettingsPanel(words)
            self.bench = Bench(context)
            FilePanel(context, self.task, self.settings.fields[:-1])
            MergePanel(context)
        self._wire(context)

    def _build_options(self, words: Words) -> None:
        """The task, a question out of the exam, who answers in each column."""
        with gr.Row():
            given = {"label": Key("try.task"), "info": Key("try.task_help"), "choices": [], "min_width": 200}
            self.task = words(gr.Dropdown, **given, elem_id="try-task")
            given = {"label": Key("try.way"), "info": Key("try.way_help"), "value": BY_TEXT, "visible": False}
            ways = [(Key(f"try.way_{way}"), way) for way in WAYS]
            self.way = words(gr.Dropdown, **given, choices=ways, min_width=200, elem_id="try-way")
            given = {"label": Key("try.preset"), "info": Key("try.preset_help"), "choices": [], "min_width": 240}
            self.preset = words(gr.Dropdown, **given, elem_id="try-preset")
        with gr.Row():
            self.sides = [self._side(words, place, default) for place, default in enumerate(DEFAULTS)]

    @staticmethod
    def _side(words: Words, place: int, default: str) -> Any:
        given = {"value": default, "choices": [(Key(f"try.{default}"), default)], "min_width": 180}
        return words(gr.Dropdown, label=Key(f"try.column_{place}"), **given, elem_id=f"try-side-{place}")

    def _wire(self, context: Context) -> None:
        selection, bench, quiet = context.selection, self.bench, {"show_progress": "hidden"}
        asking = [selection, bench.asked, self.task, self.way, *self.sides, *self.settings.fields, *self.fields]
        for trigger in (self.buttons["ask"].click, *(field.submit for field in self.fields)):
            context.on(trigger, self.answer, asking, [*bench.streamed, *self.fields], **STREAMED)
        context.on(self.buttons["stop"].click, stop, concurrency_limit=None, **quiet)
        context.on(self.buttons["clear"].click, self.clear, [selection], bench.streamed)
        context.on(self.onwards.click, go_train, [selection], [selection, context.tabs])
        context.on(self.buttons["example"].click, self.fill_example, [selection, self.task], self.fields)
        context.on(self.preset.input, self.fill_preset, [selection, self.task, self.preset], self.fields)
        asked = [self.preset, *self.fields]
        context.on(self.task.change, self.show_fields, [selection, self.task], asked, **quiet)
        shown = [
            self.head,
            self.onwards,
            self.body,
            self.task,
            self.way,
            self.settings.longest,
            *self.sides,
            *bench.streamed,
            *asked,
        ]
        context.on_selection(self.draw, shown, [self.task, bench.asked, self.settings.longest, *self.sides])
        context.on_preset(self.bring, [self.task, *asked])

    def draw(
        self, context: Context, selection: Selection, task: str | None, asked: list[Exchange], *values: Any
    ) -> Shown:
        """Tasks of the chosen run and who can answer; without a trained one, what to do to get it."""
        specs, (longest, *chosen) = specs_of(context, selection), values
        if not specs:
            title, text = say("try.none_title"), say("try.none_text")
            hint = self.way_on.view(context, selection, title, text, BY_BUTTON)
            closed = {self.head: hint, self.body: gr.update(visible=False), self.settings.longest: None}
            can_train = next_place(context, selection) in BY_BUTTON
            return {**closed, self.onwards: gr.update(visible=can_train), **self.bench.nothing()}
        found = [(say("try.auto"), AUTO)] if len(specs) > 1 else []
        names = [*found, *((spec.name, spec.name) for spec in specs)]
        current = task if task in [value for _, value in names] else names[0][1]
        return {
            self.head: lead(say("try.lead")),
            self.onwards: gr.update(visible=False),
            self.body: gr.update(visible=True),
            self.task: gr.update(choices=names, value=current),
            self.way: self._way(context, selection),
            # An empty number field counts as 0 in the browser until it is told once that it is empty.
            self.settings.longest: longest or None,
            **self._sides(context, selection, chosen),
            **self.bench.shown(context, selection, asked),
            **self.show_fields(context, selection, current),
        }

    @staticmethod
    def _way(context: Context, selection: Selection) -> Any:
        """How tasks are found can be chosen where the run has learned both ways."""
        run_dir = context.trained_run(selection)
        return (
            gr.update(visible=True) if run_dir and has_router(run_dir) else gr.update(visible=False, value=BY_TEXT)
        )

    def bring(self, context: Context, selection: Selection, values: dict[str, Any]) -> Shown:
        """Another screen leads here to try a task: `task`, its name."""
        if find_spec(context, selection, values.get("task")) is None:
            return {}
        return {self.task: gr.update(value=values["task"]), **self.show_fields(context, selection, values["task"])}

    def _sides(self, context: Context, selection: Selection, chosen: list[Any]) -> Shown:
        """Who can answer in each column; a choice stays while it is one."""
        shown, known_sides = {}, side_choices(context, selection)
        for place, (side, value) in enumerate(zip(self.sides, chosen, strict=True)):
            choices = [(say("try.nobody"), NOBODY), *known_sides] if place else known_sides
            known = value in [name for _, name in choices]
            shown[side] = gr.update(choices=choices, value=value if known else DEFAULTS[place])
        return shown

    def show_fields(self, context: Context, selection: Selection, task: str | None) -> Shown:
        """Exam questions to choose from, a field for each input column of the task (one when it is detected)."""
        spec = find_spec(context, selection, task)
        columns = [say("try.any_text")]
        if spec is not None:
            columns = [say("try.field", task=spec.name, column=name) for name in spec.inputs[:MOST_COLUMNS]]
        presets = preset_choices(exam_rows(context, selection, spec), spec) if spec else []
        shown = {field: gr.update(visible=False) for field in self.fields}
        for field, name in zip(self.fields, columns, strict=False):
            shown[field] = gr.update(label=name, visible=True, placeholder=say("try.hint"))
        return {self.preset: gr.update(choices=presets, value=None, interactive=bool(presets)), **shown}

    def fill_example(self, context: Context, selection: Selection, task: str | None) -> Shown:
        """Puts a question of the final exam, which the model has not seen in training, into the fields."""
        known = find_spec(context, selection, task)
        spec = known or random.choice(specs_of(context, selection))
        rows = exam_rows(context, selection, spec)
        return self._filled(spec.inputs, random.choice(rows) if rows else None, known is None)

    def fill_preset(self, context: Context, selection: Selection, task: str | None, place: int | None) -> Shown:
        spec = find_spec(context, selection, task)
        rows = exam_rows(context, selection, spec) if spec else []
        known = spec is not None and place is not None and 0 <= place < len(rows)
        return self._filled(spec.inputs if spec else (), rows[place] if known and place is not None else None)

    def _filled(self, inputs: tuple[str, ...], row: dict[str, Any] | None, joined: bool = False) -> Shown:
        """The fields with a row's texts; `joined` into the only field where the task is to be detected."""
        if row is None:
            return gr.skip()
        texts = [input_text(row.get(name)) for name in inputs][:MOST_COLUMNS]
        texts = ["\n".join(texts)] if joined else texts
        return {field: gr.update(value=text) for field, text in zip(self.fields, texts, strict=False)}

    def answer(
        self, context: Context, selection: Selection, asked: list[Exchange], request: gr.Request, *values: Any
    ) -> Iterator[Shown]:
        """Streams the answers of all columns at once; the fields are emptied for the next question."""
        exchange = build_exchange(context, selection, *read_fields(values))
        emptied = dict.fromkeys(self.fields, "")
        filling = Filling(0, places_of(exchange), str(request.session_hash), begun=emptied)
        yield from self.bench.stream(context, selection, [exchange, *asked], filling)

    def clear(self, context: Context, selection: Selection) -> Shown:
        return self.bench.shown(context, selection, [])


def go_train(context: Context, selection: Selection) -> Shown:
    return context.go_to(selection, "train")


def stop(context: Context, request: gr.Request) -> None:
    """Ends the answers of this browser tab; what there is of them stays."""
    context.stops.stop(str(request.session_hash))


def read_fields(values: tuple[Any, ...]) -> tuple[Asking, list[Any]]:
    """What the fields say, and the texts by column."""
    task, way, *rest = values
    choices, more = rest[:MOST_SIDES], rest[MOST_SIDES:]
    settings, blind, texts = more[:NUM_SETTINGS], more[NUM_SETTINGS], more[NUM_SETTINGS + 1 :]
    found = str(way or BY_TEXT)
    return Asking(str(task or ""), tuple(choices), read_settings(settings), bool(blind), found), texts


build = TryIt

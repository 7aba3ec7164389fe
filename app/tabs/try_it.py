"""Try it: ask the trained model as one of its tasks, the untouched model beside it, with the skills it used."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import gradio as gr

from app.answers import MOST_EXCHANGES, Answer, Exchange, exchange_view, question_text
from app.context import Context
from app.markup import empty, lead
from app.selection import Selection
from app.talk import stream_together
from app.texts import say
from app.words import Key
from core.serving.protocol import ChatRequest, ask
from core.tasks.dataset import load_saved_tasks
from core.tasks.spec import TaskSpec
from core.tasks.store import read_rows, task_dir
from core.tasks.values import input_text

TITLE = "tab.try_it"
MOST_COLUMNS = 8  # input columns that get a field of their own
MOST_EXAMPLES = 500  # of the exam, to draw one from
REDRAW_S = 0.1
BUTTONS = (("ask", "primary"), ("stop", "secondary"), ("example", "secondary"), ("clear", "secondary"))
SIDES = {"both": ("tuned", "base"), "tuned": ("tuned",), "base": ("base",)}


def build(context: Context) -> None:
    """Fields of the chosen task above, answers below, newest first."""
    asked = gr.State([])
    head = gr.HTML(elem_id="try-head")
    with gr.Column(visible=False) as body:
        with gr.Row():
            task, side = _build_choices(context)
        fields = [
            gr.Textbox(lines=3, max_lines=12, visible=i == 0, elem_id=f"try-input-{i}", elem_classes="try-input")
            for i in range(MOST_COLUMNS)
        ]
        with gr.Row():
            send, halt, example, clear = (
                context.words(gr.Button, Key(f"try.{name}"), variant=look, elem_id=f"try-{name}", min_width=110)
                for name, look in BUTTONS
            )
        with context.words(gr.Accordion, label=Key("try.settings"), open=False), gr.Row():
            settings = _build_settings(context)
    answers = gr.HTML(elem_id="try-answers")
    inputs = [context.selection, asked, task, side, *settings, *fields]
    asking = [
        context.on(trigger, answer, inputs, [answers, asked], show_progress="hidden", concurrency_limit=4)
        for trigger in (send.click, fields[0].submit)
    ]
    halt.click(None, None, None, cancels=asking, api_visibility="private")
    context.on(clear.click, lambda _: ("", []), [], [answers, asked])
    context.on(example.click, fill_example, [context.selection, task], fields)
    context.on(task.change, show_fields, [context.selection, task], fields, show_progress="hidden")
    context.on_selection(draw, [head, body, task, answers, asked, *fields], [task, asked])


def _build_choices(context: Context) -> tuple[Any, Any]:
    """-> the task to ask as, who answers."""
    words = context.words
    task = words(gr.Dropdown, label=Key("try.task"), choices=[], elem_id="try-task", scale=2, min_width=200)
    sides = [(Key(f"try.{name}"), name) for name in SIDES]
    side = words(
        gr.Radio, label=Key("try.side"), value="both", choices=sides, elem_id="try-side", scale=2, min_width=260
    )
    return task, side


def _build_settings(context: Context) -> list[Any]:
    """-> temperature, longest answer, seed."""
    words = context.words
    said = {
        name: {"label": Key(f"try.{name}"), "info": Key(f"try.{name}_help")}
        for name in ("temperature", "longest", "seed")
    }
    return [
        words(gr.Slider, minimum=0, maximum=1.5, step=0.1, value=0, **said["temperature"]),
        words(gr.Number, precision=0, value=None, **said["longest"]),
        words(gr.Number, precision=0, value=0, **said["seed"]),
    ]


def draw(context: Context, selection: Selection, task: str | None, asked: list[Exchange]) -> list[Any]:
    """Tasks of the chosen run; without a trained one, what to do to get it."""
    run_dir, language = context.trained_run(selection), selection.language
    if run_dir is None:
        hint = empty(say(language, "try.none_title"), say(language, "try.none_text"))
        return [hint, gr.update(visible=False), gr.skip(), "", [], *[gr.skip()] * MOST_COLUMNS]
    names = [spec.name for spec in load_saved_tasks(run_dir / "data")]
    chosen = task if task in names else names[0]
    shown = view(asked, language)
    return [
        lead(say(language, "try.lead")),
        gr.update(visible=True),
        gr.update(choices=names, value=chosen),
        shown,
        asked,
        *show_fields(context, selection, chosen),
    ]


def show_fields(context: Context, selection: Selection, task: str | None) -> list[Any]:
    """One text field for each input column of the task."""
    spec = find_task(context, selection, task)
    columns = list(spec.inputs)[:MOST_COLUMNS] if spec else []
    hint = say(selection.language, "try.hint")
    shown = [gr.update(label=name, visible=True, placeholder=hint) for name in columns]
    return shown + [gr.update(visible=False)] * (MOST_COLUMNS - len(columns))


def fill_example(context: Context, selection: Selection, task: str | None) -> list[Any]:
    """Puts a question of the final exam, which the model has not seen in training, into the fields."""
    spec, project = find_task(context, selection, task), context.project(selection)
    if spec is None or project is None or not task_dir(project, spec.task_id).is_dir():
        return [gr.skip()] * MOST_COLUMNS
    rows = [row for _, row in islice(read_rows(task_dir(project, spec.task_id), "test"), MOST_EXAMPLES)]
    row = random.choice(rows) if rows else {}
    texts = [input_text(row.get(name)) for name in spec.inputs][:MOST_COLUMNS]
    return [gr.update(value=text) for text in texts] + [gr.skip()] * (MOST_COLUMNS - len(texts))


def answer(
    context: Context, selection: Selection, asked: list[Exchange], *values: Any
) -> Iterator[tuple[str, Any]]:
    """Streams the answers of all chosen sides at once; the page is drawn at most ten times a second."""
    requests, exchange = build_requests(context, selection, values)
    language, drawn = selection.language, 0.0
    yield view([exchange, *asked], language), gr.skip()
    for batch in stream_together(context.chat, requests):
        for place, event in batch:
            exchange = exchange.with_answer(place, exchange.answers[place].after(event, language))
        if time.monotonic() - drawn >= REDRAW_S:
            drawn = time.monotonic()
            yield view([exchange, *asked], language), gr.skip()
    kept = [exchange, *asked][:MOST_EXCHANGES]
    yield view(kept, language), kept


def build_requests(
    context: Context, selection: Selection, values: tuple[Any, ...]
) -> tuple[list[ChatRequest], Exchange]:
    """One request a side from the values of the fields, and the empty exchange they will fill."""
    task, side, temperature, longest, seed, *texts = values
    run_dir, spec = context.trained_run(selection), find_task(context, selection, task)
    if run_dir is None or spec is None:
        raise gr.Error(say(selection.language, "try.none_title"), title=say(selection.language, "error.title"))
    content = question_text(list(spec.inputs), texts)
    settings = {
        "temperature": float(temperature or 0),
        "seed": int(seed or 0),
        "max_new_tokens": int(longest) if longest else None,
    }
    sides = SIDES[side]
    requests = [ask(run_dir, spec.name, content, tuned=name == "tuned", **settings) for name in sides]
    question = (
        content if isinstance(content, str) else "\n".join(f"{name}: {text}" for name, text in content.items())
    )
    return requests, Exchange(spec.name, question, tuple(Answer(name) for name in sides))


def view(asked: list[Exchange], language: str) -> str:
    return "".join(exchange_view(exchange, language) for exchange in asked)


def find_task(context: Context, selection: Selection, name: str | None) -> TaskSpec | None:
    run_dir = context.trained_run(selection)
    specs = load_saved_tasks(run_dir / "data") if run_dir else []
    return next((spec for spec in specs if spec.name == name), None)

"""Try it: up to three columns answer the same message, with the skills they used; compare, correct, vote, save."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from app.drawing.markup import bullets, empty, lead
from app.shell.context import Context
from app.shell.device_user import word_holder
from app.shell.selection import Selection
from app.shell.stream_columns import stream_together
from app.texts import say
from app.texts.words import Key
from app.try_it.answers import CLICKS, conversation_view, export_view
from app.try_it.bench_panel import build_correction, build_tally, click_answer
from app.try_it.columns import (
    MOST_SIDES,
    Asking,
    build_exchange,
    exam_rows,
    find_spec,
    preset_choices,
    read_settings,
    request_to,
    side_choices,
    specs_of,
)
from app.try_it.conversation import BASE, MOST_EXCHANGES, NOBODY, TUNED, Exchange, find_exchange
from app.try_it.file_panel import build_file_panel
from app.try_it.merge_panel import build_merge_panel
from core.chat.detecting import AUTO
from core.chat.protocol import MAX_ROUNDS, PRECISIONS
from core.tasks.cell_text import input_text

TITLE = "tab.try_it"
MOST_COLUMNS = 8  # input columns that get a field of their own
REDRAW_S = 0.1
BUTTONS = (("ask", "primary"), ("stop", "secondary"), ("example", "secondary"), ("clear", "secondary"))
DEFAULTS = (TUNED, BASE, NOBODY)
LIVELY = 0.8  # temperature of a second try at an answer that was given at 0


def build(context: Context) -> None:
    """Fields of the chosen task above, answers below, newest first; files of questions and merging at the end."""
    words, asked = context.words, gr.State([])
    head, held, seen = gr.HTML(elem_id="try-head"), gr.HTML(elem_id="try-device"), gr.State("")
    with gr.Column(visible=False) as body:
        with gr.Row():
            label, hint = Key("try.task"), Key("try.task_help")
            task = words(gr.Dropdown, label=label, info=hint, choices=[], elem_id="try-task", min_width=200)
            label, hint = Key("try.preset"), Key("try.preset_help")
            preset = words(gr.Dropdown, label=label, info=hint, choices=[], elem_id="try-preset", min_width=240)
        sides, fields = _build_sides(context), _build_fields()
        with gr.Row():
            send, halt, example, clear = (
                words(gr.Button, Key(f"try.{name}"), variant=look, elem_id=f"try-{name}", min_width=110)
                for name, look in BUTTONS
            )
        with words(gr.Accordion, label=Key("try.settings"), open=False, elem_id="try-settings"):
            settings = _build_settings(context)
        answers = gr.HTML(elem_id="try-answers", js_on_load=CLICKS)
        correction = build_correction(context, asked)
        saves = gr.HTML(elem_id="try-saves")
        tally = build_tally(context)
        build_file_panel(context, task, settings)
        build_merge_panel(context)
    inputs = [context.selection, asked, task, *sides, *settings, *fields]
    streamed = {"show_progress": "hidden", "concurrency_limit": 4}
    for trigger in (send.click, fields[0].submit):
        context.on(trigger, answer, inputs, [answers, asked, saves], **streamed)
    context.on(answers.click, click_answer, [context.selection, asked], [answers, asked, *correction, tally])
    context.on(answers.click, again, [context.selection, asked], [answers, asked, saves], **streamed)
    context.on(halt.click, stop, show_progress="hidden", concurrency_limit=None)
    context.on(clear.click, lambda _: ("", [], ""), [], [answers, asked, saves])
    context.on(example.click, fill_example, [context.selection, task], fields)
    context.on(preset.input, fill_preset, [context.selection, task, preset], fields)
    context.on(task.change, show_fields, [context.selection, task], [preset, *fields], show_progress="hidden")
    # An empty number field counts as 0 in the browser until it is told once that it is empty.
    outputs = [head, body, task, settings[2], *sides, answers, asked, saves, preset, *fields]
    context.on_selection(draw, outputs, [task, asked, settings[2], *sides])
    context.on_selection(draw_device, [held, seen])
    context.on_tick(poll_device, [context.selection, seen], [held, seen])


def _build_fields() -> list[Any]:
    """A text field for each input column of a task."""
    return [
        gr.Textbox(lines=3, max_lines=12, visible=i == 0, elem_id=f"try-input-{i}", elem_classes="try-input")
        for i in range(MOST_COLUMNS)
    ]


def _build_sides(context: Context) -> list[Any]:
    """Who answers in each column."""
    with gr.Row():
        return [
            context.words(
                gr.Dropdown,
                label=Key(f"try.column_{place}"),
                value=default,
                choices=[(Key(f"try.{default}"), default)],
                elem_id=f"try-side-{place}",
                min_width=180,
            )
            for place, default in enumerate(DEFAULTS)
        ]


def _build_settings(context: Context) -> list[Any]:
    """-> temperature, top-p, longest answer, seed, refining rounds, precision, blind."""
    words = context.words

    def said(name: str) -> dict[str, Any]:
        return {"label": Key(f"try.{name}"), "info": Key(f"try.{name}_help"), "elem_id": f"try-{name}"}

    with gr.Row():
        first = [
            words(gr.Slider, minimum=0, maximum=1.5, step=0.1, value=0, **said("temperature")),
            words(gr.Slider, minimum=0.05, maximum=1, step=0.05, value=1, **said("top_p")),
            words(gr.Number, precision=0, value=None, **said("longest")),
            words(gr.Number, precision=0, value=0, **said("seed")),
        ]
    with gr.Row():
        precisions = [(Key(f"try.precision_{name}"), name) for name in PRECISIONS]
        return [
            *first,
            words(gr.Slider, minimum=0, maximum=MAX_ROUNDS, step=1, value=0, **said("refine")),
            words(gr.Dropdown, choices=precisions, value=PRECISIONS[0], **said("precision")),
            words(gr.Checkbox, value=False, **said("blind")),
        ]


def draw(
    context: Context, selection: Selection, task: str | None, asked: list[Exchange], *values: Any
) -> list[Any]:
    """Tasks of the chosen run and who can answer; without a trained one, what to do to get it."""
    specs, (longest, *chosen) = specs_of(context, selection), values
    if not specs:
        hint = empty(say("try.none_title"), say("try.none_text"))
        rest = [gr.skip()] * (MOST_SIDES + MOST_COLUMNS + 1)
        return [hint, gr.update(visible=False), gr.skip(), None, *rest[:MOST_SIDES], "", [], "", *rest[MOST_SIDES:]]
    names = [(spec.name, spec.name) for spec in specs]
    if len(specs) > 1:
        names.append((say("try.auto"), AUTO))
    current = task if task in [value for _, value in names] else specs[0].name
    sides = []
    for place, value in enumerate(chosen):
        choices = side_choices(context, selection, place)
        known = value in [name for _, name in choices]
        sides.append(gr.update(choices=choices, value=value if known else DEFAULTS[place]))
    shown = conversation_view(asked), asked, export_view(asked)
    fields = show_fields(context, selection, current)
    return [
        lead(say("try.lead")),
        gr.update(visible=True),
        gr.update(choices=names, value=current),
        longest or None,
        *sides,
        *shown,
        *fields,
    ]


def draw_device(context: Context, selection: Selection) -> list[str]:
    """-> who is using the device that answers are written on, and the same to be compared with later."""
    holder = word_holder(context, selection) if context.trained_run(selection) else ""
    said = say("device.slower", holder=holder) if holder else ""
    return [bullets([("info", said)]) if said else "", said]


def poll_device(context: Context, selection: Selection, seen: str) -> Any:
    drawn = draw_device(context, selection)
    return gr.skip() if drawn[1] == seen else drawn


def show_fields(context: Context, selection: Selection, task: str | None) -> list[Any]:
    """-> exam questions to choose from, a field for each input column of the task (one when it is detected)."""
    spec = find_spec(context, selection, task)
    columns = list(spec.inputs)[:MOST_COLUMNS] if spec else [say("try.any_text")]
    hint = say("try.hint")
    shown = [gr.update(label=name, visible=True, placeholder=hint) for name in columns]
    presets = preset_choices(exam_rows(context, selection, spec), spec) if spec else []
    choose = gr.update(choices=presets, value=None, interactive=bool(presets))
    return [choose, *shown, *[gr.update(visible=False)] * (MOST_COLUMNS - len(columns))]


def fill_example(context: Context, selection: Selection, task: str | None) -> list[Any]:
    """Puts a question of the final exam, which the model has not seen in training, into the fields."""
    spec = find_spec(context, selection, task) or random.choice(specs_of(context, selection))
    rows = exam_rows(context, selection, spec)
    return _fill(spec.inputs, random.choice(rows) if rows else None, find_spec(context, selection, task) is None)


def fill_preset(context: Context, selection: Selection, task: str | None, place: int | None) -> list[Any]:
    spec = find_spec(context, selection, task)
    rows = exam_rows(context, selection, spec) if spec else []
    known = spec is not None and place is not None and 0 <= place < len(rows)
    return _fill(spec.inputs if spec else (), rows[place] if known and place is not None else None)


def _fill(inputs: tuple[str, ...], row: dict[str, Any] | None, joined: bool = False) -> list[Any]:
    """The fields with a row's texts; `joined` into the only field where the task is to be detected."""
    if row is None:
        return [gr.skip()] * MOST_COLUMNS
    texts = [input_text(row.get(name)) for name in inputs][:MOST_COLUMNS]
    texts = ["\n".join(texts)] if joined else texts
    return [gr.update(value=text) for text in texts] + [gr.skip()] * (MOST_COLUMNS - len(texts))


def answer(
    context: Context, selection: Selection, asked: list[Exchange], request: gr.Request, *values: Any
) -> Iterator[tuple[Any, ...]]:
    """Streams the answers of all columns at once; the page is drawn at most ten times a second."""
    exchange = build_exchange(context, selection, *read_fields(values))
    places = tuple(range(len(exchange.answers)))
    yield from stream_answers(context, selection, [exchange, *asked], Filling(0, places, str(request.session_hash)))


def again(
    context: Context, selection: Selection, asked: list[Exchange], event: gr.EventData, request: gr.Request
) -> Iterator[tuple[Any, ...]]:
    """One answer once more, with another seed; the likeliest words are the same again, so the draw is livelier."""
    clicked, index = event._data, find_exchange(asked, str(event._data.get("key")))
    if clicked.get("act") != "again" or index is None:
        yield gr.skip(), gr.skip(), gr.skip()
        return
    place, exchange = int(clicked["place"]), asked[index]
    warm = exchange.settings["temperature"] or LIVELY
    fresh = replace(
        exchange.answers[place], text="", phase="starting", done=None, error="", versions=(), replaced=False
    )
    changes = {"seed": random.randrange(1, 10_000), "temperature": warm}
    exchange = replace(exchange, vote=None).with_answer(place, replace(fresh, temperature=warm))
    changed = [*asked[:index], exchange, *asked[index + 1 :]]
    filling = Filling(index, (place,), str(request.session_hash), changes)
    yield from stream_answers(context, selection, changed, filling)


@dataclass(frozen=True)
class Filling:
    """Which answers of which exchange are to be written, for which browser tab, with which settings changed."""

    index: int
    places: tuple[int, ...]
    session: str
    changes: dict[str, Any] = field(default_factory=dict)


def stream_answers(
    context: Context, selection: Selection, asked: list[Exchange], filling: Filling
) -> Iterator[tuple[Any, ...]]:
    """Fills some answers of one exchange. The Stop button ends them where they are."""
    drawn, index = 0.0, filling.index
    requests = [request_to(context, selection, asked[index], p, **filling.changes) for p in filling.places]
    wish = context.stops.begin(filling.session)
    yield conversation_view(asked), gr.skip(), gr.skip()
    try:
        for batch in stream_together(context.chat, requests, wish):
            for number, event in batch:
                place, exchange = filling.places[number], asked[index]
                asked[index] = exchange.with_answer(place, exchange.answers[place].after(event))
            if time.monotonic() - drawn >= REDRAW_S:
                drawn = time.monotonic()
                yield conversation_view(asked), gr.skip(), gr.skip()
    finally:
        context.stops.end(filling.session, wish)
    kept = asked[:MOST_EXCHANGES]
    yield conversation_view(kept), kept, export_view(kept)


def stop(context: Context, request: gr.Request) -> None:
    """Ends the answers of this browser tab; what there is of them stays."""
    context.stops.stop(str(request.session_hash))


def read_fields(values: tuple[Any, ...]) -> tuple[Asking, list[Any]]:
    """What the fields say, and the texts by column."""
    task, *rest = values
    choices, settings, texts = rest[:MOST_SIDES], rest[MOST_SIDES : MOST_SIDES + 7], rest[MOST_SIDES + 7 :]
    return Asking(str(task or ""), tuple(choices), read_settings(settings), bool(settings[6])), texts

"""Who can answer on the Try it screen, and the requests to them. Ids from the page are the owner's or unknown."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from itertools import islice
from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say
from app.try_it.conversation import BASE, NOBODY, RUN, TASK, TUNED, Answer, Exchange, Side, question_text
from core.chat.detecting import AUTO, Detection, by_columns, load_detector
from core.chat.protocol import PRECISIONS, ChatRequest, ask
from core.runs.folder import RunFolder
from core.runs.summaries import list_summaries
from core.tasks.cell_text import input_text
from core.tasks.dataset import render_target
from core.tasks.spec import TaskSpec
from core.tasks.store import list_tasks, read_rows, task_dir

MOST_EXAMPLES = 500  # of the exam, to choose one from
MOST_PRESETS = 60
MOST_SIDES = 3


@dataclass(frozen=True)
class Asking:
    """What the fields of the screen say: task (or AUTO), a choice a column, settings, blind or not."""

    task: str
    choices: tuple[str, ...]
    settings: dict[str, Any]
    blind: bool


def specs_of(context: Context, selection: Selection) -> tuple[TaskSpec, ...]:
    run_dir = context.trained_run(selection)
    return RunFolder(run_dir).read_tasks() if run_dir else ()


def find_spec(context: Context, selection: Selection, name: str | None) -> TaskSpec | None:
    return next((spec for spec in specs_of(context, selection) if spec.name == name), None)


def side_choices(context: Context, selection: Selection, place: int) -> list[tuple[str, str]]:
    """(label, value) of a column: the run, its base model, other tasks of the run, other runs of the project."""
    project = context.project(selection)
    choices = [(say(f"try.{kind}"), kind) for kind in (TUNED, BASE)]
    choices += [(say("try.as_task", task=s.name), f"{TASK}:{s.name}") for s in specs_of(context, selection)]
    runs = list_summaries(project) if project else []
    for run in runs:
        if run.run_id != selection.run_id and context.trained_run(selection.with_run(run.run_id)):
            choices.append((say("try.other_run", run=run.name), f"{RUN}:{run.run_id}"))
    return choices if place == 0 else [(say("try.nobody"), NOBODY), *choices]


def build_exchange(context: Context, selection: Selection, asking: Asking, texts: list[Any]) -> Exchange:
    """The empty exchange that the requests will fill; a task that was not chosen is detected from the text.

    Raises:
        gr.Error: there is no trained run. RunError: the message is empty.
    """
    run_dir = context.trained_run(selection)
    spec, found = find_spec(context, selection, asking.task), None
    if run_dir is None or (spec is None and asking.task != AUTO):
        raise gr.Error(say("try.none_title"), title=say("error.title"))
    if spec is None:
        found = load_detector(run_dir).detect(str(texts[0] or ""))
        spec = find_spec(context, selection, found.task)
        assert spec is not None  # the detector knows the run's tasks only
        content = by_columns(spec, str(texts[0] or ""))
    else:
        content = question_text(list(spec.inputs), texts)
    sides = [side for value in asking.choices if (side := _side(context, selection, value, spec, found))]
    if asking.blind:
        random.shuffle(sides)
    temperature = asking.settings["temperature"]
    answers = tuple(Answer(side, temperature=temperature) for side in sides)
    expected = expected_answer(context, selection, spec, content)
    key = secrets.token_hex(6)
    return Exchange(
        key, spec.name, content, answers, expected, asking.blind and len(sides) > 1, None, asking.settings
    )


def _side(
    context: Context, selection: Selection, value: str, spec: TaskSpec, found: Detection | None
) -> Side | None:
    """The side of a column's choice; None for nobody and for a run that is gone."""
    kind, _, rest = str(value or NOBODY).partition(":")
    chosen = selection.with_run(rest) if kind == RUN else selection
    run_dir = context.trained_run(chosen)
    if kind not in (TUNED, BASE, RUN, TASK) or run_dir is None:
        return None
    name = RunFolder(run_dir).read_run()["name"]
    task = rest if kind == TASK and find_spec(context, selection, rest) else spec.name
    if found is None or kind == TASK:
        return Side(kind, run_dir.name, name, task)
    return Side(kind, run_dir.name, name, task, found.probability, _known_blend(context, chosen, kind, found))


def _known_blend(context: Context, chosen: Selection, kind: str, found: Detection) -> tuple[tuple[str, float], ...]:
    """The shares of the tasks that may be meant, among those this run knows; the untouched model has no skills."""
    known = {spec.name for spec in specs_of(context, chosen)}
    kept = tuple((name, share) for name, share in found.blend if name in known)
    return kept if kind != BASE and len(kept) > 1 else ()


def request_to(
    context: Context, selection: Selection, exchange: Exchange, place: int, **changes: Any
) -> ChatRequest:
    """The request of a column."""
    side = exchange.answers[place].side
    run_dir = context.trained_run(selection.with_run(side.run_id))
    settings = {**exchange.settings, "blend": side.blend, **changes}
    if side.kind == BASE:
        settings["refine"] = 0  # nobody trained it on examples; it stands there as it is
    return ask(run_dir or side.run_id, side.task, exchange.content, tuned=side.kind != BASE, **settings)


def exam_rows(context: Context, selection: Selection, spec: TaskSpec) -> list[dict[str, Any]]:
    """Rows of the task's final exam, which the model has not seen in training; none when the task was removed."""
    project = context.project(selection)
    if project is None or spec.task_id not in [known.task_id for known in list_tasks(project)]:
        return []
    return [row for _, row in islice(read_rows(task_dir(project, spec.task_id), "test"), MOST_EXAMPLES)]


def preset_choices(rows: list[dict[str, Any]], spec: TaskSpec) -> list[tuple[str, int]]:
    """Exam questions to choose from, evenly spread: (short text, place)."""
    step = max(1, len(rows) // MOST_PRESETS)
    shown = []
    for place in range(0, len(rows), step):
        text = " ".join(" · ".join(input_text(rows[place].get(name)) for name in spec.inputs).split())
        shown.append((text if len(text) <= 90 else text[:90] + " …", place))
    return shown[:MOST_PRESETS]


def expected_answer(context: Context, selection: Selection, spec: TaskSpec, content: str | dict[str, str]) -> str:
    """The right answer when the question is one of the exam's, else ""."""
    given = [content.strip()] if isinstance(content, str) else [content.get(n, "").strip() for n in spec.inputs]
    for row in exam_rows(context, selection, spec):
        if [input_text(row.get(name)).strip() for name in spec.inputs] == given:
            return render_target(spec, row)
    return ""


def read_settings(values: list[Any]) -> dict[str, Any]:
    """The settings of a request from the fields, an empty one standing for its default."""
    temperature, top_p, longest, seed, refine, precision = values[:6]
    return {
        "temperature": float(temperature or 0),
        "top_p": float(top_p or 1),
        "seed": int(seed or 0),
        "max_new_tokens": int(longest) if longest else None,
        "refine": int(refine or 0),
        "precision": str(precision or PRECISIONS[0]),
    }

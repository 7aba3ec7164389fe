"""Who can answer on the Try it screen, and the requests to them. Ids from the page are the owner's or unknown."""

from __future__ import annotations

import random
import secrets
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say
from app.try_it.conversation import BASE, NOBODY, RUN, TASK, TUNED, Answer, Asking, Exchange, Side, question_text
from core.base.errors import RunError
from core.chat.detecting import AUTO, Detection, by_columns
from core.chat.protocol import FREE, LABELS, MAX_CHARS, PRECISIONS, ChatRequest, ask
from core.chat.routing import BY_TEXT, find_task
from core.insight.verdict_rules import BROKEN, NOT_YET
from core.insight.verdicts import read_verdicts
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.tasks.cell_text import input_text
from core.tasks.changing.exam_questions import exam_answer
from core.tasks.spec import TaskSpec
from core.tasks.store import list_tasks, read_rows, task_dir

MOST_EXAMPLES = 500  # of the exam, to choose one from
MOST_PRESETS = 60
MOST_SIDES = 3
MOST_STARTERS = 4
NUM_SETTINGS = 7


def specs_of(context: Context, selection: Selection) -> tuple[TaskSpec, ...]:
    run_dir = context.trained_run(selection)
    return RunFolder(run_dir).read_tasks() if run_dir else ()


def find_spec(context: Context, selection: Selection, name: str | None) -> TaskSpec | None:
    return next((spec for spec in specs_of(context, selection) if spec.name == name), None)


def side_choices(context: Context, selection: Selection) -> list[tuple[str, str]]:
    """(label, value) of the first column: the run, its base model, other tasks of the run, other runs of the
    project. Further columns may be nobody, too."""
    choices = [(say(f"try.{kind}"), kind) for kind in (TUNED, BASE)]
    choices += [(say("try.as_task", task=s.name), f"{TASK}:{s.name}") for s in specs_of(context, selection)]
    others = (run for run in context.trained_runs(selection) if run.run_id != selection.run_id)
    return choices + [(say("try.other_run", run=run.name), f"{RUN}:{run.run_id}") for run in others]


def build_exchange(context: Context, selection: Selection, asking: Asking, texts: list[Any]) -> Exchange:
    """The empty exchange that the requests will fill. A task that was not chosen is found from the text; a text of
    none of the tasks gets no answer then.

    Raises:
        gr.Error: there is no trained run. RunError: the message is empty or too long, or there is no router.
    """
    run_dir, spec = context.trained_run(selection), find_spec(context, selection, asking.task)
    if run_dir is None or (spec is None and asking.task != AUTO):
        raise gr.Error(say("try.none_title"), title=say("error.title"))
    columns = spec.inputs if spec else ("",)
    text = require_text(texts[: len(columns)])
    found = find_task(context.chat, run_dir, text, BY_TEXT if spec else asking.way)
    if spec is None and found.is_none:
        return _refused(context, selection, asking, text, found)
    chosen = spec or find_spec(context, selection, found.task)
    assert chosen is not None  # the detector knows the run's tasks only
    content = question_text(list(spec.inputs), texts) if spec else by_columns(chosen, text)
    detected = None if spec else found
    sides = [side for value in asking.choices if (side := _side(context, selection, value, chosen, detected))]
    if asking.blind:
        random.shuffle(sides)
    return Exchange(
        secrets.token_hex(6),
        chosen.name,
        content,
        tuple(Answer(side, temperature=asking.settings["temperature"]) for side in sides),
        expected_answer(context, selection, chosen, content),
        asking.blind and len(sides) > 1,
        settings=asking.settings,
        asking=asking,
        offered=tuple(name for name, _ in found.ranking if name != chosen.name) if detected else (),
        foreign=found.foreign,
        kind=chosen.kind,
        metric=chosen.metric,
    )


def require_text(texts: list[Any]) -> str:
    """The texts of the columns as one.

    Raises:
        RunError: there is none, or it is too long.
    """
    text = "\n".join(str(text or "") for text in texts)
    if not text.strip():
        raise RunError("serving.empty_message")
    if len(text) > MAX_CHARS:
        raise RunError("serving.long_message", length=len(text), bound=MAX_CHARS)
    return text


def _refused(context: Context, selection: Selection, asking: Asking, text: str, found: Detection) -> Exchange:
    """Nobody answers a text of none of the tasks; it may be asked as one of them all the same."""
    offered = tuple(name for name, _ in found.ranking)
    how = {"settings": asking.settings, "asking": asking, "offered": offered, "foreign": found.foreign}
    return Exchange(secrets.token_hex(6), "", text, **how)


def ask_as(context: Context, selection: Selection, exchange: Exchange, place: int) -> Exchange:
    """The same question as another one of the offered tasks.

    Raises:
        gr.Error, RunError: as `build_exchange`; the chosen run has no such task.
    """
    name = exchange.offered[place]
    spec = find_spec(context, selection, name)
    if spec is None:
        known = ", ".join(spec.name for spec in specs_of(context, selection))
        raise RunError("insight.no_task", task=name, known=known)
    assert exchange.asking is not None  # every exchange of the screen has one
    asking = replace(exchange.asking, task=spec.name)
    given = exchange.content
    text = given if isinstance(given, str) else "\n".join(given.values())
    content = by_columns(spec, text)
    texts = [content] if isinstance(content, str) else list(content.values())
    return build_exchange(context, selection, asking, texts)


def with_untouched(context: Context, selection: Selection, exchange: Exchange) -> Exchange:
    """The same question beside the untouched model of the run that answered, whichever run is chosen by now.

    Raises:
        RunError: this run is gone.
    """
    first = exchange.answers[0]
    asked = selection.with_run(first.side.run_id)
    spec = find_spec(context, asked, exchange.task)
    side = _side(context, asked, BASE, spec, None) if spec else None
    if side is None:
        raise RunError("chat.run_gone", run=first.side.run_name, task=exchange.task)
    return replace(exchange, answers=(*exchange.answers, Answer(side, temperature=first.temperature)))


def home_of(context: Context, selection: Selection, side: Side) -> Selection:
    """The run that answered and its project, whatever is open by now: votes and corrections belong there.

    Raises:
        RunError: this run is gone. WorkspaceError: its project cannot be read.
    """
    run_dir = context.run_dir(selection.with_run(side.run_id))
    if run_dir is None:
        raise RunError("chat.answerer_gone", run=side.run_name, task=side.task)
    return selection.with_project(context.workspace.project_of_run(run_dir).project_id, run_dir.name)


def starters(context: Context, selection: Selection) -> list[tuple[TaskSpec, int, str]]:
    """Questions to begin with: (task, place of the exam row, short text), one a task, of a few tasks."""
    found = []
    for spec in specs_of(context, selection)[:MOST_STARTERS]:
        rows = exam_rows(context, selection, spec, 1)
        found += [(spec, place, text) for text, place in preset_choices(rows, spec)]
    return found


def start_with(context: Context, selection: Selection, task_id: str, place: int) -> Exchange:
    """Asks a question of the exam as a person would: without saying whose it is, where that can be found out.

    Raises:
        gr.Error, RunError: as `build_exchange`; the question is gone.
    """
    specs = specs_of(context, selection)
    spec = next((spec for spec in specs if spec.task_id == task_id), None)
    rows = exam_rows(context, selection, spec) if spec else []
    if spec is None or not 0 <= place < len(rows):
        raise RunError("serving.empty_message")
    is_found = len(specs) > 1 and len(spec.inputs) == 1
    asking = Asking(AUTO if is_found else spec.name, (TUNED,), read_settings([None] * NUM_SETTINGS), False)
    return build_exchange(context, selection, asking, [input_text(rows[place].get(name)) for name in spec.inputs])


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
    unready = None if kind == BASE else find_unready(run_dir, task)
    if found is None or kind == TASK:
        return Side(kind, run_dir.name, name, task, unready=unready)
    blend = _known_blend(context, chosen, kind, found)
    return Side(kind, run_dir.name, name, task, found.probability, blend, unready)


def find_unready(run_dir: Path, task: str) -> tuple[Sentence, Sentence] | None:
    """The verdict on a task of a run and its reason, where it should not be relied on; None also before an exam."""
    results = RunFolder(run_dir).results_path
    return _unready(run_dir, results.stat().st_mtime_ns).get(task) if results.is_file() else None


@lru_cache(maxsize=8)
def _unready(run_dir: Path, _: int) -> dict[str, tuple[Sentence, Sentence]]:
    """By task. The verdicts are drawn from all exam answers, so they are kept until there is another exam."""
    found = [one for one in read_verdicts(run_dir) if one.verdict in (NOT_YET, BROKEN)]
    return {one.task: (Sentence(f"verdict.{one.verdict}"), one.reason) for one in found}


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


def exam_rows(
    context: Context, selection: Selection, spec: TaskSpec, most: int = MOST_EXAMPLES
) -> list[dict[str, Any]]:
    """The first rows of the task's final exam, which the model has not seen in training; none when the task was
    removed."""
    project = context.project(selection)
    if project is None or spec.task_id not in [known.task_id for known in list_tasks(project)]:
        return []
    return [row for _, row in islice(read_rows(task_dir(project, spec.task_id), "test"), most)]


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
    project = context.project(selection)
    return exam_answer(project, spec, content) if project else ""


def read_settings(values: list[Any]) -> dict[str, Any]:
    """The settings of a request from the fields, an empty one standing for its default."""
    temperature, top_p, longest, seed, refine, precision, free = values[:NUM_SETTINGS]
    return {
        "temperature": float(temperature or 0),
        "top_p": float(top_p or 1),
        "seed": int(seed or 0),
        "max_new_tokens": int(longest) if longest else None,
        "refine": int(refine or 0),
        "precision": str(precision or PRECISIONS[0]),
        "answers": FREE if free else LABELS,
    }

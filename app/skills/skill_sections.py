"""The sections below the skill heatmap: one task over all layers, common against private, who resembles whom, how
it came about over the training, and how another run did it. Each is a plot with a sentence in words."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.figures import lean_heatmap, share_bars, to_json, with_csv
from app.drawing.markup import note, paragraphs, part
from app.drawing.skill_figures import curves_over_steps, layers_heatmap, part_bars, short_layer, similarity_tree
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.selection import Selection
from app.texts import say, word_sentence
from app.texts.words import Key
from core.insight.allocation import (
    COMMON,
    Allocation,
    cluster_order,
    read_allocation,
    task_similarity,
    task_tree,
    uniform_weight,
)
from core.insight.allocation_cuts import difference_of_runs, task_by_layer
from core.insight.history import read_history
from core.insight.sharing import (
    Contributions,
    describe_share,
    describe_similarity,
    layer_share,
    output_share,
    read_contributions,
)
from core.messages import Sentence
from core.runs.summaries import list_summaries

ALLOCATION, WEIGHTS = "allocation", "weight_deltas"
MOVED = 0.02  # a change of sharpness or of a weight below this is called none
QUIET = {"show_progress": "hidden", "trigger_mode": "always_last"}


def build_sections(context: Context) -> None:
    with gr.Row():
        with gr.Column(min_width=340):
            share = [gr.HTML(elem_id="skills-share-says"), plot("skills-share")]
            measure = JobPanel(context, JobSpec("measure", measure_words, run_place), [], "skills.measure")
        with gr.Column(min_width=340):
            said = gr.HTML()
            kinds = [(Key(f"skills.near_{kind}"), kind) for kind in (ALLOCATION, WEIGHTS)]
            given = {"label": Key("skills.near_by"), "choices": kinds, "value": ALLOCATION}
            kind = context.words(gr.Radio, **given, elem_id="skills-near")
            near = [said, plot("skills-similarity")]
    context.on_selection(draw_share, [*share, measure.start])
    context.on_selection(draw_near, near, [kind])
    context.on(kind.input, draw_near, [context.selection, kind], near, **QUIET)
    _build_task(context)
    _build_time(context)


def _build_task(context: Context) -> None:
    """One task, layer by layer."""
    head = gr.HTML()
    with gr.Row():
        label = Key("skills.pick_task")
        task = context.words(gr.Dropdown, label=label, choices=[], elem_id="skills-task", min_width=220)
    layers, parts = [plot("skills-layers"), gr.HTML()], plot("skills-parts")
    context.on_selection(draw_task_choice, [head, task], [task])
    context.on_selection(draw_task, [*layers, parts], [task])
    context.on(task.change, draw_task, [context.selection, task], [*layers, parts], **QUIET)


def _build_time(context: Context) -> None:
    head = gr.HTML(elem_id="skills-time-says")
    with gr.Row():
        with gr.Column(min_width=340):
            sharp = plot("skills-sharpness")
        with gr.Column(min_width=340):
            effective = plot("skills-effective")
    context.on_selection(draw_time, [head, sharp, effective])


def build_other(context: Context) -> None:
    label, hint = Key("skills.other"), Key("skills.other_help")
    other = context.words(gr.Dropdown, label=label, info=hint, choices=[], value=None, elem_id="skills-other")
    drawn = [gr.HTML(), plot("skills-difference")]
    context.on_selection(draw_others, [other, *drawn])
    context.on(other.input, draw_other, [context.selection, other], drawn)


def measure_words(context: Context, selection: Selection) -> list[str]:
    return ["skills", context.trained_run(selection).name, "--measure"]  # type: ignore[union-attr]


def find_allocation(context: Context, selection: Selection) -> Allocation | None:
    """The allocation of the chosen run, None while it has none."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not (run_dir / "allocation.json").is_file():
        return None
    return read_allocation(run_dir)


def find_contributions(context: Context, selection: Selection) -> Contributions | None:
    run_dir = context.run_dir(selection)
    return read_contributions(run_dir) if run_dir is not None else None


def word_all(sentences: list[Sentence]) -> str:
    return paragraphs(word_sentence(s.key, s.values) for s in sentences)


def draw_share(context: Context, selection: Selection) -> list[Any]:
    """Measured shares; for a run that was never measured a button instead."""
    allocation = find_allocation(context, selection)
    found = find_contributions(context, selection)
    both = allocation is not None and {s.kind for s in allocation.skills} == {"common", "private"}
    if allocation is None or not both:
        return ["", "", gr.update(visible=False)]
    head = part(say("skills.share_title"))
    share = output_share(found) if found else None
    if share is None:
        return [head + note(say("skills.share_missing")), "", gr.update(visible=True)]
    share = share.loc[cluster_order(task_similarity(allocation, centred=True))]
    said = head + note(say("skills.share_note")) + word_all(describe_share(share))
    figure = with_csv(share_bars(share), "common-private", share, say("word.task"))
    return [said, to_json(figure), gr.update(visible=False)]


def draw_near(context: Context, selection: Selection, kind: str) -> list[str]:
    """Similarity of tasks with its tree, by the use of common skills or by what they add to the weights."""
    allocation = find_allocation(context, selection)
    if allocation is None or len(allocation.tasks) < 2:
        return ["", ""]
    head = part(say("skills.near_title")) + note(say(f"skills.near_note_{kind}"))
    if kind == WEIGHTS:
        found = find_contributions(context, selection)
        similarity = found.similarity if found else None
        if similarity is None:
            return [head + note(say("skills.near_missing")), ""]
    else:
        similarity = task_similarity(allocation)
    key = "says.near_weights" if kind == WEIGHTS else "says.near_allocation"
    tree = task_tree(similarity) if len(similarity) > 2 else None
    figure = similarity_tree(similarity, tree)
    shown = with_csv(figure, f"similarity-{kind}", similarity, say("word.task"))
    return [head + word_all(describe_similarity(similarity, key)), to_json(shown)]


def draw_task_choice(context: Context, selection: Selection, task: str | None) -> list[Any]:
    allocation = find_allocation(context, selection)
    if allocation is None:
        return ["", gr.skip()]
    names = list(allocation.tasks)
    head = part(say("skills.layers_title")) + note(say("skills.layers_note"))
    return [head, gr.update(choices=names, value=task if task in names else names[0])]


def draw_task(context: Context, selection: Selection, task: str | None) -> list[str]:
    """-> weights by layer, sentence, sizes of the parts by layer."""
    allocation = find_allocation(context, selection)
    if allocation is None or task not in allocation.tasks:
        return ["", "", ""]
    profile = task_by_layer(allocation, str(task))
    figure = layers_heatmap(profile, uniform_weight(allocation))
    found = find_contributions(context, selection)
    parts = layer_share(found, str(task)) if found and task in found.tasks else None
    drawn = with_csv(part_bars(parts), f"parts-{task}", parts, "layer") if parts is not None else None
    said = word_all(describe_profile(profile, str(task), allocation))
    if drawn is not None:
        said += part(say("skills.parts_title")) + note(say("skills.parts_note"))
    return [to_json(with_csv(figure, f"layers-{task}", profile, "layer")), said, to_json(drawn)]


def describe_profile(profile: pd.DataFrame, task: str, allocation: Allocation) -> list[Sentence]:
    """Where the task leans most on one of the common skills."""
    common = [allocation.skills[i].name for i in allocation.columns(COMMON)]
    shown = profile[[name for name in profile.columns if name in common]]
    if shown.shape[1] < 2:
        return []
    layer, skill = shown.stack().idxmax()
    weight = f"{shown.loc[layer, skill]:.2f}"
    values = {"task": task, "skill": skill, "layer": short_layer(str(layer)), "weight": weight}
    return [Sentence("says.layer_most", values)]


def draw_time(context: Context, selection: Selection) -> list[str]:
    """-> sentences, sharpness and usage, effective skills of every task."""
    run_dir = context.run_dir(selection)
    curves = read_history(run_dir).curves if run_dir is not None else pd.DataFrame()
    if len(curves) < 2:
        return ["", "", ""]
    names = {name: say(f"skills.{name}") for name in ("sharpness", "usage")}
    tasks = [name for name in curves.columns if name not in ("step", "stage", "sharpness", "usage")]
    allocation = find_allocation(context, selection)
    skills = len(allocation.columns(COMMON)) if allocation else None
    first = curves_over_steps(curves, list(names), names, (0, 1.02))
    second = curves_over_steps(curves, tasks, {}, (0.9, float(skills) + 0.1 if skills else None))
    head = part(say("skills.time_title")) + note(say("skills.time_note"))
    table = curves.set_index("step")
    return [
        head + word_all(describe_time(curves, tasks, skills or 0)),
        to_json(with_csv(first, "sharpness", table[["stage", *names]], "step")),
        to_json(with_csv(second, "effective-skills", table[["stage", *tasks]], "step")),
    ]


def describe_time(curves: pd.DataFrame, tasks: list[str], num_skills: int) -> list[Sentence]:
    start, end = float(curves["sharpness"].iloc[0]), float(curves["sharpness"].iloc[-1])
    key = "says.unmoved" if abs(end - start) < MOVED else "says.sharper" if end > start else "says.evener"
    values = {"first": int(curves["step"].iloc[0]), "start": f"{start:.2f}", "end": f"{end:.2f}"}
    told = [Sentence(key, values)]
    last = curves[tasks].iloc[-1]
    if len(tasks) > 1 and last.max() - last.min() >= MOVED:
        ends = {"task": str(last.idxmax()), "most": f"{last.max():.1f}", "least": f"{last.min():.1f}"}
        told.append(Sentence("says.most_skills", {**ends, "other": str(last.idxmin()), "k": num_skills}))
    return told


def draw_others(context: Context, selection: Selection) -> list[Any]:
    """-> runs to compare with (none: no field), and nothing drawn yet."""
    project = context.project(selection)
    runs = list_summaries(project) if project and find_allocation(context, selection) else []
    choices = [
        (run.name, run.run_id)
        for run in runs
        if run.run_id != selection.run_id and (project.runs_dir / run.run_id / "allocation.json").is_file()  # type: ignore[union-attr]
    ]
    return [gr.update(choices=choices, value=None, visible=bool(choices)), "", ""]


def draw_other(context: Context, selection: Selection, other: str | None) -> list[str]:
    """The other run minus the chosen one, on the tasks that both have."""
    mine, theirs = (find_allocation(context, s) for s in (selection, selection.with_run(other or "")))
    if mine is None or theirs is None:
        return ["", ""]
    change = difference_of_runs(mine, theirs)
    largest = change.abs().stack().idxmax()
    value = float(change.loc[largest])
    told = Sentence("says.runs_moved", {"task": largest[0], "skill": largest[1], "change": f"{value:+.2f}"})
    if abs(value) < MOVED:
        told = Sentence("says.runs_same", {"change": f"{abs(value):.2f}"})
    figure = lean_heatmap(change)
    figure["data"][0]["hovertemplate"] = "%{y}, %{x}: %{z:+.3f}<extra></extra>"
    head = part(say("skills.other_title")) + note(say("skills.other_note"))
    figure = with_csv(figure, "difference", change, say("word.task"))
    return [head + word_all([told]), to_json(figure)]

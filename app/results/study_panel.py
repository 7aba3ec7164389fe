"""Comparison studies: choose methods, seeds and shares of the rows, start, follow, and read the table and the
curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.durations import word_count, word_score, word_seconds
from app.drawing.figures import to_json, with_csv
from app.drawing.markup import esc, note, paragraphs, part, table
from app.drawing.skill_figures import banded_curves
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec
from app.shell.outcomes import file_view
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder
from app.texts import say, say_or, word_error
from app.texts.words import Key, Words
from core.base.errors import RunError
from core.insight.study import (
    PARAMETERS,
    PART_ARMS,
    RANK,
    STANDARD_ARMS,
    Arm,
    Study,
    find_study,
    list_studies,
    read_study,
)
from core.insight.study_peft import zip_peft_records
from core.insight.study_tables import against_reference, study_frame, summarise_study
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.summaries import list_summaries, own_runs

SHARES = (0.1, 0.2, 0.5, 1.0)
DEFAULT_ARMS = ("C-Poly", "Poly", "shared LoRA", "private LoRA")
FAIRNESS = (RANK, PARAMETERS)
KIND = "study"


def _choices(arms: tuple[Arm, ...]) -> list[tuple[Key, str]]:
    return [(Key(f"arm.{arm.label}"), arm.label) for arm in arms]


def project_place(context: Context, selection: Selection) -> Path | None:
    project = context.project(selection)
    return project.path if project else None


def study_words(context: Context, selection: Selection, *chosen: Any) -> list[str]:
    """The command that the job runs; settings are those of the chosen run."""
    name, arms, parts, seeds, shares, fairness = chosen
    known = {arm.label: arm for arm in (*STANDARD_ARMS, *PART_ARMS)}
    texts = [
        f"{a.label}: {a.method} {' '.join(a.assignments)}".strip() for a in map(known.get, [*arms, *parts]) if a
    ]
    words = [KIND, context.require_project(selection).project_id, f"--name={name or 'Study'}", f"--fair={fairness}"]
    words += [f"--arm={text}" for text in texts] + [f"--seeds={int(seeds)}"]
    words += [f"--share={share}" for share in sorted(shares)]
    run_dir = context.run_dir(selection)
    return words + ([f"--config={RunFolder(run_dir).config_path}"] if run_dir else [])


def draw_count(context: Context, selection: Selection, *chosen: Any) -> str:
    """How many runs that makes, how long the last one took, and so about how long all take at most."""
    _, arms, parts, seeds, shares, _ = chosen
    runs = (len(arms) + len(parts)) * int(seeds or 0) * len(shares)
    project = context.project(selection)
    summaries = list_summaries(project) if project else []
    ended = [run for run in summaries if run.state == "succeeded" and run.ended and run.started]
    ended = [run for run in ended if float(run.started or 0) >= (run.created or 0)]  # not those grown from others
    ended = own_runs(ended)  # nor parts of studies, which may have had fewer rows
    if not ended:
        return note(say("study.count_unknown", runs=runs))
    took = float(ended[0].ended) - float(ended[0].started)  # type: ignore[arg-type]
    one, whole = (word_seconds(seconds) for seconds in (took, took * runs))
    return note(say("study.count", runs=runs, time=one, whole=whole))


class StudyPanel:
    def __init__(self, context: Context) -> None:
        quiet = {"show_progress": "hidden"}
        with context.words(gr.Accordion, label=Key("study.title"), open=False, elem_id="results-study"):
            about = gr.HTML()
            context.on_selection(lambda _, selection: note(say("study.note")), about)
            fields = self._build_fields(context.words)
            self.count = gr.HTML(elem_id="study-count")
            JobPanel(context, JobSpec(KIND, study_words, project_place), fields, "study.start", "primary")
            self.outcome, self.curve = gr.HTML(elem_id="study-outcome"), plot("study-curve")
            self._build_file(context)
        shown = [self.outcome, self.curve, self.peft, self.file]
        context.on_selection(draw_count, self.count, fields)
        context.on_selection(self.draw, [self.name, *shown], [self.name])
        for field in fields:
            context.on(field.change, draw_count, [context.selection, *fields], self.count, **quiet)
        context.on(self.name.change, self.draw_outcome, [context.selection, self.name], shown, **quiet)

    def _build_file(self, context: Context) -> None:
        """The runs in PEFT's form, made on a click."""
        with gr.Row():
            given = {"elem_id": "study-peft", "min_width": 200, "scale": 1, "visible": False}
            self.peft = context.words(gr.Button, Key("study.peft"), **given)
            given = {"visible": False, "interactive": False, "scale": 3, "elem_id": "study-peft-file"}
            self.file = context.words(gr.File, label=Key("study.peft_file"), **given)
        context.on(self.peft.click, make_peft_file, [context.selection, self.name], self.file)

    def _build_fields(self, words: Words) -> list[Any]:
        """-> name, methods, parts of methods, seeds, shares, what is equal."""
        with gr.Row():
            given = {"label": Key("study.name"), "info": Key("study.name_help"), "allow_custom_value": True}
            given |= {"choices": ["Study"], "value": "Study", "min_width": 180}
            self.name = words(gr.Dropdown, **given, elem_id="study-name")
            given = {"label": Key("study.seeds"), "minimum": 1, "maximum": 10, "step": 1, "value": 3}
            seeds = words(gr.Slider, **given, elem_id="study-seeds", min_width=180)
            fair = [(Key(f"study.{kind}"), kind) for kind in FAIRNESS]
            given = {"label": Key("study.fair"), "choices": fair, "value": FAIRNESS[0]}
            fairness = words(gr.Radio, **given, elem_id="study-fair", min_width=220)
        given = {"label": Key("study.arms"), "choices": _choices(STANDARD_ARMS), "value": list(DEFAULT_ARMS)}
        arms = words(gr.CheckboxGroup, **given, elem_id="study-arms")
        given = {"label": Key("study.parts"), "info": Key("study.parts_help"), "value": []}
        parts = words(gr.CheckboxGroup, choices=_choices(PART_ARMS), **given, elem_id="study-parts")
        listed = [(f"{share:.0%}", share) for share in SHARES]
        given = {"label": Key("study.shares"), "choices": listed, "value": [1.0]}
        shares = words(gr.CheckboxGroup, **given, elem_id="study-shares")
        return [self.name, arms, parts, seeds, shares, fairness]

    def draw(self, context: Context, selection: Selection, name: str | None) -> Shown:
        """The project's studies, and the chosen one."""
        known, chosen = _studies(context, selection, name)
        names = gr.update(choices=list(dict.fromkeys([*known, "Study"])), value=chosen)
        return {self.name: names, **self.draw_outcome(context, selection, chosen)}

    def draw_outcome(self, context: Context, selection: Selection, name: str | None) -> Shown:
        """The table in words and numbers, the curve over shares of the rows; a file made before is put away."""
        hidden: Shown = {self.peft: gr.update(visible=False), self.file: gr.update(value=None, visible=False)}
        project, (known, chosen) = context.project(selection), _studies(context, selection, name)
        folder = find_study(project, chosen) if project and chosen in known else None
        if project is None or folder is None:
            return {self.outcome: "", self.curve: "", **hidden}
        study = read_study(folder)
        try:
            frame = study_frame(project, study)
        except RunError:
            return {self.outcome: note(say("study.none")), self.curve: "", **hidden}
        view = {self.outcome: study_view(study, frame), self.curve: draw_curve(summarise_study(frame))}
        return view | {self.peft: gr.update(visible=True)}


def make_peft_file(context: Context, selection: Selection, name: str) -> Any:
    """One archive of the study's runs, as `study --peft` writes them."""
    project, (known, chosen) = context.require_project(selection), _studies(context, selection, name)
    folder = find_study(project, chosen) if chosen in known else None
    if folder is None:
        return gr.update(value=None, visible=False)
    target = new_export_folder(folder.name) / "peft_method_comparison.zip"
    target.write_bytes(zip_peft_records(project, read_study(folder)))
    return file_view(str(target))


def _studies(context: Context, selection: Selection, name: str | None) -> tuple[list[str], str]:
    """The project's studies, and the one to show: that of this name where there is one, else the newest."""
    project = context.project(selection)
    known = list_studies(project) if project else []
    return known, name if name in known else known[0] if known else name or "Study"


def study_view(study: Study, frame: pd.DataFrame) -> str:
    summary, reference = summarise_study(frame), study.arms[0].label
    done = frame[["arm", "share", "seed"]].drop_duplicates()
    progress = say("study.done", done=int((done["arm"] != "base model").sum()), all=len(study.cells))
    said = [word_error(s.key, s.values)[0] for s in describe_study(frame, summary, reference)]
    head = part(f"{study.name}: {say('study.table')}") + note(progress) + paragraphs(said)
    return head + summary_table(summary) + _curve_title(study.shares)


def describe_study(frame: pd.DataFrame, summary: pd.DataFrame, reference: str) -> list[Sentence]:
    """The best method, and which differences to the first one are larger than chance, at the largest share."""
    share = summary["share"].max()
    best = summary[summary["share"] == share].iloc[0]
    first = word_arm(str(best["arm"]))
    told = [Sentence("says.study_best", {"arm": first, "mean": f"{100 * best['mean']:.1f}"})]
    gaps = against_reference(frame, reference)
    if gaps.empty:
        return told
    for gap in gaps[gaps["share"] == share].itertuples():
        values = {"arm": word_arm(str(gap.arm)), "reference": word_arm(reference)}
        if gap.sure:
            direction = say("study.below" if gap.difference > 0 else "study.above")
            values |= {"points": f"{abs(100 * gap.difference):.1f}", "direction": direction}
            told.append(Sentence("says.study_sure", values))
        else:
            told.append(Sentence("says.study_unsure", {**values, "seeds": gap.pairs}))
    return told


def summary_table(summary: pd.DataFrame) -> str:
    names = ("arm", "share", "mean", "range", "rankmean", "parameters_column", "seconds")
    rows = [
        [
            f"<b>{esc(word_arm(str(r.arm)))}</b>",
            f"{r.share:.0%}",
            word_score(r.mean),
            "–" if r.low != r.low else f"[{word_score(r.low)}, {word_score(r.high)}]",
            "–" if r.rank != r.rank else f"{r.rank:.1f}",
            word_count(int(r.parameters)),
            "–" if r.seconds != r.seconds else word_seconds(r.seconds),
        ]
        for r in summary.itertuples()
    ]
    return table([say(f"study.{name}") for name in names], rows, numeric=range(1, 7))


def draw_curve(summary: pd.DataFrame) -> str:
    """Mean over the tasks by share of the practice rows, one line a method, its interval over seeds as a band."""
    if summary["share"].nunique() < 2:
        return ""
    shown = summary[summary["arm"] != "base model"].rename(columns={"share": "x"})
    curves = {word_arm(str(arm)): rows.sort_values("x") for arm, rows in shown.groupby("arm", sort=False)}
    figure = banded_curves(curves, say("study.axis"), percent=True)
    return to_json(with_csv(figure, "study", summary.set_index("arm"), "arm"))


def word_arm(label: str) -> str:
    """A standard method of a study in words; one that a person named keeps its name."""
    return say_or(f"arm.{label}", label)


def _curve_title(shares: tuple[float, ...]) -> str:
    return part(say("study.curve")) if len(shares) > 1 else ""

"""The exam asked in each wording of a task: how far the scores lie apart, as sentences and a small table."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.drawing.durations import asking_time
from app.drawing.markup import esc, note, paragraphs, table
from app.drawing.run_markup import score_cell
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_sentence
from app.texts.words import Key
from core.insight.expecting import expect_wordings
from core.insight.wordings import KIND, ROWS, TaskWordings, Wording, describe_wordings, read_wordings, wordings_of
from core.runs.folder import RunFolder
from core.tasks.dataset import SAVED_TASKS
from core.tasks.spec import TaskSpec

SHOWN = 160  # characters of a template


class WordingsPanel:
    """A button only for runs with a task of several wordings; otherwise how a task gets more of them."""

    def __init__(self, context: Context) -> None:
        words = context.words
        with words(gr.Accordion, label=Key("wordings.title"), open=False, elem_id="results-wordings"):
            self.about = gr.HTML(elem_id="wordings-about")
            with gr.Column(visible=False) as self.box:
                JobPanel(context, JobSpec(KIND, wordings_words, run_place), [], "wordings.start")
            self.outcome = gr.HTML(elem_id="wordings-outcome")
        context.on_selection(self.draw, [self.about, self.box, self.outcome])

    def draw(self, context: Context, selection: Selection) -> Shown:
        run_dir = context.trained_run(selection)
        specs = kept_tasks(run_dir)
        several = any(len(wordings_of(spec)) > 1 for spec in specs)
        said = say("wordings.note", rows=ROWS)
        if run_dir is not None and several:
            said += asking_time(expect_wordings(run_dir, ROWS))
        shown = outcome_view(specs, read_wordings(run_dir)) if run_dir is not None else ""
        return {self.about: note(said), self.box: gr.update(visible=several), self.outcome: shown}


def kept_tasks(run_dir: Path | None) -> tuple[TaskSpec, ...]:
    """The tasks of a run with their wordings; () where the run keeps none."""
    if run_dir is None or not (RunFolder(run_dir).data_dir / SAVED_TASKS).is_file():
        return ()
    return RunFolder(run_dir).read_tasks()


def wordings_words(context: Context, selection: Selection) -> list[str]:
    """The command that the job runs."""
    run_dir = context.trained_run(selection)
    return ["wordings", run_dir.name, "--again", f"--rows={ROWS}"]  # type: ignore[union-attr]


def outcome_view(specs: tuple[TaskSpec, ...], found: dict[str, TaskWordings]) -> str:
    """What can be said, then every wording of the tasks that were asked."""
    said = [word_sentence(s.key, s.values) for s in describe_wordings(specs, found)]
    rows = [
        _cells(found[spec.name].task, wording)
        for spec in specs
        if spec.name in found
        for wording in found[spec.name].wordings
    ]
    heads = [say(f"wordings.{name}") for name in ("task", "number", "score", "change", "template")]
    return paragraphs(said) + (table(heads, rows, numeric=(1, 2, 3)) if rows else "")


def _cells(task: str, wording: Wording) -> list[str]:
    text = " / ".join(line for line in wording.template.split("\n") if line.strip())
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]} …"
    score = score_cell(wording.score.as_dict() if wording.score else None)
    return [f"<b>{esc(task)}</b>", str(wording.number), score, esc(_change(wording)), esc(shown)]


def _change(wording: Wording) -> str:
    """Against the usual wording; a star where it is more than chance."""
    if wording.number == 1:
        return say("wordings.usual")
    if wording.change is None:
        return "–"
    return f"{100 * wording.change.value:+.1f}{'*' if wording.is_sure else ''}"

"""A trained run answers its exam in every wording of a task (several instructions for one task, as in EMMA,
arXiv 2311.04067). Needs torch; `core.insight.wordings` reads the outcome.

The kept exam rows know where the texts of their columns stand, so each is written anew by another template of its
task and answered as in the exam: by the likelihood of the labels where the exam was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.asking.probe_model import Rounds
from core.asking.trained import load_trained, require_adapter
from core.base.errors import require_between
from core.base.files import write_json_atomic
from core.evaluation.exam import TUNED, Examiner, exam_rows
from core.evaluation.intervals import holm
from core.evaluation.metrics import compare, score
from core.insight.probe_table import MAX_ROWS
from core.insight.wordings import KIND, TaskWordings, Wording, read_wordings, wordings_of, wordings_path
from core.runs.folder import RunFolder
from core.tasks.dataset import Example, TaskDataset, load_saved_dataset, render_prompt
from core.tasks.prompt import Prompt
from core.tasks.spec import TaskSpec
from core.tasks.templates import INSTRUCTION, placeholders
from core.training.examining import exam_settings

OnProgress = Callable[[int, int], None]  # (rounds of questions so far, rounds in all)


def ask_wordings(run_dir: Path, tasks: Sequence[str], rows: int, on_progress: OnProgress) -> None:
    """Asks the exam of these tasks, each of several wordings, in all of them, and adds the outcomes to
    <run>/probes/wordings.json. What was answered before an interruption is not asked again.

    Raises:
        RunError: no trained adapter. SettingError: a wild number of rows. ModelError: it cannot be loaded.
    """
    require_between("rows", rows, 1, MAX_ROWS)
    folder = RunFolder(run_dir)
    require_adapter(folder)
    asking = Asking(folder, rows)
    path = wordings_path(run_dir)
    path.parent.mkdir(exist_ok=True)
    trained = folder.weights_path.stat().st_mtime_ns
    rules = {"kind": KIND, "rows": rows, "tasks": list(tasks), "trained": trained, "labels": asking.only_labels}
    rounds = Rounds(path.with_suffix(".part"), rules, on_progress)
    places = [asking.dataset.names().index(task) for task in tasks]
    rounds.total = sum(map(asking.count, places))
    found = read_wordings(run_dir) | {one.task: one for one in (asking.ask(place, rounds) for place in places)}
    write_json_atomic(path, [asdict(one) for one in found.values()])
    rounds.discard()


class Asking:
    """A loaded run that answers the rows of its exam in other wordings."""

    def __init__(self, folder: RunFolder, rows: int) -> None:
        trained = load_trained(folder)
        trained.model.eval()
        self.folder, self.seed = folder, trained.config.seed
        self.dataset: TaskDataset = load_saved_dataset(folder.data_dir)
        settings = replace(exam_settings(trained.config), max_rows=rows)
        # An exam may have been sat again under another rule than the settings name.
        self.only_labels = bool((folder.read_results() or {}).get("only_labels", settings.only_labels))
        self.examiner = Examiner(trained.base, trained.model, replace(settings, only_labels=self.only_labels))

    def count(self, task: int) -> int:
        """In how many wordings this task can be asked."""
        spec, rows = self.dataset.tasks[task], self._rows(task)
        return sum(not missing_column(spec, rows, template) for template in wordings_of(spec)) if rows else 0

    def ask(self, task: int, rounds: Rounds) -> TaskWordings:
        """The scores of one task, the usual wording first."""
        spec, rows = self.dataset.tasks[task], self._rows(task)
        targets, usual = [row.target for row in rows], list[str]()
        wordings: list[Wording] = []
        for number, template in enumerate(wordings_of(spec), 1):
            lacks = missing_column(spec, rows, template)
            if lacks or not rows:
                wordings.append(Wording(number, template, lacks=lacks))
                continue
            prompts = [reword(spec, row, template) for row in rows]
            given = rounds.after(f"{task} {template}", partial(self._answers, task, prompts))
            usual = usual or given
            found = score(spec.metric, given, targets, self.seed)
            change = compare(spec.metric, usual, given, targets, self.seed) if number > 1 else None
            wordings.append(Wording(number, template, found, change))
        return TaskWordings(
            spec.name, spec.metric, len(rows), len(self.dataset.split(task, "test")), corrected(wordings)
        )

    def _rows(self, task: int) -> list[Example]:
        """Exam rows; of the last exam's own, where there was one, so that the usual wording is what it asked."""
        settings = self.examiner.settings
        answered = len(self.folder.read_predictions(task)) or settings.max_rows
        most = min(settings.max_rows or 0, answered or 0)
        return [example for _, example in exam_rows(self.dataset, task, replace(settings, max_rows=most))]

    def _answers(self, task: int, prompts: Sequence[str]) -> list[str]:
        found = [""] * len(prompts)
        for places, texts in self.examiner.answer_all(self.dataset, task, prompts, TUNED):
            for place, text in zip(places, texts, strict=True):
                found[place] = text
        return found


def reword(spec: TaskSpec, row: Example, template: str) -> Prompt:
    """A kept row in another wording of its task; in the usual one it is as it was kept."""
    if template == spec.template:
        return Prompt(row.prompt, row.values)
    return render_prompt(spec, row_of(row), template)


def row_of(row: Example) -> dict[str, Any]:
    """The columns that a kept prompt shows; of one that it shows twice, the longer text (its ends may be cut)."""
    found: dict[str, Any] = {}
    for name, begin, end in row.values:
        found[name] = max(found.get(name, ""), row.prompt[begin:end], key=len)
    return found


def corrected(wordings: Sequence[Wording]) -> tuple[Wording, ...]:
    """The p-values of the changes, corrected for their number."""
    left = iter(holm([wording.change.p for wording in wordings if wording.change is not None]))
    return tuple(replace(w, p_adjusted=next(left)) if w.change is not None else w for w in wordings)


def missing_column(spec: TaskSpec, rows: Sequence[Example], template: str) -> str:
    """A column that this wording names and no kept row holds; '' when there is none."""
    if template == spec.template or not rows:
        return ""
    own = INSTRUCTION in spec.columns and f"{{{INSTRUCTION}}}" in template
    named = [*placeholders(template), *([INSTRUCTION] if own else [])]
    held = {name for row in rows for name, _, _ in row.values}
    return next((name for name in named if name not in held), "")

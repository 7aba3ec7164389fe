"""Rows without an answer that a run doubts most, and what a person says to its proposals. Torch-free; made by
`core.asking.annotate_model`.

<project>/annotation/<task id>.json holds the queue of a task and goes with it. An accepted or corrected row
becomes a practice row whose origin names the run; that is a version of the task, which can be undone. A new queue
takes the place of the old one, so a row is known by its queue and its number there: what somebody saw of the old
queue is never said of a row of the new one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.base.errors import Problem, RunError
from core.base.files import write_json_atomic
from core.base.records import read_record
from core.tasks.cell_text import input_text
from core.tasks.changing.editing import Correction
from core.tasks.changing.in_child import add_correction_in_child
from core.tasks.changing.label_check import known_answer
from core.tasks.spec import SPLITS
from core.tasks.store import annotation_path, get_task, read_rows, task_dir
from core.workspace import Project

OPEN, ACCEPTED, CORRECTED, SKIPPED = "open", "accepted", "corrected", "skipped"
BUDGET, MOST = 20, 2000  # rows of a queue: by default, and at most
_BLANKS = re.compile(r"(?<=\S)\s+")  # within a line, not in front of it
ASKED, POOL = 1000, 50_000  # rows of a file that are asked by default, and that it may hold


@dataclass(frozen=True)
class Candidate:
    """One row of the pool: its `number` in the queue (1 is asked first), its line in the file, what the run would
    answer, how likely that is to it, and how far it hangs on single skills (0..1; None: the method has no skills
    that could be left out). `given` is the answer of the person. `is_cut`: the run read it without a part."""

    number: int
    line: int
    inputs: dict[str, str]
    answer: str
    confidence: float
    disagreement: float | None
    state: str = OPEN
    given: str = ""
    is_cut: bool = False


@dataclass(frozen=True)
class Queue:
    """What to annotate next for a task: the run that proposes, the file, how reasons were combined, how many rows
    of the file were asked, and how many were left out because the task holds them already. `is_checked`: the
    confidences were fitted on check rows, whose right answers are known. `answered`: rows of the file that hold an
    answer already, which is not read. `notes`: what else was left out or shortened. Older files tell none of it."""

    run_id: str
    file: str
    way: str
    asked: int
    known: int
    candidates: tuple[Candidate, ...]
    is_checked: bool = False
    answered: int = 0
    notes: tuple[Problem, ...] = ()

    @property
    def queue_id(self) -> str:
        """Of the run, the file, the rows and what is proposed to them: another one for every ranking that shows a
        person anything else under a number."""
        rows = [[one.line, one.inputs, one.answer] for one in self.candidates]
        told = json.dumps([self.run_id, self.file, rows], ensure_ascii=True)
        return hashlib.sha256(told.encode("ascii")).hexdigest()[:16]

    @property
    def open(self) -> list[Candidate]:
        return [one for one in self.candidates if one.state == OPEN]


@dataclass(frozen=True)
class RowId:
    """A row that a person saw: the `Queue.queue_id` it stood in, and its number there."""

    queue_id: str
    number: int


@dataclass(frozen=True)
class Settled:
    """The queue after an answer, and what that changed in the task; None for a row that was skipped."""

    queue: Queue
    correction: Correction | None


def queue_path(project: Project, name: str) -> Path:
    """Where a task's queue stands."""
    return annotation_path(project, get_task(project, name).task_id)


def read_queue(project: Project, name: str) -> Queue | None:
    """None where nothing was ranked for the task yet.

    Raises:
        WorkspaceError: no such task; the file is damaged.
    """
    path = queue_path(project, name)
    return read_record(Queue, path) if path.is_file() else None


def write_queue(project: Project, name: str, queue: Queue) -> None:
    path = queue_path(project, name)
    path.parent.mkdir(exist_ok=True)
    write_json_atomic(path, asdict(queue))


def known_questions(project: Project, name: str) -> set[tuple[str, ...]]:
    """What a task asks in all its splits; a row of the exam must not come into practice by another file."""
    spec = get_task(project, name)
    folder = task_dir(project, spec.task_id)
    rows = (row for split in SPLITS for _, row in read_rows(folder, split))
    return {question_key([row.get(column) for column in spec.inputs]) for row in rows}


def question_key(inputs: Sequence[object]) -> tuple[str, ...]:
    """Blanks at the ends of a text and of its lines, and several between words, do not make another question; line
    breaks and indentation do (code, verses, tables)."""
    return tuple(
        "\n".join(_BLANKS.sub(" ", line).rstrip() for line in input_text(value).strip().splitlines())
        for value in inputs
    )


def require_acceptable(project: Project, name: str, row: RowId) -> Candidate:
    """The row whose proposal can be accepted.

    Raises:
        RunError: another queue stands there now, no such row in it, it is settled, or the run answered nothing.
    """
    candidate = _require_open(project, name, row)
    if not candidate.answer:
        raise RunError("annotate.no_proposal", number=row.number)
    return candidate


def require_correctable(
    project: Project, name: str, row: RowId, answer: str, is_new: bool = False
) -> tuple[Candidate, str]:
    """The row, also one that was settled before, and its right answer as the task writes it.

    Raises:
        RunError: another queue stands there now, no such row in it, or no answer. SettingError: the answer is no
        label of the task and nobody said that it is a new one.
    """
    candidate = _find(project, name, row)
    if not answer.strip():
        raise RunError("annotate.no_answer", number=row.number)
    return candidate, known_answer(project, name, answer.strip(), is_new)


def require_skippable(project: Project, name: str, row: RowId) -> Candidate:
    """The row that is open still.

    Raises:
        RunError: another queue stands there now, no such row in it, or it is settled.
    """
    return _require_open(project, name, row)


def accept(project: Project, name: str, row: RowId) -> Settled:
    """The run's own answer becomes the right one of a practice row; raises what `require_acceptable` raises."""
    candidate = require_acceptable(project, name, row)
    return _settle(project, name, row, replace(candidate, state=ACCEPTED, given=candidate.answer))


def correct(project: Project, name: str, row: RowId, answer: str, is_new: bool = False) -> Settled:
    """A person's answer becomes the right one; raises what `require_correctable` raises."""
    candidate, given = require_correctable(project, name, row, answer, is_new)
    state = ACCEPTED if given == candidate.answer else CORRECTED
    return _settle(project, name, row, replace(candidate, state=state, given=given))


def skip(project: Project, name: str, row: RowId) -> Settled:
    """The row is left as it is and not asked about again; raises what `require_skippable` raises."""
    candidate = require_skippable(project, name, row)
    return Settled(_changed(project, name, row, replace(candidate, state=SKIPPED)), None)


def _settle(project: Project, name: str, row: RowId, settled: Candidate) -> Settled:
    origin = f"{settled.state}: {_require_same(project, name, row).run_id}"
    done = add_correction_in_child(project, name, settled.inputs, settled.given, origin)
    return Settled(_changed(project, name, row, settled), done)


def _changed(project: Project, name: str, row: RowId, candidate: Candidate) -> Queue:
    queue = require_queue(project, name)
    if queue.queue_id != row.queue_id:  # ranked anew while the task was written: its rows are others
        return queue
    kept = tuple(candidate if one.number == candidate.number else one for one in queue.candidates)
    changed = replace(queue, candidates=kept)
    write_queue(project, name, changed)
    return changed


def require_queue(project: Project, name: str) -> Queue:
    """Raises:
    RunError: nothing was ranked for the task yet."""
    queue = read_queue(project, name)
    if queue is None:
        raise RunError("annotate.no_queue", task=get_task(project, name).name)
    return queue


def _find(project: Project, name: str, row: RowId) -> Candidate:
    queue = _require_same(project, name, row)
    for candidate in queue.candidates:
        if candidate.number == row.number:
            return candidate
    task, last = get_task(project, name).name, len(queue.candidates)
    raise RunError("annotate.no_row", task=task, number=row.number, last=last)


def _require_same(project: Project, name: str, row: RowId) -> Queue:
    queue = require_queue(project, name)
    if queue.queue_id != row.queue_id:
        raise RunError("annotate.other_queue", task=get_task(project, name).name, number=row.number)
    return queue


def _require_open(project: Project, name: str, row: RowId) -> Candidate:
    candidate = _find(project, name, row)
    if candidate.state != OPEN:
        raise RunError("annotate.settled", number=row.number)
    return candidate

"""Building a task in a hidden folder first; only a complete one is renamed into the project."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from core.base.errors import Problem, TaskFileError, WorkspaceError
from core.base.files import write_json_atomic
from core.base.folders import hidden_beside, remove_leftovers, undone_on_error
from core.evaluation.normalise import plain
from core.tasks.cell_text import input_text
from core.tasks.changing.dealing import SplitRow, deal_table, read_part_files
from core.tasks.changing.describing import TaskRequest, describe_task
from core.tasks.changing.pairing import bare_name
from core.tasks.dataset import has_input, render_target
from core.tasks.guessing.answers import MAX_LABELS
from core.tasks.health.spelling import alike_labels
from core.tasks.reading.readings import Doubt
from core.tasks.reading.shards import read_parts
from core.tasks.reading.split_words import split_of_name
from core.tasks.reading.table import ProblemLog
from core.tasks.spec import SPLITS, TaskSpec, write_spec
from core.tasks.store import PROBLEMS, list_tasks, not_writable, write_doubts, write_rows
from core.workspace import Project, require_label

_SHOWN_CHARS, _SHOWN_LABELS = 60, 8


@dataclass(frozen=True)
class StagedTask:
    """A complete task that is not in the project yet."""

    spec: TaskSpec
    folder: Path
    problems: list[Problem]
    doubts: tuple[Doubt, ...] = ()


def stage_task(
    project: Project, path: Path | str, request: TaskRequest, taken: frozenset[str], folder_name: str = ""
) -> StagedTask:
    """Reads, checks and writes one task into a hidden folder of the project (`folder_name`, else a new one).

    Raises:
        TaskFileError, SettingError, WorkspaceError: nothing is left behind.
    """
    path = Path(path)
    table = read_parts((path, *request.more_paths), request.options, request.file_name or path.name)
    name = require_label(request.name or free_name(stem_of(table.name), taken))
    if name in taken:
        raise WorkspaceError("workspace.task_exists", project=project.name, name=name)
    spec, doubts = describe_task(name, table, path, request)
    log = ProblemLog(table.name, list(table.problems))
    _tell_name(spec, log)
    if request.not_taken:
        log.tell("hub.not_taken", count=len(request.not_taken), names=", ".join(request.not_taken[:_SHOWN_LABELS]))
    rows = deal_table(spec, table, read_part_files(table, spec, request, log), log)
    spec = with_counts(spec, rows, log)
    folder = project.tasks_dir / folder_name if folder_name else hidden_beside(project.tasks_dir / "task")
    try:
        with undone_on_error(lambda: shutil.rmtree(folder, ignore_errors=True)):
            folder.mkdir(parents=True)
            write_task(folder, spec, rows, log.finish())
            write_doubts(folder, doubts)
    except OSError as error:
        raise not_writable(project.tasks_dir, error) from error
    return StagedTask(spec, folder, log.problems, doubts)


def commit_tasks(project: Project, staged: list[StagedTask]) -> list[TaskSpec]:
    """Moves complete tasks into the project: all of them or none."""
    moved: list[Path] = []
    try:
        for task in staged:
            final = project.tasks_dir / task.spec.task_id
            task.folder.replace(final)
            moved.append(final)
    except OSError as error:
        for folder in moved:
            shutil.rmtree(folder, ignore_errors=True)
        discard_tasks(staged)
        raise not_writable(project.tasks_dir, error) from error
    return [task.spec for task in staged]


def discard_tasks(staged: list[StagedTask]) -> None:
    for task in staged:
        shutil.rmtree(task.folder, ignore_errors=True)


def taken_names(project: Project) -> frozenset[str]:
    remove_leftovers(project.tasks_dir)
    return frozenset(spec.name for spec in list_tasks(project))


def stem_of(file_name: str) -> str:
    """'banking77.train.csv.gz' -> 'banking77'; a name for a task that came without one."""
    stem = file_name.lower().removesuffix(".gz")
    stem = file_name[: len(stem)].rpartition(".")[0] or file_name
    for mark in (".train", "_train", "-train"):
        if stem.lower().endswith(mark) and len(stem) > len(mark):
            stem = stem[: -len(mark)]
    return "".join(c for c in stem if c.isprintable()).strip()[:70] or "task"


def free_name(name: str, taken: frozenset[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free = f"{name} {number}"
        number += 1
    return free


def write_task(folder: Path, spec: TaskSpec, rows: list[SplitRow], problems: list[Problem]) -> None:
    for split in SPLITS:
        write_rows(folder / f"{split}.jsonl", ((r.line, r.row) for r in rows if r.split == split))
    write_json_atomic(folder / PROBLEMS, [p.as_dict() for p in problems])
    write_spec(spec, folder)


def with_counts(spec: TaskSpec, rows: list[SplitRow], log: ProblemLog) -> TaskSpec:
    """The spec with its sizes and labels; rows that cannot serve are noted."""
    counts: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    exam: Counter[str] = Counter()
    asked: set[tuple[str, ...]] = set()
    for item in rows:
        answer = render_target(spec, item.row)
        if answer and has_input(spec, item.row):
            counts[item.split] += 1
            seen = exam if item.split == "test" else answers
            # Beyond, they are no labels, and a million different answers would be kept for nothing.
            if len(seen) <= MAX_LABELS:
                seen[answer] += 1
            # Two different ones settle that rows do not all ask the same.
            if len(asked) < 2:
                asked.add(tuple(input_text(item.row.get(name)).strip() for name in spec.inputs))
        else:
            file = _file_of(spec, item.split)
            key = "task.empty_input" if answer else "task.empty_answer"
            line = item.own_line or item.line
            log.add(key, "warning", line=line, place=f"{file}, line {line}", raw=item.row)
    if not counts["train"]:
        raise TaskFileError(
            "task.nothing_to_train", file=log.file, inputs=", ".join(spec.inputs), targets=", ".join(spec.targets)
        )
    if len(asked) == 1 and len(rows) > 1:
        log.add("task.one_question", "warning", count=counts.total(), inputs=", ".join(spec.inputs))
    _tell_answers(spec, answers, exam, log)
    answers += exam
    return replace(
        spec,
        num_train=counts["train"],
        num_validation=counts["validation"],
        num_test=counts["test"],
        labels=tuple(sorted(answers)) if spec.kind == "classification" and len(answers) <= MAX_LABELS else (),
    )


def _tell_answers(spec: TaskSpec, answers: Counter[str], exam: Counter[str], log: ProblemLog) -> None:
    """One answer only, and labels that the exam asks for and nobody learns."""
    known = answers + exam
    if len(known) == 1 and known.total() > 1:
        log.add("task.one_answer", "warning", count=known.total(), answer=next(iter(known))[:_SHOWN_CHARS])
    if spec.kind != "classification" or len(answers) > MAX_LABELS:
        return
    spelled = {plain(answer): answer for answer in answers}  # as the exam will compare
    others = Counter({answer: n for answer, n in exam.items() if answer not in answers})
    strange = Counter({answer: n for answer, n in others.items() if plain(answer) not in spelled})
    respelled, renamed = others - strange, dict(alike_labels(known))
    if strange:
        listed = ", ".join(answer[:_SHOWN_CHARS] for answer, _ in strange.most_common(_SHOWN_LABELS))
        log.add("task.exam_labels", "warning", count=strange.total(), total=exam.total(), labels=listed)
    # What health takes for one label as well has a fix there; the exam takes more for one: A and a.
    offered = Counter({
        answer: n
        for answer, n in respelled.items()
        if renamed.get(answer, answer) == renamed.get(own := spelled[plain(answer)], own)
    })  # fmt: skip
    for key, some in (("task.exam_spelling", offered), ("task.exam_same", respelled - offered)):
        pairs = ((answer, spelled[plain(answer)]) for answer, _ in some.most_common(_SHOWN_LABELS))
        listed = ", ".join(f"{answer[:_SHOWN_CHARS]} / {own[:_SHOWN_CHARS]}" for answer, own in pairs)
        if some:
            log.add(key, "warning", count=some.total(), total=exam.total(), labels=listed)


def _tell_name(spec: TaskSpec, log: ProblemLog) -> None:
    """A file called test or check set that is trained on all the same is never so in silence."""
    split = split_of_name(bare_name(Path(spec.source.file)))
    if split in ("test", "validation") and not spec.source.test_file:
        log.add("pair.trained_on", "warning", split=split)


def _file_of(spec: TaskSpec, split: str) -> str:
    """The file that the rows of a split come from."""
    own = {"test": spec.source.test_file, "validation": spec.source.validation_file}
    return own.get(split) or spec.source.file

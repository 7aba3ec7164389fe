"""About how long it takes to ask a trained run again, from what its own exam took. Torch-free.

An exam notes after every batch how many answers are there, task by task, the base model's before the trained one's,
so the time of a task's answers can be read from <run>/events.jsonl. Asking starts with loading the model, for which
the start of the run up to its first stage stands. A run without such notes (no exam, a grown run) is measured by an
earlier probe.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.base.errors import WorkspaceError
from core.base.files import read_json
from core.insight.allocation import read_allocation
from core.insight.jobs import job_dir
from core.insight.probe_table import KNOCK_OUT, TRANSFER
from core.insight.wordings import wordings_of
from core.runs.folder import RunFolder
from core.runs.job_folder import JobFolder

BASE, TUNED = "base", "tuned"
Part = tuple[int, str]  # (task, BASE or TUNED)
_PAUSE_S = 600.0  # a longer gap between two batches is no batch


@dataclass(frozen=True)
class Expected:
    """How many `answers` will be asked for; `seconds` is None while unknown."""

    answers: int
    seconds: float | None


def expect_probe(run_dir: Path, kind: str, rows: int) -> Expected:
    """Knock-out or transfer with `rows` questions a task.

    Raises:
        RunError: the run has no allocation.
    """
    allocation = read_allocation(run_dir)
    tasks = range(len(allocation.tasks))
    if kind == KNOCK_OUT:  # as it is, and without every skill that the task may use
        rounds = [1 + sum(skill.task in (None, task) for skill in allocation.skills) for task in tasks]
    else:
        rounds = [len(tasks) for _ in tasks]
    asked = {(task, TUNED): rounds[task] * min(rows, size) for task, size in enumerate(_exam_sizes(run_dir))}
    return _expect(run_dir, asked)


def expect_exam(run_dir: Path, rows: int, with_base: bool) -> Expected:
    """The exam anew with `rows` questions a task, 0 is all."""
    whos = (BASE, TUNED) if with_base else (TUNED,)
    sizes = enumerate(_exam_sizes(run_dir))
    asked = {(task, who): min(rows or size, size) for task, size in sizes for who in whos}
    return _expect(run_dir, asked)


def expect_wordings(run_dir: Path, rows: int) -> Expected:
    """The exam in every wording of the tasks that have several, with `rows` questions a task.

    Raises:
        WorkspaceError: the frozen tasks are missing or damaged.
    """
    counts = [len(wordings_of(spec)) for spec in RunFolder(run_dir).read_tasks()]
    sizes = _exam_sizes(run_dir)
    asked = {(task, TUNED): n * min(rows, sizes[task]) for task, n in enumerate(counts) if n > 1}
    return _expect(run_dir, asked)


def answer_seconds(run_dir: Path) -> float | None:
    """Seconds that an answer of the trained model took in the exam, on average; None where that was not noted."""
    seen = _measured(str(run_dir), _stamp(run_dir))
    count = sum(n for (_, who), n in seen.answers.items() if who == TUNED)
    return sum(s for (_, who), s in seen.seconds.items() if who == TUNED) / count if count else None


def _expect(run_dir: Path, asked: dict[tuple[int, str], int]) -> Expected:
    answers = sum(asked.values())
    seen = _measured(str(run_dir), _stamp(run_dir))
    rates = seen.rates
    if not rates:
        slow = _earlier(run_dir)
        return Expected(answers, None if slow is None else answers * slow)
    usual = sum(rates.values()) / len(rates)
    seconds = sum(count * rates.get(key, usual) for key, count in asked.items())
    return Expected(answers, seen.start_s + seconds)


def _exam_sizes(run_dir: Path) -> list[int]:
    return [int(task["num_test"]) for task in RunFolder(run_dir).read_task_records()]


def _stamp(run_dir: Path) -> int:
    try:
        return RunFolder(run_dir).events_path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@dataclass(frozen=True)
class _Seen:
    """What an exam noted: seconds and answers by task and model, and seconds from the start of the process to the
    first stage, when the model is loaded."""

    seconds: dict[Part, float]
    answers: dict[Part, int]
    start_s: float

    @property
    def rates(self) -> dict[Part, float]:
        """Seconds an answer."""
        return {part: self.seconds[part] / count for part, count in self.answers.items()}


@lru_cache(maxsize=32)
def _measured(run_dir: str, _: int) -> _Seen:
    """What a resumed exam counts again without asking (core.evaluation.exam) took no time."""
    folder = RunFolder(run_dir)
    events = [event for event in folder.read_events() if event["kind"] in ("exam", "state", "stage")]
    config = folder.read_config()
    sizes = [n if config.exam_rows is None else min(n, config.exam_rows) for n in _exam_sizes(folder.path)]
    whos = (BASE, TUNED) if config.exam_base else (TUNED,)
    parts = [(task, who) for task, size in enumerate(sizes) for who in whos for _ in range(size)]
    spent: dict[tuple[int, str], float] = defaultdict(float)
    written: dict[tuple[int, str], int] = defaultdict(int)
    known = 0  # answers that were there before
    for before, after in pairwise(events):
        if before["kind"] != "exam" or after["kind"] != "exam" or after["total"] != len(parts):
            continue
        # A resumed exam tells of answers that it has already; the time between them is none of writing.
        fresh, known = before["done"] >= known, max(known, after["done"])
        took = float(after["time"]) - float(before["time"])
        if fresh and 0 < took < _PAUSE_S:
            batch = parts[before["done"] : after["done"]]
            for part in batch:
                spent[part] += took / len(batch)
                written[part] += 1
    return _Seen(dict(spent), dict(written), _start_s(events))


def _start_s(events: list[dict[str, Any]]) -> float:
    """From "starting" to the first stage that follows it; 0 when there is none."""
    begun: float | None = None
    for event in events:
        if event["kind"] == "state":
            begun = float(event["time"]) if event["state"] == "starting" else begun
        elif event["kind"] == "stage" and begun is not None:
            return float(event["time"]) - begun
    return 0.0


def _earlier(run_dir: Path) -> float | None:
    """Seconds an answer in an earlier probe of the run; None when there was none."""
    for kind in (KNOCK_OUT, TRANSFER):
        job = JobFolder(job_dir(run_dir, kind))
        try:
            progress, words = read_json(job.progress_path), read_json(job.launch_path)["command"]
            rounds = int(progress["done"]) - int(progress["first_done"])
            rows = next(int(word.removeprefix("--rows=")) for word in words if word.startswith("--rows="))
            if rounds > 0 and rows > 0:
                return (float(progress["time"]) - float(progress["first_time"])) / (rounds * rows)
        except (OSError, WorkspaceError, ValueError, KeyError, StopIteration):
            continue
    return None

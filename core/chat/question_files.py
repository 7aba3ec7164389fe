"""A file of questions answered at once, in every format that tasks are read from. Torch-free."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.base.at_once import work_at_once
from core.base.errors import Problem, RunError, TaskFileError, TaskloomError
from core.base.formulas import guard
from core.chat.client import ChatClient
from core.chat.protocol import ChatEvent, ChatRequest
from core.evaluation.intervals import Score
from core.evaluation.metrics import score, values_of_rows
from core.tasks.cell_text import input_text, target_text
from core.tasks.changing.isolation import read_rows_isolated
from core.tasks.dataset import has_input, render_target
from core.tasks.reading.table import Table
from core.tasks.spec import TaskSpec

MAX_QUESTIONS = 2000
AT_ONCE = 16  # questions open at the same time; the worker writes as many in one forward pass
NAMED = ("json", "jsonl", "parquet")  # formats whose columns have names in any case
ANSWER, RIGHT, SCORE = "answer", "right answer", "score"


@dataclass(frozen=True)
class Question:
    """A row of the file; `target` is "" where the file has no right answer."""

    line: int
    inputs: dict[str, str]
    target: str
    row: dict[str, Any]

    @property
    def content(self) -> str | dict[str, str]:
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else self.inputs


@dataclass(frozen=True)
class QuestionFile:
    """The questions of a file, and what was noted on the way: rows without a text, and whatever the reader left out
    or took otherwise than it stands."""

    questions: list[Question]
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Answered:
    """A question with what was written, or with the error (a message key and its values)."""

    question: Question
    text: str = ""
    error: TaskloomError | None = None


@dataclass(frozen=True)
class FileOutcome:
    """All answers in the file's order; `score` by the task's metric over rows that have a right answer, `values`
    (0..1 or None) of each row alone. `notes`: as in QuestionFile."""

    answers: list[Answered]
    score: Score | None
    values: list[float | None]
    notes: tuple[Problem, ...] = ()


def read_questions(
    path: Path, spec: TaskSpec, name: str | None = None, most: int = MAX_QUESTIONS, too_many: str = "questions.many"
) -> QuestionFile:
    """The questions of a file for a task, read in a limited child process. Its columns are found by name, whatever
    their case; a file of one column needs no name where the task has one input.

    Raises:
        TaskFileError: unreadable, an input column is missing, no row with an input, or more than `most` rows, said
        by the message `too_many`.
    """
    table = read_rows_isolated(path, most + 1, name)
    shown = name or path.name
    if len(table.rows) > most:  # what stands behind them was not read, whether blank or not
        raise TaskFileError(too_many, file=shown, rows=len(table.rows), bound=most)
    columns = {column.casefold(): column for column in table.columns}
    if len(table.columns) == 1 and len(spec.inputs) == 1:
        columns.setdefault(spec.inputs[0].casefold(), table.columns[0])
    missing = [column for column in spec.inputs if column.casefold() not in columns]
    if missing:
        known = ", ".join(table.columns)
        raise TaskFileError("questions.no_column", file=shown, columns=", ".join(missing), known=known)
    questions = []
    for line, row in zip(table.lines, table.rows, strict=True):
        wanted = [c for c in (*spec.inputs, *spec.targets) if c.casefold() in columns]
        named = {c: row.get(columns[c.casefold()]) for c in wanted}
        if has_input(spec, named):
            target = render_target(spec, named) if all(c in named for c in spec.targets) else ""
            questions.append(Question(line, {c: input_text(named[c]) for c in spec.inputs}, target, row))
    if not questions:
        raise TaskFileError("questions.none", file=shown, columns=", ".join(spec.inputs))
    return QuestionFile(questions, (*_left_out(table, shown, spec, len(questions)), *table.problems))


def _left_out(table: Table, file: str, spec: TaskSpec, asked: int) -> list[Problem]:
    """Rows without a text; and a first row that was taken for the name of the only column, where that is no name of
    the task's: it may be a question."""
    found, (first, *others), name = [], table.columns, spec.inputs[0]
    if not others and table.has_header and table.format not in NAMED and first.casefold() != name.casefold():
        found.append(Problem("file", "questions.header", {"file": file, "text": first, "column": name}, "warning"))
    if blank := len(table.rows) - asked + _blank_lines(table):
        values = {"file": file, "rows": blank, "columns": ", ".join(spec.inputs)}
        found.append(Problem("file", "questions.blank", values, "warning"))
    return found


def _blank_lines(table: Table) -> int:
    """Lines or sheet rows between two rows that hold nothing at all, which the reader passes over.

    Where a cell goes over several lines, or the reader left rows out and says so, they cannot be told apart and are
    not counted.
    """
    if table.format in NAMED or any(problem.severity != "note" for problem in table.problems):
        return 0
    whole = [not any("\n" in str(cell) for cell in row.values()) for row in table.rows]
    gaps = [after - before - 1 for before, after in pairwise(table.lines)]
    return sum(gap for gap, one, other in zip(gaps, whole, whole[1:], strict=False) if one and other)


def answer_questions(
    client: ChatClient, request: ChatRequest, questions: Sequence[Question], stop: threading.Event | None = None
) -> Iterator[tuple[int, Answered]]:
    """Answers as they come, with their places; `stop`, or closing the iterator, ends what is left at once.

    Args:
        request: run, task and settings of every question; its message is replaced.
    """
    stop = stop or threading.Event()
    yield from work_at_once(partial(_answer_one, client, request, stop), questions, AT_ONCE, stop)


def _answer_one(
    client: ChatClient, request: ChatRequest, stop: threading.Event, question: Question
) -> Answered | None:
    """The answer; None when it was stopped meanwhile: half an answer is none."""
    asked = replace(request, messages=({"role": "user", "content": question.content},))
    last = ChatEvent("")
    with closing(client.stream(asked, stop)) as stream:
        for event in stream:
            last = event
    if stop.is_set():
        return None
    if last.key:
        return Answered(question, error=RunError(last.key, **last.values))
    return Answered(question, last.text)


def judge(spec: TaskSpec, answers: Sequence[Answered], read: QuestionFile | None = None) -> FileOutcome:
    """Scores by the task's metric; an answer that failed counts as an empty one. `read`: the file they are of."""
    known = [place for place, answer in enumerate(answers) if answer.question.target]
    given, wanted = [answers[i].text for i in known], [answers[i].question.target for i in known]
    values: list[float | None] = [None] * len(answers)
    for place, value in zip(known, values_of_rows(spec.metric, given, wanted), strict=True):
        values[place] = value
    whole = score(spec.metric, given, wanted) if known else None
    return FileOutcome(list(answers), whole, values, read.notes if read else ())


def outcome_csv(outcome: FileOutcome) -> str:
    """The file's own columns, then answer, right answer and score; for spreadsheets."""
    judged = outcome.score is not None
    columns = list(dict.fromkeys(name for a in outcome.answers for name in a.question.row))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([guard(c) for c in columns] + [ANSWER, *([RIGHT, SCORE] if judged else [])])
    for answer, value in zip(outcome.answers, outcome.values, strict=True):
        cells = [guard(target_text(answer.question.row.get(name))) for name in columns]
        shown = str(answer.error) if answer.error else answer.text
        extra = [guard(answer.question.target), "" if value is None else round(value, 4)] if judged else []
        writer.writerow([*cells, guard(shown), *extra])
    return out.getvalue()

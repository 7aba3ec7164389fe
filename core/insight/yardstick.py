"""The same exam rows answered by another model: how far is ours from what one could buy? Torch-free.

    <run>/yardsticks/<id>/yardstick.json     who answered, from where, time, tokens, price; never a key
    <run>/yardsticks/<id>/<task index>.jsonl {row, text} a line

Answers come from a file (pasted from elsewhere) or from an endpoint (`core.chat.other_model`). They are scored by
the task's metric on the rows that both models answered, paired like everything else.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.base.errors import RunError, TaskFileError
from core.base.files import new_id, write_json_atomic
from core.base.lines import append_records, read_records
from core.base.records import read_record
from core.evaluation.intervals import Difference, Score
from core.evaluation.metrics import compare, score
from core.insight.results import read_task_records
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.tasks.cell_text import target_text
from core.tasks.changing.isolation import read_rows_isolated

FILE, ENDPOINT = "file", "endpoint"
ROW, ANSWER, TASK, QUESTION = "row", "answer", "task", "question"
MILLION = 1_000_000
MOST_REPLIES = 200_000  # rows of a file


@dataclass(frozen=True)
class Yardstick:
    """Who answered. Seconds and tokens are sums over all answers; prices are per million tokens, as the user says
    them (None: not said). `unanswered`: rows of a file whose answer stands empty."""

    yardstick_id: str
    name: str
    source: str
    model: str = ""
    host: str = ""
    made: float = 0.0
    answers: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    price_in: float | None = None
    price_out: float | None = None

    @property
    def cost(self) -> float | None:
        """Of all answers, in the currency of the prices; None where these or the tokens are not known."""
        if self.price_in is None or self.price_out is None or not self.prompt_tokens + self.answer_tokens:
            return None
        return (self.price_in * self.prompt_tokens + self.price_out * self.answer_tokens) / MILLION


@dataclass(frozen=True)
class ExamQuestion:
    """An exam row that our model answered."""

    task_index: int
    task: str
    row: int
    prompt: str


@dataclass(frozen=True)
class Reply:
    """Another model's answer to an exam row."""

    task_index: int
    row: int
    text: str


@dataclass(frozen=True)
class FileAnswers:
    """What a file answers, and how many of its rows nobody has answered."""

    replies: list[Reply]
    unanswered: int


@dataclass(frozen=True)
class YardstickScore:
    """One task: the other model's score, ours on the same rows, and ours minus theirs."""

    task: str
    metric: str
    theirs: Score
    ours: Score
    difference: Difference


def exam_questions(run_dir: Path, task: str | None = None, rows: int | None = None) -> list[ExamQuestion]:
    """The answered exam rows of all tasks or one; the first `rows` of each.

    Raises:
        RunError: no such task, or nothing has been examined.
    """
    records = read_task_records(run_dir)
    known = [str(record["name"]) for record in records]
    if task is not None and task not in known:
        raise RunError("insight.no_task", task=task, known=", ".join(known))
    folder, found = RunFolder(run_dir), []
    for record in records:
        if task in (None, record["name"]):
            answers = folder.read_predictions(int(record["index"]))[:rows]
            found += [ExamQuestion(int(record["index"]), record["name"], a["row"], a["prompt"]) for a in answers]
    if not found:
        raise RunError("insight.no_results", run=run_dir.name)
    return found


def read_replies(path: Path, questions: Sequence[ExamQuestion], name: str | None = None) -> FileAnswers:
    """Answers from a file, read in a limited child process. It has a column `answer`, and `row` or `question` to
    find the exam row by; `task` where the questions are of several tasks. A row whose answer stands empty was not
    answered: it says nothing of a model.

    Raises:
        TaskFileError: unreadable, a column is missing, a row stands for no exam row, or no row is answered.
    """
    shown, table = name or path.name, read_rows_isolated(path, MOST_REPLIES, name)
    if len(table.rows) >= MOST_REPLIES:
        raise TaskFileError("yardstick.many", file=shown, rows=MOST_REPLIES, bound=MOST_REPLIES - 1)
    columns = {column.strip().casefold(): column for column in table.columns}
    needed = [ANSWER] + ([TASK] if len({q.task for q in questions}) > 1 else [])
    missing = [column for column in needed if column not in columns]
    if missing or not {ROW, QUESTION} & columns.keys():
        wanted = ", ".join(missing or [f"{ROW} / {QUESTION}"])
        raise TaskFileError("yardstick.no_column", file=shown, columns=wanted, known=", ".join(table.columns))
    by = ROW if ROW in columns else QUESTION
    known = {_place(q.task if TASK in needed else "", str(q.row) if by == ROW else q.prompt): q for q in questions}
    replies, unanswered = [], 0
    for line, row in zip(table.lines, table.rows, strict=True):
        cells = {key: target_text(row.get(column)) for key, column in columns.items()}
        question = known.get(_place(cells[TASK] if TASK in needed else "", cells[by]))
        if question is None:
            raise TaskFileError("yardstick.no_row", file=shown, line=line, row=cells[by][:80])
        if cells[ANSWER]:
            replies.append(Reply(question.task_index, question.row, cells[ANSWER]))
        else:
            unanswered += 1
    if not replies:
        raise TaskFileError("yardstick.unanswered", file=shown, rows=unanswered)
    return FileAnswers(replies, unanswered)


def create_yardstick(run_dir: Path, name: str, source: str, **known: str | float | None) -> Yardstick:
    """A new yardstick without answers; one of the same name is replaced when it gets its first answers."""
    made = Yardstick(new_id("y"), name, source, made=time.time(), **known)  # type: ignore[arg-type]
    _dir(run_dir, made).mkdir(parents=True)
    return save_yardstick(run_dir, made)


def save_yardstick(run_dir: Path, yardstick: Yardstick) -> Yardstick:
    write_json_atomic(_dir(run_dir, yardstick) / "yardstick.json", asdict(yardstick))
    return yardstick


def add_replies(run_dir: Path, yardstick: Yardstick, replies: Iterable[Reply]) -> Yardstick:
    """Keeps answers; returns the yardstick with their number. With its first answers, older ones of its name go."""
    count = 0
    _dir(run_dir, yardstick).mkdir(exist_ok=True)  # one that is asked twice at a time may have gone with the newer
    for reply in replies:
        path = _dir(run_dir, yardstick) / f"{reply.task_index}.jsonl"
        append_records(path, [{"row": reply.row, "text": reply.text}])
        count += 1
    kept = save_yardstick(run_dir, replace(yardstick, answers=yardstick.answers + count))
    if count and not yardstick.answers:
        for old in _read_all(run_dir):
            if old.name == kept.name and old.made < kept.made:
                shutil.rmtree(_dir(run_dir, old), ignore_errors=True)  # what is left of it is not listed
    return kept


def list_yardsticks(run_dir: Path) -> list[Yardstick]:
    """All of a run that have answers, newest first; of equal names the newest."""
    found: dict[str, Yardstick] = {}
    for yardstick in sorted(_read_all(run_dir), key=lambda y: -y.made):
        if yardstick.answers:
            found.setdefault(yardstick.name, yardstick)
    return list(found.values())


def measure_yardstick(run_dir: Path, yardstick: Yardstick) -> list[YardstickScore]:
    """Every task that it answered rows of."""
    folder, found = RunFolder(run_dir), []
    for record in read_task_records(run_dir):
        replies = read_records(_dir(run_dir, yardstick) / f"{record['index']}.jsonl")
        theirs = {int(reply["row"]): str(reply["text"]) for reply in replies}
        both = [a for a in folder.read_predictions(int(record["index"])) if a["row"] in theirs and "tuned" in a]
        if not both:
            continue
        metric, targets = str(record["metric"]), [str(a["target"]) for a in both]
        other, own = [theirs[int(a["row"])] for a in both], [str(a["tuned"]) for a in both]
        theirs_scored, ours_scored = (score(metric, texts, targets) for texts in (other, own))
        gap = compare(metric, other, own, targets)
        found.append(YardstickScore(record["name"], metric, theirs_scored, ours_scored, gap))
    return found


def describe_yardstick(
    yardstick: Yardstick, scores: Sequence[YardstickScore], own_s: float | None
) -> list[Sentence]:
    """One sentence a task, then time and price; `own_s`: seconds an answer of ours took in the exam."""
    said = []
    if yardstick.unanswered:
        rows = yardstick.unanswered + yardstick.answers
        said.append(Sentence("yardstick.left_open", {"n": yardstick.unanswered, "rows": rows}))
    for s in scores:
        key = "unsure" if not s.difference.is_sure else "ours" if s.difference.value > 0 else "theirs"
        values = {"task": s.task, "name": yardstick.name, "n": s.ours.n}
        values |= {"ours": f"{100 * s.ours.value:.1f}", "theirs": f"{100 * s.theirs.value:.1f}"}
        said.append(Sentence(f"yardstick.{key}", values))
    if yardstick.source == ENDPOINT and yardstick.answers:
        said += _describe_effort(yardstick, own_s)
    return said


def _describe_effort(yardstick: Yardstick, own_s: float | None) -> list[Sentence]:
    """Time and price of an answer, as far as they are known."""
    theirs = {"name": yardstick.name, "seconds": _amount(yardstick.seconds / yardstick.answers, 2)}
    if own_s is None:
        said = [Sentence("yardstick.time", theirs)]
    else:
        said = [Sentence("yardstick.times", {**theirs, "own": _amount(own_s, 2)})]
    cost = yardstick.cost
    if cost is not None:
        each = _amount(1000 * cost / yardstick.answers, 4)
        values = {"name": yardstick.name, "n": yardstick.answers, "cost": _amount(cost, 4), "each": each}
        said.append(Sentence("yardstick.price", values))
    return said


def _amount(value: float, digits: int) -> str:
    """A small amount is not called nothing."""
    least = 10.0**-digits
    return f"< {least:.{digits}f}" if 0 < value < least else f"{value:.{digits}f}"


def _read_all(run_dir: Path) -> list[Yardstick]:
    paths = RunFolder(run_dir).yardsticks_dir.glob("*/yardstick.json")
    return [read_record(Yardstick, path) for path in paths]


def _place(task: str, key: str) -> tuple[str, str]:
    """How a row of a file names an exam row; a number read as 3.0 is 3."""
    return task.strip(), " ".join(key.split()).removesuffix(".0")


def _dir(run_dir: Path, yardstick: Yardstick) -> Path:
    return RunFolder(run_dir).yardsticks_dir / yardstick.yardstick_id

"""annotate RUN: which rows without an answer to answer next, and what is said to them"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.base.errors import RunError, SettingError, TaskFileError, require_between
from core.commands.ask import require_task
from core.commands.output import ProgressLine, Report, Verbs, add_verb, table
from core.commands.output import said as told
from core.commands.runs import find_run

TEXT_SHOWN = 60


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "annotate", annotate, "which rows without an answer to answer next")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument(
        "--pool", metavar="FILE", help="rows without answers (csv, xlsx, jsonl, ...) to choose from"
    )
    which = "which task; repeat to ask the pool of several (may be left out when the run has one)"
    parser.add_argument("--task", action="append", default=[], metavar="NAME", help=which)
    combine = "how doubt and disagreement are combined: rrf (ranks fused, default), mean, max or pareto (fronts)"
    parser.add_argument("--by", default="rrf", metavar="HOW", help=combine)
    parser.add_argument("--budget", type=int, default=20, metavar="N", help="rows wanted (default 20)")
    most = "rows of the file that are asked, drawn by chance where it has more (default 1000)"
    parser.add_argument("--rows", type=int, metavar="N", help=most)
    parser.add_argument("--accept", type=int, action="append", default=[], metavar="N", help="row N is right so")
    fix = "the right answer of row N, which becomes a practice row"
    parser.add_argument("--correct", action="append", default=[], metavar="N=ANSWER", help=fix)
    parser.add_argument(
        "--new-label", action="store_true", help="the answer of --correct is a new label of the task"
    )
    text = "measure whether training again pays off: trains twice more, on a quarter and on half of the rows"
    parser.add_argument("--curve", action="store_true", help=text)
    parser.add_argument("--skip", type=int, action="append", default=[], metavar="N", help="leave row N as it is")


def annotate(args: argparse.Namespace) -> Report:
    from core.insight.learning_curve import CURVE
    from core.workspace import Workspace

    folder = find_run(args)
    project = Workspace(args.workspace).project_of_run(folder.path.resolve())
    names = [require_task(folder, name) for name in args.task or [None]]
    specs = {spec.name: spec for spec in folder.read_tasks()}
    ids = list(dict.fromkeys(specs[name].task_id for name in names))
    said = args.accept or args.correct or args.skip
    if said and args.pool:
        raise SettingError("annotate.pool_or_answers")
    if args.curve and not folder.probe_path(CURVE).is_file():
        _measure_curve(args, folder, names)
    kept = _rank(args, folder, project, ids) if args.pool else []
    if said and len(ids) > 1:
        raise RunError("command.which_task", known=", ".join(names))
    done = _answer(args, project, ids[0]) if said else []
    report = _report(folder, project, ids, done, args.curve)
    told = [
        f"{name}: no row of this file is among those wanted; its queue stays."
        for name in names
        if specs[name].task_id in kept
    ]
    return Report({**report.value, "kept": kept}, "\n\n".join([*told, report.text])) if kept else report


def _measure_curve(args: argparse.Namespace, folder: Any, names: list[str]) -> None:
    """The trainings have workers of their own."""
    from core.asking.learning_curve import run_curve
    from core.insight.learning_curve import require_curve

    require_curve(folder, names)
    line = ProgressLine(args.json)
    run_curve(folder.path, lambda done, total: line.step(done, total, "training on fewer rows"))
    line.end()


def _rank(args: argparse.Namespace, folder: Any, project: Any, ids: list[str]) -> list[str]:
    """Asks the run about the pool and writes the queues; -> the tasks that keep the queue that they had."""

    from core.asking.annotate_model import Wish, rank_pool  # torch
    from core.commands.device import hold_device
    from core.evaluation.ranking import WAYS
    from core.insight.annotation import ASKED, MOST, POOL, read_queue, write_queue

    require_between("budget", args.budget, 1, MOST)
    most = ASKED if args.rows is None else args.rows
    require_between("rows", most, len(ids), POOL)
    if args.by not in WAYS:
        raise SettingError("registry.unknown", kind="combination", name=args.by, known=", ".join(WAYS))
    path = Path(args.pool)
    if not path.is_file():
        raise TaskFileError("command.no_file", path=args.pool)
    pool = [_read_pool(folder, project, path, task_id) for task_id in ids]
    line = ProgressLine(args.json)
    with hold_device(folder, "evaluation"):

        def tell(done: int, total: int) -> None:
            line.step(done, total, f"reading {done} of {total}")

        queues = rank_pool(folder, pool, Wish(args.by, args.budget, path.name, most), tell)
    line.end()
    kept = []
    for task_id, queue in queues.items():
        if queue.candidates or read_queue(project, task_id) is None:
            write_queue(project, task_id, queue)
        else:  # no row of this file is among those wanted: an empty queue takes no other one's place
            kept.append(task_id)
    return kept


def _read_pool(folder: Any, project: Any, path: Path, task_id: str) -> Any:
    """The rows of the file that the project's task does not hold yet, each once.

    Raises:
        TaskFileError: the file does not fit the task, or holds nothing new. RunError: the task reads other columns
        now. WorkspaceError: the task was removed.
    """
    from core.asking.annotate_model import PoolRow, PoolTask
    from core.chat.prompts import build_prompt
    from core.chat.question_files import read_questions
    from core.insight.annotation import POOL, known_questions, question_key
    from core.tasks.store import get_task

    specs = folder.read_tasks()
    place = next(i for i, spec in enumerate(specs) if spec.task_id == task_id)
    spec, now = specs[place], get_task(project, task_id)
    if spec.inputs != now.inputs:
        raise RunError("annotate.other_columns", task=now.name, run=folder.run_id, columns=", ".join(spec.inputs))
    read = read_questions(path, spec, most=POOL, too_many="annotate.pool_large")
    seen, rows, questions = known_questions(project, task_id), [], read.questions
    for question in questions:
        key = question_key([question.inputs[name] for name in spec.inputs])
        if key not in seen:
            seen.add(key)
            rows.append(PoolRow(question.line, question.inputs, build_prompt(spec, question.inputs)))
    if not rows:
        raise TaskFileError("annotate.nothing_new", file=path.name, task=now.name, rows=len(questions))
    answered = sum(bool(question.target) for question in questions)
    return PoolTask(place, task_id, rows, len(questions) - len(rows), answered, read.notes)


def _answer(args: argparse.Namespace, project: Any, task_id: str) -> list[str]:
    """Settles the named rows once all of them can be; -> what each answer did (`Correction.how`)."""
    from core.insight import annotation as queues

    corrections = [_number_and_answer(text) for text in args.correct]
    numbers = [*args.accept, *(number for number, _ in corrections), *args.skip]
    if twice := [number for number in numbers if numbers.count(number) > 1]:
        raise SettingError("annotate.twice", number=twice[0])
    queue_id = queues.require_queue(project, task_id).queue_id
    rows = {number: queues.RowId(queue_id, number) for number in numbers}
    for number in args.accept:
        queues.require_acceptable(project, task_id, rows[number])
    for number, answer in corrections:
        queues.require_correctable(project, task_id, rows[number], answer, args.new_label)
    for number in args.skip:
        queues.require_skippable(project, task_id, rows[number])
    settled = [queues.accept(project, task_id, rows[number]) for number in args.accept]
    settled += [queues.correct(project, task_id, rows[n], answer, args.new_label) for n, answer in corrections]
    for number in args.skip:
        queues.skip(project, task_id, rows[number])
    return [one.correction.how for one in settled if one.correction]


def _number_and_answer(text: str) -> tuple[int, str]:
    number, sign, answer = text.partition("=")
    if not sign or not number.strip().isdigit():
        raise SettingError("setting.type", name="correct", value=text, expected="N=ANSWER")
    return int(number), answer


def _report(folder: Any, project: Any, ids: list[str], done: list[str], is_about_curve: bool) -> Report:
    """What is to be answered, and whether training again pays off; of a task that nothing was ranked for only that,
    where it was asked for."""
    from dataclasses import asdict

    from core.insight.annotation import read_queue, require_queue
    from core.insight.learning_curve import describe_payoff
    from core.tasks.store import get_task

    values, parts = {}, []
    for task_id in ids:
        spec = get_task(project, task_id)
        payoff = [sentence.text for sentence in describe_payoff(project, folder, task_id)]
        queue = read_queue(project, task_id) if is_about_curve else require_queue(project, task_id)
        noted = {"notes": [note.as_dict() for note in queue.notes]} if queue else {}
        values[spec.name] = {**(asdict(queue) if queue else {}), **noted, "payoff": payoff}
        parts += ([_queue_table(spec.name, queue)] if queue else []) + [" ".join(payoff)]
    if done:
        parts.append(_what_was_done(done))
    return Report({"practice_rows": done.count("added"), "tasks": values}, "\n\n".join(parts))


def _queue_table(task: str, queue: Any) -> str:
    from core.messages.plural import counted

    rows = [
        [
            one.number,
            _short(" | ".join(one.inputs.values())) + (" (read in part)" if one.is_cut else ""),
            _short(one.given or one.answer),
            f"{100 * one.confidence:.0f}",
            None if one.disagreement is None else f"{100 * one.disagreement:.0f}",
            one.state,
        ]
        for one in queue.candidates
    ]
    known = f", {counted(queue.known, 'row|rows')} left out: known or repeated" if queue.known else ""
    answered = f", {counted(queue.answered, 'row|rows')} hold an answer that was not read" if queue.answered else ""
    head = f"{task}: {len(queue.open)} of {len(rows)} open, from {queue.file} by {queue.run_id}{known}{answered}"
    sure = "sure %" if queue.is_checked else "likely % (not checked)"
    lines = [head, *(f"- {told(note)}" for note in queue.notes)]
    return "\n".join([*lines, table(rows, ["row", "text", "answer", sure, "skills %", "state"])])


def _what_was_done(done: list[str]) -> str:
    from core.messages.plural import counted

    said = [f"{counted(done.count('added'), 'practice row|practice rows')} more."]
    if replaced := done.count("replaced"):
        said.append(f"{counted(replaced, 'practice row has|practice rows have')} another answer.")
    if check := done.count("check"):
        said.append(f"{counted(check, 'check row has|check rows have')} another answer.")
    if same := done.count("known") + done.count("check_known"):
        said.append(f"{counted(same, 'answer was|answers were')} known already: nothing changed.")
    if same < len(done):
        said.append("Take back: python -m core task undo")
    return " ".join(said)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_SHOWN else line[:TEXT_SHOWN] + "…"

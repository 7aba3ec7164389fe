"""annotate RUN: which rows without an answer to answer next, and what is said to them"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.base.errors import RunError, SettingError, TaskFileError, require_between
from core.commands.ask import require_task
from core.commands.output import ProgressLine, Report, Verbs, add_verb, table
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
    parser.add_argument("--accept", type=int, action="append", default=[], metavar="N", help="row N is right so")
    fix = "the right answer of row N, which becomes a practice row"
    parser.add_argument("--correct", action="append", default=[], metavar="N=ANSWER", help=fix)
    parser.add_argument(
        "--new-label", action="store_true", help="the answer of --correct is a new label of the task"
    )
    parser.add_argument("--skip", type=int, action="append", default=[], metavar="N", help="leave row N as it is")


def annotate(args: argparse.Namespace) -> Report:
    from core.workspace import Workspace

    folder = find_run(args)
    project = Workspace(args.workspace).project_of_run(folder.path.resolve())
    names = [require_task(folder, name) for name in args.task or [None]]
    specs = {spec.name: spec for spec in folder.read_tasks()}
    ids = list(dict.fromkeys(specs[name].task_id for name in names))
    said = args.accept or args.correct or args.skip
    if said and args.pool:
        raise SettingError("annotate.pool_or_answers")
    if args.pool:
        _rank(args, folder, project, ids)
    if said and len(ids) > 1:
        raise RunError("command.which_task", known=", ".join(names))
    changed = _answer(args, project, ids[0]) if said else 0
    return _report(project, folder.run_id, ids, changed)


def _rank(args: argparse.Namespace, folder: Any, project: Any, ids: list[str]) -> None:
    """Asks the run about the pool and writes the queues."""
    from transformers.utils.logging import disable_progress_bar

    from core.asking.annotate_model import Wish, rank_pool  # torch
    from core.commands.device import hold_device
    from core.evaluation.ranking import WAYS
    from core.insight.annotation import MOST, write_queue

    require_between("budget", args.budget, 1, MOST)
    if args.by not in WAYS:
        raise SettingError("registry.unknown", kind="combination", name=args.by, known=", ".join(WAYS))
    path = Path(args.pool)
    if not path.is_file():
        raise TaskFileError("command.no_file", path=args.pool)
    pool = [_read_pool(folder, project, path, task_id) for task_id in ids]
    line = ProgressLine(args.json)
    disable_progress_bar()
    with hold_device(folder, "evaluation"):

        def tell(done: int, total: int) -> None:
            line.step(done, total, f"reading {done} of {total}")

        queues = rank_pool(folder, pool, Wish(args.by, args.budget, path.name), tell)
    line.end()
    for task_id, queue in queues.items():
        write_queue(project, task_id, queue)


def _read_pool(folder: Any, project: Any, path: Path, task_id: str) -> Any:
    """The rows of the file that the project's task does not hold yet, each once.

    Raises:
        TaskFileError: the file does not fit the task, or holds nothing new. RunError: the task reads other columns
        now. WorkspaceError: the task was removed.
    """
    from core.asking.annotate_model import PoolRow, PoolTask
    from core.chat.prompts import build_prompt
    from core.chat.question_files import read_questions
    from core.insight.annotation import known_questions, question_key
    from core.tasks.store import get_task

    specs = folder.read_tasks()
    place = next(i for i, spec in enumerate(specs) if spec.task_id == task_id)
    spec, now = specs[place], get_task(project, task_id)
    if spec.inputs != now.inputs:
        raise RunError("annotate.other_columns", task=now.name, run=folder.run_id, columns=", ".join(spec.inputs))
    seen, rows, questions = known_questions(project, task_id), [], read_questions(path, spec)
    for question in questions:
        key = question_key([question.inputs[name] for name in spec.inputs])
        if key not in seen:
            seen.add(key)
            rows.append(PoolRow(question.line, question.inputs, build_prompt(spec, question.inputs)))
    if not rows:
        raise TaskFileError("annotate.nothing_new", file=path.name, task=now.name, rows=len(questions))
    return PoolTask(place, task_id, rows, len(questions) - len(rows))


def _answer(args: argparse.Namespace, project: Any, task_id: str) -> int:
    """Settles the named rows; returns how many became practice rows."""
    from core.insight.annotation import accept, correct, skip

    corrections = [_number_and_answer(text) for text in args.correct]
    for number in args.accept:
        accept(project, task_id, number)
    for number, answer in corrections:
        correct(project, task_id, number, answer, args.new_label)
    for number in args.skip:
        skip(project, task_id, number)
    return len(args.accept) + len(corrections)


def _number_and_answer(text: str) -> tuple[int, str]:
    number, sign, answer = text.partition("=")
    if not sign or not number.strip().isdigit():
        raise SettingError("setting.type", name="correct", value=text, expected="N=ANSWER")
    return int(number), answer


def _report(project: Any, run_id: str, ids: list[str], changed: int) -> Report:
    from dataclasses import asdict

    from core.insight.annotation import read_queue
    from core.messages.plural import counted
    from core.tasks.store import get_task

    values, parts = {}, []
    for task_id in ids:
        spec, queue = get_task(project, task_id), read_queue(project, task_id)
        if queue is None:
            raise RunError("annotate.no_queue", task=spec.name)
        values[spec.name] = asdict(queue)
        rows = [
            [
                one.number,
                _short(" | ".join(one.inputs.values())),
                _short(one.given or one.answer),
                f"{100 * one.confidence:.0f}",
                None if one.disagreement is None else f"{100 * one.disagreement:.0f}",
                one.state,
            ]
            for one in queue.candidates
        ]
        known = f", {counted(queue.known, 'row|rows')} left out: known or repeated" if queue.known else ""
        head = f"{spec.name}: {len(queue.open)} of {len(rows)} open, from {queue.file}{known}"
        heads = ["row", "text", "answer", "sure %", "skills %", "state"]
        parts.append(f"{head}\n{table(rows, heads)}")
    if changed:
        parts.append(f"{counted(changed, 'practice row|practice rows')} more. Take back: python -m core task undo")
    return Report({"run_id": run_id, "practice_rows": changed, "tasks": values}, "\n\n".join(parts))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_SHOWN else line[:TEXT_SHOWN] + "…"

"""ask RUN --task T TEXT: one question, the answer streamed as it is written; --file: every row of a file"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import RunError, SettingError, TaskFileError
from core.commands.output import ProgressLine, Report, Verbs, add_verb, duration, progress_bar
from core.commands.output import said as told
from core.commands.runs import find_run
from core.messages.plural import counted


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "ask", ask, "ask a trained run; the answer appears as it is written")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("text", nargs="?", help="the input of the task (default: read from standard input)")
    parser.set_defaults(late="text")
    which = "which task; auto detects it (may be left out when the run has one)"
    parser.add_argument("--task", help=which)
    parser.add_argument(
        "--input", action="append", default=[], metavar="COL=TEXT", help="input by column, for tasks with several"
    )
    side = parser.add_mutually_exclusive_group()
    side.add_argument("--base", action="store_true", help="ask the untouched base model")
    side.add_argument("--both", action="store_true", help="ask the base model and the tuned one")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest words (default)")
    parser.add_argument("--top-p", type=float, default=1.0, help="sample from the likeliest words of this share")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same sampled answer")
    several = "at most N more rounds with similar training rows, until the answer is valid or stable"
    parser.add_argument("--refine", type=int, default=0, metavar="N", help=several)
    fewer = "int8 or int4 weights of the base model, where this machine's libraries can"
    parser.add_argument("--precision", default="full", help=fewer)
    chosen = "labels (default): a task with labels answers the likeliest of them; free: it writes its answer"
    parser.add_argument("--answers", default="labels", metavar="HOW", help=chosen)
    by = "with --task auto: find it by the run's router over the model's hidden states"
    parser.add_argument("--router", action="store_true", help=by)
    parser.add_argument("--file", metavar="FILE", help="answer every row of a file (csv, xlsx, jsonl, ...)")
    parser.add_argument("--out", metavar="CSV", help="where the answers to --file go (default: standard output)")


def ask(args: argparse.Namespace) -> Report:
    from core.chat.client import ChatClient
    from core.chat.routing import BY_STATES, BY_TEXT

    folder = find_run(args)
    if args.file:
        return answer_file(args, folder)
    content = read_content(args)
    client = ChatClient()
    how = Finding(client, BY_STATES if args.router else BY_TEXT, quiet=args.json)
    try:
        return _ask_one(args, folder, content, how)
    finally:
        client.close()


def _ask_one(args: argparse.Namespace, folder: Any, content: Any, how: Finding) -> Report:
    from core.chat.detecting import AUTO, by_columns
    from core.chat.protocol import ask as request_of

    task, blend = choose_task(folder, args.task, content, how)
    if isinstance(content, str) and args.task == AUTO != task:
        content = by_columns(next(spec for spec in folder.read_tasks() if spec.name == task), content)
    if args.task != AUTO and not args.json:
        warn_of_foreign(folder, content)
    answers = {}
    for tuned in [False, True] if args.both else [not args.base]:
        if args.both and not args.json:
            print(f"{'tuned' if tuned else 'base'}: ", end="", flush=True)
        settings = {**_settings(args), "tuned": tuned, "blend": blend if tuned else ()}
        request = request_of(folder.path.resolve(), task, content, **settings)
        answers["tuned" if tuned else "base"] = _answer(how.client, request, args.json)
    mixed = {"blend": dict(blend)} if blend else {}
    return Report({"run_id": folder.run_id, "task": task, **mixed, "answers": answers})


@dataclass(frozen=True)
class Finding:
    """How the task of a text is found: by which of `core.chat.routing.WAYS`, told on the terminal or not."""

    client: Any
    way: str
    quiet: bool


def choose_task(
    folder: Any, name: str | None, content: str | dict[str, str], how: Finding
) -> tuple[str, tuple[tuple[str, float], ...]]:
    """-> the named task, or with the name "auto" (unless a task has it) the one that the text most likely belongs
    to, and then the shares in which the skills of several are mixed.

    Raises:
        RunError: the text belongs to none of the tasks, no task has the name, or there is no router.
    """
    from core.chat.detecting import AUTO
    from core.chat.routing import find_task

    if name != AUTO or any(task["name"] == AUTO for task in folder.read_run()["tasks"]):
        return require_task(folder, name), ()
    text = content if isinstance(content, str) else "\n".join(content.values())
    found = find_task(how.client, folder.path, text, how.way)
    if found.is_none:
        raise RunError("chat.no_task_fits", task=found.task, share=f"{100 * found.probability:.0f}")
    if not how.quiet:
        shares = ", ".join(f"{task} {100 * share:.0f} %" for task, share in found.blend)
        mixed = f"; skills mixed: {shares}" if shares else ""
        print(f"task: {found.task} ({100 * found.probability:.0f} %){mixed}", flush=True)
    return found.task, found.blend


def require_task(folder: Any, name: str | None) -> str:
    """The named task of a run, or its only one.

    Raises:
        RunError: no such task, or none named although there are several.
    """
    tasks = folder.read_run()["tasks"]
    names = [task["name"] for task in tasks]
    if name is None and len(names) == 1:
        return str(names[0])
    if name is None:
        raise RunError("command.which_task", known=", ".join(names))
    for task in tasks:
        if name in (task["name"], task["task_id"]):
            return str(task["name"])
    raise RunError("insight.no_task", task=name, known=", ".join(names))


def read_content(args: argparse.Namespace) -> str | dict[str, str]:
    """The text of the question, or its texts by column."""
    if not args.input:
        return args.text if args.text is not None else sys.stdin.read().strip()
    pairs: dict[str, str] = {}
    for text in args.input:
        column, sign, value = text.partition("=")
        if not sign:
            raise SettingError("command.bad_pair", text=text)
        if pairs.setdefault(column.strip(), value) != value:
            raise SettingError("setting.twice", name=column.strip(), values=f"{pairs[column.strip()]}, {value}")
    return pairs


def _answer(client: Any, request: Any, quiet: bool) -> dict[str, Any]:
    versions = []
    for event in client.stream(request):
        if event.kind == "delta" and not quiet:
            print(event.text, end="", flush=True)
        if event.kind == "version":
            versions.append({"text": event.text, **event.values})
            if not quiet:
                print(f"   [version {len(versions)}]", flush=True)
        if event.kind == "error":
            raise RunError(event.key, **event.values)
    value = {name: shown for name, shown in event.as_dict().items() if name != "kind"}
    if versions:
        value["versions"] = versions
    if not quiet:
        weights = ", ".join(f"{w.name} {w.weight:.2f}" for w in event.weights)
        used = f"; skills in the layer where tasks differ most: {weights}" if weights else ""
        ended = f"; {event.values['reason']}" if event.values else ""
        known = sure(event)
        tokens = counted(event.tokens, "token|tokens")
        print(f"\n({known + '; ' if known else ''}{tokens} in {duration(event.seconds)}{ended}{used})")
    return value


def sure(event: Any) -> str:
    """How sure an answer chosen among labels is, and what else it might have been; "" for other answers."""
    if event.certainty is None:
        return ""
    others = ", ".join(f"{label} {100 * share:.0f} %" for label, share in event.ranking if label != event.text)
    return f"{100 * event.certainty:.0f} % sure" + (f", else {others}" if others else "")


def warn_of_foreign(folder: Any, content: str | dict[str, str]) -> None:
    """Says on the terminal that a text reads like none of the run's tasks: its answer is a guess, however sure."""
    from core.chat.detecting import load_detector

    text = content if isinstance(content, str) else "\n".join(content.values())
    found = load_detector(folder.path).detect(text) if text.strip() else None
    if found is not None and found.is_none:
        told = "reads like none of the run's tasks: take the answer as a guess"
        print(f"note: this {told}.", file=sys.stderr)


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "temperature": args.temperature,
        "top_p": args.top_p,
        "max_new_tokens": args.max_tokens,
        "seed": args.seed,
        "refine": args.refine,
        "precision": args.precision,
        "answers": args.answers,
    }


def answer_file(args: argparse.Namespace, folder: Any) -> Report:
    """Every row of a file answered; with right answers in it also the score.

    Raises:
        TaskFileError: no such file, or it does not fit the task.
    """
    from core.chat import question_files
    from core.chat.client import ChatClient
    from core.chat.protocol import ask as request_of

    path = Path(args.file)
    if not path.is_file():
        raise TaskFileError("command.no_file", path=args.file)
    name = require_task(folder, args.task)
    spec = next(spec for spec in folder.read_tasks() if spec.name == name)
    read = question_files.read_questions(path, spec)
    questions = read.questions
    request = request_of(folder.path.resolve(), name, "-", tuned=not args.base, **_settings(args))
    answers, line, client = {}, ProgressLine(args.json), ChatClient()
    try:
        for place, answer in question_files.answer_questions(client, request, questions):
            answers[place] = answer
            line.show(progress_bar(len(answers) / len(questions), f"answer {len(answers)} of {len(questions)}"))
    finally:
        client.close()
    line.end()
    outcome = question_files.judge(spec, [answers[place] for place in range(len(questions))], read)
    return _file_report(args, folder, outcome)


def _file_report(args: argparse.Namespace, folder: Any, outcome: Any) -> Report:
    from core.base.files import write_text_atomic
    from core.chat.question_files import outcome_csv

    text = outcome_csv(outcome)
    if args.out:
        write_text_atomic(Path(args.out), "\ufeff" + text)
    found = outcome.score
    rows = [
        {"line": a.question.line, "answer": a.text, "error": str(a.error) if a.error else None, "score": value}
        for a, value in zip(outcome.answers, outcome.values, strict=True)
    ]
    said = counted(len(rows), "answer|answers") + (f" in {args.out}" if args.out else "")
    if found is not None:
        span = f"[{100 * found.low:.1f}, {100 * found.high:.1f}]"
        said += f"; score {100 * found.value:.1f} {span} on {counted(found.n, 'row|rows')}"
    value = {"run_id": folder.run_id, "score": found.as_dict() if found else None, "rows": rows}
    value["notes"] = [note.as_dict() for note in outcome.notes]
    notes = "".join(f"\n- {told(note)}" for note in outcome.notes)
    return Report(value, f"{said}.{notes}" if args.out else f"{text}{said}.{notes}")

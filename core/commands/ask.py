"""ask RUN --task T TEXT: one question, the answer streamed as it is written"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from core.commands.output import Report, Verbs, add_verb, duration
from core.commands.runs import find_run
from core.errors import RunError, SettingError


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "ask", ask, "ask a trained run; the answer appears as it is written")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("text", nargs="?", help="the input of the task (default: read from standard input)")
    parser.set_defaults(late="text")
    which = "which task; auto detects it (may be left out when the run has one)"
    parser.add_argument("--task", help=which)
    parser.add_argument("--input", action="append", default=[], metavar="COL=TEXT",
                        help="input by column, for tasks with several")
    side = parser.add_mutually_exclusive_group()
    side.add_argument("--base", action="store_true", help="ask the untouched base model")
    side.add_argument("--both", action="store_true", help="ask the base model and the tuned one")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest words (default)")
    parser.add_argument("--top-p", type=float, default=1.0, help="sample from the likeliest words of this share")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same sampled answer")


def ask(args: argparse.Namespace) -> Report:
    from core.serving.chat import ChatClient

    folder = find_run(args)
    content = _content(args)
    task = choose_task(folder, args.task, content, quiet=args.json)
    answers = {}
    client = ChatClient()
    try:
        for tuned in [False, True] if args.both else [not args.base]:
            if args.both and not args.json:
                print(f"{'tuned' if tuned else 'base'}: ", end="", flush=True)
            answers["tuned" if tuned else "base"] = _answer(client, args, folder, task, content, tuned)
    finally:
        client.close()
    return Report({"run_id": folder.run_id, "task": task, "answers": answers})


def choose_task(folder: Any, name: str | None, content: str | dict[str, str], quiet: bool) -> str:
    """The named task, or with the name "auto" the one that the text belongs to (unless a task has that name)."""
    from core.serving.detecting import AUTO, load_detector

    if name != AUTO or any(task["name"] == AUTO for task in folder.read_run()["tasks"]):
        return require_task(folder, name)
    found = load_detector(folder.path).detect(content if isinstance(content, str) else "\n".join(content.values()))
    if not quiet:
        print(f"task: {found.task} ({100 * found.probability:.0f} %)", flush=True)
    return found.task


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


def _content(args: argparse.Namespace) -> str | dict[str, str]:
    if not args.input:
        return args.text if args.text is not None else sys.stdin.read().strip()
    pairs = {}
    for text in args.input:
        column, sign, value = text.partition("=")
        if not sign:
            raise SettingError("command.bad_pair", text=text)
        pairs[column.strip()] = value
    return pairs


def _answer(
    client: Any, args: argparse.Namespace, folder: Any, task: str, content: str | dict[str, str], tuned: bool
) -> dict[str, Any]:
    from core.serving import chat

    request = chat.ask(
        folder.path.resolve(), task, content, tuned=tuned, temperature=args.temperature, top_p=args.top_p,
        max_new_tokens=args.max_tokens, seed=args.seed,
    )
    for event in client.stream(request):
        if event.kind == "delta" and not args.json:
            print(event.text, end="", flush=True)
        if event.kind == "error":
            raise RunError(event.key, **event.values)
    value = {name: shown for name, shown in event.as_dict().items() if name != "kind"}
    if not args.json:
        weights = ", ".join(f"{w.name} {w.weight:.2f}" for w in event.weights)
        used = f"; skills: {weights}" if weights else ""
        print(f"\n({event.tokens} tokens in {duration(event.seconds)}{used})")
    return value

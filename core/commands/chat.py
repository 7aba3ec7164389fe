"""chat RUN: questions and answers on the terminal"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from core.commands.ask import require_task
from core.commands.output import Report, Verbs, add_verb
from core.commands.runs import find_run

HELP = "/task NAME changes the task, /base and /tuned the model, /skills shows the weights, /quit ends."


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "chat", chat, "talk to a trained run on the terminal")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("--task", help="which task to begin with (default: the first)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest words (default)")
    parser.add_argument("--precision", default="full", help="int8 or int4 where this machine's libraries can")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer")


def chat(args: argparse.Namespace) -> Report:
    from core.chat.client import ChatClient

    folder = find_run(args)
    args.task = require_task(folder, args.task or folder.read_run()["tasks"][0]["name"])
    args.tuned, args.skills = True, False
    print(HELP, file=sys.stderr)
    client, exchanges = ChatClient(), []
    try:
        for line in _lines(args):
            if line.startswith("/"):
                if _obey(line, args, folder):
                    break
                continue
            exchanges.append(
                {
                    "task": args.task,
                    "tuned": args.tuned,
                    "input": line,
                    "answer": _answer(client, args, folder, line),
                }
            )
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
    finally:
        client.close()
    return Report({"run_id": folder.run_id, "exchanges": exchanges})


def _lines(args: argparse.Namespace) -> Any:
    while True:
        shown = "" if args.json or not sys.stdin.isatty() else f"{args.task}{'' if args.tuned else ' (base)'}> "
        text = input(shown).strip()
        if text:
            yield text


def _obey(line: str, args: argparse.Namespace, folder: Any) -> bool:
    """Follows a command; True ends the chat."""
    from core.base.errors import RunError

    word, _, rest = line.partition(" ")
    if word == "/task":
        try:
            args.task = require_task(folder, rest.strip())
        except RunError as error:
            print(error, file=sys.stderr)
    elif word in ("/base", "/tuned"):
        args.tuned = word == "/tuned"
    elif word == "/skills":
        args.skills = not args.skills
    elif word != "/quit":
        print(HELP, file=sys.stderr)
    return word == "/quit"


def _answer(client: Any, args: argparse.Namespace, folder: Any, text: str) -> str:
    """Streams one answer to the terminal; an error is told and the chat goes on."""
    from core.chat.protocol import ask

    request = ask(
        folder.path.resolve(),
        args.task,
        text,
        tuned=args.tuned,
        temperature=args.temperature,
        max_new_tokens=args.max_tokens,
        precision=args.precision,
    )
    answer = ""
    for event in client.stream(request):
        if event.kind == "delta" and not args.json:
            print(event.text, end="", flush=True)
        if event.is_last:
            answer = event.text
            if not args.json:
                print()
            if event.kind == "error":
                print(event.message, file=sys.stderr)
            elif args.skills:
                print(", ".join(f"{w.name} {w.weight:.2f}" for w in event.weights), file=sys.stderr)
    return answer

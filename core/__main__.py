"""The command line: `python -m core VERB ...`. The same functions as the browser app; see `core/commands/`.

Exit codes: 0 done, 1 an unexpected error, 2 a mistake that is explained in one line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from core.base.errors import TaskloomError
from core.base.quiet import quiet_libraries
from core.commands import VERBS, add_verbs
from core.commands.output import Parser, Report


def build_parser() -> argparse.ArgumentParser:
    about = "Train one small language model on all the tasks of a domain."
    parser = Parser(prog="python -m core", description=about)
    add_verbs(parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser, title="verbs"), VERBS)
    return parser


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parsed arguments. An optional positional argument (`args.late`) may also stand behind the options, which
    argparse by itself takes for an unknown word."""
    parser = build_parser()
    args, left = parser.parse_known_args(arguments)
    if left and args.late and not getattr(args, args.late) and not any(word.startswith("--") for word in left):
        many = getattr(args, args.late) is not None  # an option that takes several words is an empty list here
        if many or len(left) == 1:
            setattr(args, args.late, left if many else left[0])
            left = []
    if left:
        parser.error(f"unknown words: {' '.join(left)}")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    quiet_libraries()
    args = parse(arguments)
    with _workspace_for_children(args.workspace):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        report: Report = args.command(args)
        _print(report, args.json)
        return 0
    except TaskloomError as error:
        if args.json:
            said = {"key": error.key, "values": error.values, "message": error.message, "hint": error.hint}
            _print(Report({"error": said}), True)
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the command line's one translator
        if os.environ.get("TASKLOOM_TRACE"):
            traceback.print_exc()
        detail = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"unexpected error: {detail} (set TASKLOOM_TRACE=1 to see where)", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _workspace_for_children(folder: str | None) -> Iterator[None]:
    """Whatever is started from here finds the workspace of --workspace, and the model store in it."""
    before = os.environ.get("TASKLOOM_HOME")
    if folder:
        os.environ["TASKLOOM_HOME"] = str(Path(folder).expanduser().resolve())
    try:
        yield
    finally:
        os.environ.pop("TASKLOOM_HOME", None)
        if before is not None:
            os.environ["TASKLOOM_HOME"] = before


def _print(report: Report, as_json: bool) -> None:
    text = json.dumps(report.value, ensure_ascii=False, indent=1, default=str) if as_json else report.text
    if text:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

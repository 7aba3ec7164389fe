"""What the task commands share: options of columns, files and splits, and what a task prints as"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.base.errors import TaskFileError
from core.commands.output import Verbs, add_verb, table


def on_task(actions: Verbs, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    parser = add_verb(actions, name, run, help)
    parser.add_argument("project")
    parser.add_argument("task")
    return parser


def project_of(args: argparse.Namespace) -> Any:
    from core.workspace import Workspace

    return Workspace(args.workspace).get_project(args.project)


def add_meaning(parser: argparse.ArgumentParser) -> None:
    """Options that say what the columns are for."""
    parser.add_argument("--input", action="append", metavar="COL", help="input column; repeat for several")
    parser.add_argument("--target", action="append", metavar="COL", help="answer column; repeat for several")
    parser.add_argument("--weight", metavar="COL", help="column of numbers: how much a practice row counts")
    parser.add_argument("--instruction", metavar="TEXT", help="what the model is asked to do")
    parser.add_argument("--template", metavar="TEXT", help="prompt with {column} and {instruction} placeholders")
    parser.add_argument("--metric", help="how answers are scored, for example accuracy or token_f1")
    parser.add_argument(
        "--kind",
        type=_kind,
        help="kind of task: classification, several_labels, extraction, question_answering, free_text or number",
    )
    parser.add_argument("--labels", metavar="FILE", help="names of label codes: a file with codes and names")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Options that say how to read a file where the guess is wrong."""
    parser.add_argument("--sheet", help="sheet of an xlsx file (default: the first visible table)")
    parser.add_argument("--encoding", help="encoding of a text file (default: detected)")
    parser.add_argument("--delimiter", metavar="C", help="one character between cells, or tab (default: detected)")
    how = "how a quote inside quotes is written: doubled, backslash, or none where quotes are plain signs"
    parser.add_argument("--quotes", metavar="HOW", help=f"{how} (default: detected)")
    raw = "numbers and dates of an xlsx file as stored, not as shown (501, not 00501)"
    parser.add_argument("--raw-numbers", action="store_true", default=None, help=raw)
    down = "words that stand only where a block of an xlsx file begins hold for all its rows"
    parser.add_argument("--fill-down", action="store_true", default=None, help=down)
    heads = parser.add_mutually_exclusive_group()
    heads.add_argument("--header", action="store_true", default=None, help="the first row names the columns")
    heads.add_argument("--no-header", dest="header", action="store_false", help="the first row is a row of data")


def add_split(parser: argparse.ArgumentParser) -> None:
    """Options that say which rows train, check and examine."""
    how = "random, stratified, group or column (default: random)"
    parser.add_argument("--split-by", metavar="HOW", help=how)
    parser.add_argument("--split-column", metavar="COL", help="column of the groups, or that says the split")
    parser.add_argument("--validation", type=float, metavar="SHARE", help="share of the check set (default 0.1)")
    parser.add_argument("--exam", type=float, metavar="SHARE", help="share of the final exam (default 0.1)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the draw (default 0)")


def read_options(args: argparse.Namespace) -> Any:
    from core.tasks.reading.readings import ReadOptions

    delimiter = {"tab": "\t", "\\t": "\t"}.get(args.delimiter, args.delimiter)
    given = {"sheet": args.sheet, "encoding": args.encoding, "quotes": args.quotes, "header": args.header}
    return ReadOptions(
        **given, delimiter=delimiter, raw_numbers=bool(args.raw_numbers), fill_down=bool(args.fill_down)
    )


def split_settings(args: argparse.Namespace, known: Any = None) -> Any:
    """Split settings with what the options say changed; None where nothing is said or known."""
    from dataclasses import replace

    from core.tasks.spec import SplitSettings

    given = {
        "method": args.split_by,
        "column": args.split_column,
        "validation": args.validation,
        "test": args.exam,
        "seed": args.seed,
    }
    said = {k: v for k, v in given.items() if v is not None}
    return replace(known or SplitSettings(), **said) if said or known else None


def existing(path: str) -> Path:
    found = Path(path).expanduser()
    if not found.exists():
        raise TaskFileError("command.no_file", path=path)
    return found


def _kind(text: str) -> str:
    """The kind that is meant; one that nobody knows is refused where it is used, with the known ones."""
    from core.tasks.guessing.kinds import kind_from_hint

    return kind_from_hint(text) or text


def label_names(args: argparse.Namespace) -> dict[str, str]:
    from core.tasks.changing.isolation import label_names_isolated

    return label_names_isolated(existing(args.labels)) if args.labels else {}


def task_value(spec: Any) -> dict[str, Any]:
    """A task as --json prints it."""
    return {
        "name": spec.name,
        "task_id": spec.task_id,
        "kind": spec.kind,
        "metric": spec.metric,
        "inputs": list(spec.inputs),
        "targets": list(spec.targets),
        "train": spec.num_train,
        "validation": spec.num_validation,
        "test": spec.num_test,
        "file": spec.source.file,
        "encoding": spec.source.encoding,
        "labels": list(spec.labels),
    }


def task_table(specs: list[Any]) -> str:
    """Tasks as people read them."""
    from core.tasks.guessing.kinds import kind_word

    rows = [
        [s.name, kind_word(s.kind), s.metric, " + ".join(s.inputs), " + ".join(s.targets), *s.num_examples.values()]
        for s in specs
    ]
    return table(rows, ["task", "kind", "metric", "input", "answer", "practice", "check", "exam"])

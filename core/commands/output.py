"""What commands print: tables for people, JSON for scripts, a progress bar on the terminal."""

from __future__ import annotations

import argparse
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import Problem, WorkspaceError

BAR_WIDTH = 24


@dataclass(frozen=True)
class Report:
    """The outcome of a command: `value` for --json, `text` for people."""

    value: Any
    text: str = ""


def said(problem: Problem) -> str:
    """A problem as lines: what happened and what to do, then the row itself."""
    text = f"{problem.message} {problem.hint}".rstrip()
    return f"{text}\n    {problem.raw}" if problem.raw else text


Command = Callable[[argparse.Namespace], Report]
Verbs = Any  # argparse names its type of subparsers privately


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one clear line and exit code 2."""

    def error(self, message: str) -> Any:
        self.exit(2, f"error: {message}. See: {self.prog} --help\n")


def common_options() -> argparse.ArgumentParser:
    """Options of every verb."""
    parent = argparse.ArgumentParser(add_help=False)
    where = "folder of all projects (default: TASKLOOM_HOME, else ~/.taskloom)"
    parent.add_argument("--workspace", metavar="DIR", help=where)
    parent.add_argument("--json", action="store_true", help="print one JSON value for scripts")
    return parent


def add_verb(verbs: Verbs, name: str, run: Command, help: str) -> argparse.ArgumentParser:
    """A verb with the common options; `run` gets the parsed arguments (as `args.command`)."""
    parents = [common_options()]
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=help, description=help, parents=parents)
    parser.set_defaults(command=run, late=None)
    return parser


def table(rows: Iterable[Sequence[Any]], heads: Sequence[str]) -> str:
    """A plain text table; numbers to the right, Chinese characters counted as two columns.

    Rows may differ in width, as those of a file do that is read with the wrong mark: all their cells are shown.
    """
    texts = [[_cell(value) for value in row] for row in rows]
    wide = max(map(len, [heads, *texts]))
    names = [*heads, *[""] * (wide - len(heads))]
    texts = [[*row, *[""] * (wide - len(row))] for row in texts]
    widths = [max(_width(row[i]) for row in [names, *texts]) for i in range(wide)]
    right = [bool(texts) and all(_is_number(row[i]) for row in texts) for i in range(wide)]
    lines = [_line(names, widths, right), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_line(row, widths, right) for row in texts)])


def confirm(question: str) -> bool:
    """Asks whoever sits at the terminal, on standard error; nobody there is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        return False


def progress_bar(share: float, text: str) -> str:
    """[######------]  50 %  text"""
    share = min(1.0, max(0.0, share))
    full = round(BAR_WIDTH * share)
    return f"[{'#' * full}{'-' * (BAR_WIDTH - full)}] {100 * share:3.0f} %  {text}"


def write_file(path: str, data: bytes) -> Path:
    """A file the user asked for.

    Raises:
        WorkspaceError: it cannot be written.
    """
    target = Path(path).expanduser().resolve()
    try:
        target.write_bytes(data)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(target), detail=error.strerror or "") from error
    return target


class ProgressLine:
    """A line that is written over on a terminal, and a new line now and then elsewhere. Goes to standard error."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._shown = ""
        self._first: tuple[int, float] | None = None

    def show(self, text: str, is_new_phase: bool = False, note: str = "") -> None:
        """`note` stands after the text, and is said wherever it is new."""
        is_new_phase |= bool(note) and not self._shown.endswith(note)
        text += note
        if self._quiet or text == self._shown or not (self._terminal or is_new_phase):
            return
        self._shown = text
        print(
            f"\r\x1b[2K{text}" if self._terminal else text,
            end="" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def step(self, done: int, total: int, text: str) -> None:
        """A bar with the time left; a job (`core.insight.jobs`) also notes it in its folder."""
        from core.insight.jobs import note_progress

        note_progress(done, total)
        now = time.monotonic()
        if self._first is None:
            self._first = (done, now)
        fresh = done - self._first[0]
        left = f", about {duration((now - self._first[1]) / fresh * (total - done))} left" if fresh > 0 else ""
        self.show(progress_bar(done / max(1, total), text + left), self._first[1] == now or done >= total)

    def end(self) -> None:
        if self._shown and self._terminal and not self._quiet:
            print(file=sys.stderr)


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 42 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    return " ".join(str(value).split())


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).replace("+", "", 1).isdigit()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = []
    for cell, width, to_right in zip(cells, widths, right, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if to_right else cell + space)
    return "  ".join(padded).rstrip()

"""Questions about how a file is meant, as commands print them: both readings, and the options that choose one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from core.commands.output import table
from core.messages import english
from core.tasks.guessing.kinds import kind_word
from core.tasks.reading.readings import Doubt, Reading, ReadOptions


def doubt_values(doubts: Iterable[Doubt]) -> list[dict[str, Any]]:
    """Doubts as --json prints them: the question, both readings, and what to type for each."""
    found = []
    for doubt in doubts:
        question, hint = english(doubt.key, doubt.values)
        choose = {"taken": choosing(doubt.taken), "other": choosing(doubt.other)}
        found.append({**asdict(doubt), "question": question, "hint": hint, "choose": choose})
    return found


def doubt_lines(doubts: Iterable[Doubt]) -> list[str]:
    """Doubts as people read them."""
    lines: list[str] = []
    for doubt in doubts:
        question, hint = english(doubt.key, doubt.values)
        lines += ["", f"QUESTION: {question} {hint}"]
        lines += _side("read like this", doubt.taken) + _side("or like this", doubt.other)
    return lines


def _side(said: str, reading: Reading) -> list[str]:
    head = f"- {said} ({reading.score:.0%}); to choose it: {choosing(reading)}"
    head += f": {kind_word(reading.kind)}" if reading.kind else ""
    return [head, table(reading.rows, _heads(reading))]


def _heads(reading: Reading) -> Sequence[str]:
    """Column names, with what they are for where that is the question."""
    marks = dict.fromkeys(reading.inputs, " [input]") | dict.fromkeys(reading.targets, " [answer]")
    return [f"{column}{marks.get(column, '')}" for column in reading.columns]


def choosing(reading: Reading) -> str:
    """The options of `task add` and `task preview` that choose a reading."""
    roles = [f"--input {shlex.quote(name)}" for name in reading.inputs]
    roles += [f"--target {shlex.quote(name)}" for name in reading.targets]
    kind = [f"--kind {kind_word(reading.kind).replace(' ', '_')}"] if reading.kind else []
    return " ".join([*_option_words(reading.options), *roles, *kind])


def _option_words(options: ReadOptions) -> Iterable[str]:
    if options.delimiter is not None:
        yield f"--delimiter {'tab' if options.delimiter == chr(9) else shlex.quote(options.delimiter)}"
    for name in ("encoding", "quotes", "sheet"):
        value = getattr(options, name)
        if value is not None:
            yield f"--{name} {shlex.quote(value)}"
    for name in ("raw_numbers", "fill_down"):
        if getattr(options, name):
            yield f"--{name.replace('_', '-')}"
    if options.header is not None:
        yield "--header" if options.header else "--no-header"

"""Prompt templates: text with {column} placeholders and {instruction}. One rule builds the default one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.base.errors import Problem
from core.tasks.cell_text import input_text
from core.tasks.prompt import Prompt, Value
from core.tasks.reading.column_words import pretty_title
from core.tasks.reading.scripts import is_mostly_cjk

INSTRUCTION = "instruction"
RESERVED = "\u2063"  # an invisible separator: it parts a system prompt from the rest, and is never typed
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}\n]+)\}")
_LISTED_LABELS = 8


def default_template(inputs: Sequence[str]) -> str:
    """One input stands alone below the instruction; several stand under their titles.

    A column that is itself called instruction (as in Alpaca files) takes the instruction's place.
    """
    named = [name for name in inputs if name != INSTRUCTION]
    if len(named) == 1:
        return f"{{{INSTRUCTION}}}\n\n{{{named[0]}}}"
    body = "\n".join(f"{pretty_title(name)}: {{{name}}}" for name in named)
    return f"{{{INSTRUCTION}}}\n\n{body}".strip()


def render_template(template: str, row: Mapping[str, Any], instruction: str = "") -> Prompt:
    """Fills the placeholders in one pass: braces inside values are left alone. {{ and }} stand for braces. RESERVED
    is taken out, since it means something between turns."""
    parts: list[str] = []
    values: list[Value] = []
    size = last = 0
    for match in PLACEHOLDER.finditer(template):
        name, before = match.group(1), template[last : match.start()].replace(RESERVED, "")
        last = match.end()
        text = _filled(match, row, instruction).replace(RESERVED, "")
        size += len(before)
        if name is not None and name in row:
            values.append((name, size, size + len(text)))
        size += len(text)
        parts += [before, text]
    whole = "".join(parts) + template[last:].replace(RESERVED, "")
    bare = whole.strip()
    start = len(whole) - len(whole.lstrip())
    inside = ((n, min(max(0, b - start), len(bare)), min(max(0, e - start), len(bare))) for n, b, e in values)
    return Prompt(bare, inside)


def _filled(match: re.Match[str], row: Mapping[str, Any], instruction: str) -> str:
    name = match.group(1)
    if name is None:
        return match.group(0)[0]
    if name == INSTRUCTION and INSTRUCTION not in row:
        return instruction
    return input_text(row[name]) if name in row else match.group(0)


def placeholders(template: str) -> list[str]:
    """Column names in the template, each once, {instruction} not counted."""
    names = (m.group(1) for m in PLACEHOLDER.finditer(template))
    return [n for n in dict.fromkeys(names) if n is not None and n != INSTRUCTION]


def check_template(template: str, columns: Sequence[str], targets: Sequence[str] = ()) -> list[Problem]:
    """Placeholders that name no column, an answer column inside the prompt, or a prompt without any column."""
    problems = []
    known = ", ".join(columns)
    names = placeholders(template)
    for name in names:
        if name not in columns:
            problems.append(Problem("template", "template.no_column", {"column": name, "known": known}))
        elif name in targets:
            problems.append(Problem("template", "template.shows_answer", {"column": name}))
    own = INSTRUCTION in columns and f"{{{INSTRUCTION}}}" in template
    if not own and not any(name in columns for name in names):
        problems.append(Problem("template", "template.no_input", {"known": known}))
    return problems


def default_instruction(kind: str, targets: Sequence[str], labels: Sequence[str], sample: str) -> str:
    """An instruction for a file that came without one, in the language of its text."""
    chinese = is_mostly_cjk(sample)
    what = " | ".join(pretty_title(t) for t in targets)
    if not chinese:
        what = what.lower() if not what.isupper() else what
    if kind == "classification" and len(labels) <= _LISTED_LABELS:
        listed = ("、" if chinese else ", ").join(labels)
        return f"判断{what}，从这些里选一个：{listed}。" if chinese else f"Give the {what}, one of: {listed}."
    english, chinese_text = _INSTRUCTIONS[kind]
    return (chinese_text if chinese else english).format(what=what)


_INSTRUCTIONS = {
    "classification": ("Give the {what}.", "判断{what}。"),
    "multilabel": (
        "List every {what} that applies, separated by semicolons.",
        "列出所有符合的{what}，用分号隔开。",
    ),
    "extraction": ("Extract the {what} from the text, or write none.", "从文中找出{what}，没有则写 none。"),
    "question_answering": ("Answer the question with words from the text.", "用文中的词语回答问题。"),
    "generation": ("Write the {what}.", "写出{what}。"),
    "number": ("Give the {what} as a number.", "给出{what}的数值。"),
}

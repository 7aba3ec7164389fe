"""Conversations as one text with a chat template's marks, such as <|im_start|>user ... <|im_end|>."""

from __future__ import annotations

import re
from typing import Any

from core.tasks.reading.column_words import TARGET_WORDS, name_words
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.forms.conversation import tell_losses
from core.tasks.reading.forms.turns import COLUMNS, Losses, Turn, rows_of, used_columns
from core.tasks.reading.table import ProblemLog, Row, Table

# A mark says whose turn begins (group 1). What ends a turn and says nothing else is taken out.
_STYLES = tuple(
    re.compile(mark, flags)
    for mark, flags in (
        (r"<\|im_start\|>\s*([\w-]+)[ \t]*\n?", 0),  # ChatML
        (r"<\|start_header_id\|>\s*([\w-]+)\s*<\|end_header_id\|>\s*", 0),  # Llama 3
        (r"<start_of_turn>\s*(\w+)[ \t]*\n?", 0),  # Gemma
        (r"<\|(system|user|assistant|observation|tool)\|>[ \t]*\n?", 0),  # Zephyr, Phi, GLM
        (r"<\|start\|>(\w+)(?:<\|channel\|>\w+)?<\|message\|>", 0),  # Harmony
        (
            r"(?:^|\n)\s*### ?(Human|User|Instruction|Assistant|Response|Output|Input|System)\s*:[ \t]*\n?",
            re.IGNORECASE,
        ),
        (r"(?:^|\n|\s)(USER|ASSISTANT|SYSTEM): ", 0),  # Vicuna
        (r"(?:^|\n)\s*(Human|User|Assistant|AI|System|用户|助手)[:：][ \t]*", 0),
    )
)
_LLAMA2 = re.compile(r"\[INST\]\s*(.*?)\s*\[/INST\]\s*(.*?)\s*(?=\[INST\]|$)", re.DOTALL)
_LLAMA2_SYSTEM = re.compile(r"<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)
_END = re.compile(
    r"<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|end\|>|<\|return\|>|<\|end_of_text\|>|<\|endoftext\|>"
    r"|<\|begin_of_text\|>|</?s>|<bos>|<eos>"
)
_TEMPLATE = re.compile(r"<\|\w+\|>|<start_of_turn>|\[INST\]|### ?(?:Response|Assistant)")
_ANSWER_NAME = 4  # weight of a word that says: this column is the answer
_ROLES = {
    "human": "user", "instruction": "user", "input": "user", "用户": "user", "response": "assistant",
    "ai": "assistant", "output": "assistant", "model": "assistant", "助手": "assistant", "developer": "system",
}  # fmt: skip


def marked_turns(value: Any) -> list[Turn]:
    """The turns of a text with marks; [] when it has none, or not both a user's and an assistant's."""
    if not isinstance(value, str):
        return []
    if "[INST]" in value:
        return _llama2_turns(value)
    for style in _STYLES:
        marks = list(style.finditer(value))
        if len(marks) >= 2:
            ends = [mark.start() for mark in marks[1:]] + [len(value)]
            turns = [
                Turn(_ROLES.get(mark[1].lower(), mark[1].lower()), _END.sub("", value[mark.end() : end]).strip())
                for mark, end in zip(marks, ends, strict=True)
            ]
            before = _END.sub("", value[: marks[0].start()]).strip()
            roles = {turn.role for turn in turns}
            if {"user", "assistant"} <= roles:
                return [Turn("system", before), *turns] if before and len(before) > 1 else turns
    return []


def _llama2_turns(value: str) -> list[Turn]:
    turns: list[Turn] = []
    system = _LLAMA2_SYSTEM.search(value)
    if system:
        turns.append(Turn("system", system[1]))
    for match in _LLAMA2.finditer(_LLAMA2_SYSTEM.sub("", value)):
        turns += [Turn("user", match[1]), Turn("assistant", _END.sub("", match[2]).strip())]
    return [turn for turn in turns if turn.text]


def _find(table: Table) -> str | None:
    for column in table.columns:
        values = filled(table, column)
        if mostly(values, lambda value: _is_whole(marked_turns(value))):
            plain = not mostly(values, lambda value: bool(_TEMPLATE.search(value)))
            others = [c for c in table.columns if c != column and len({str(v) for v in filled(table, c)}) > 1]
            named = any(TARGET_WORDS.get(word, 0) >= _ANSWER_NAME for c in others for word in name_words(c))
            return None if named or (plain and others) else column  # beside a label it is a text to be judged
    return None


def _is_whole(turns: list[Turn]) -> bool:
    """A question and after it a filled answer: a text that merely quotes a conversation ends otherwise."""
    return len(turns) >= 2 and turns[-1].role == "assistant" and bool(turns[-1].text)


def _unfold(table: Table, column: str, log: ProblemLog) -> Table:
    others = [c for c in table.columns if c != column and c not in (*COLUMNS, "conversation")]
    rows: list[Row] = []
    lines: list[int] = []
    losses = Losses()
    for row, line in zip(table.rows, table.lines, strict=True):
        found = rows_of(marked_turns(row.get(column)), "", losses)
        if not found:
            log.add("file.no_answer_turn", "warning", line=line, raw=row)
        rows += ({**one, **{c: row.get(c) for c in others}, "conversation": str(line)} for one in found)
        lines += [line] * len(found)
    if not rows:
        return table
    log.tell("form.marked_text", column=column, rows=len(rows))
    tell_losses(losses, log)
    return rebuilt(table, [*used_columns(rows), *others, "conversation"], rows, lines, "assistant", COLUMNS[:-1])


FORM = Form("marked_text", _find, _unfold)

"""Turns of a conversation, however a file writes them, and the rows that they make: one for every answer."""

from __future__ import annotations

import ast
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from core.tasks.cell_text import input_text
from core.tasks.reading.table import Row

_ROLES = {
    **dict.fromkeys(("system", "developer", "系统", "系統"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer", "client", "用户", "用戶", "人类"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "bot", "model", "chatgpt", "chatbot", "ai", "agent", "助手", "bing", "bard"),
        "assistant",
    ),
}
COLUMNS = ("system", "history", "user", "assistant")
_TITLES = {"user": "User", "assistant": "Assistant"}
_MOST_CHARS = 1_000_000  # of a cell that holds a conversation as a text


class Turn(NamedTuple):
    """`role` is system, user, assistant, or the file's own word for anybody else (a tool, a narrator).

    `trained`: whether an assistant's turn may be an answer: it has a text and no weight of 0.
    """

    role: str
    text: str
    trained: bool = True


@dataclass
class Losses:
    """What was not taken as it stands, over all conversations of a file."""

    other_roles: Counter[str] = field(default_factory=Counter)
    no_text: int = 0  # parts of a turn that are no text, such as images
    unanswered: int = 0  # users' turns at an end
    unasked: int = 0  # answers that follow no user's turn


def parse_turns(value: Any, losses: Losses | None = None) -> list[Turn]:
    """The turns of a list of objects, or of a text that holds one as JSON; [] when it is something else."""
    if isinstance(value, str):
        value = load_list(value)
    if not isinstance(value, list | tuple) or not value:
        return []
    turns: list[Turn] = []
    for item in value:
        found = _pair_of(item) or _turn_of(item, losses)
        if not found:
            return []
        turns += found
    return turns if any(turn.role in ("user", "assistant") for turn in turns) else []


def load_list(text: str) -> Any:
    """The list that a text holds, as JSON or as Python prints it; None when it holds none."""
    start = text.lstrip()[:1]
    if start != "[" or len(text) > _MOST_CHARS or "{" not in text[:200]:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _pair_of(item: Any) -> list[Turn]:
    """{"human": ..., "assistant": ...}: a question and its answer in one object."""
    if not isinstance(item, dict) or len(item) != 2 or not all(isinstance(v, str) for v in item.values()):
        return []
    roles = {_ROLES.get(str(key).lower()): text for key, text in item.items()}
    if set(roles) != {"user", "assistant"}:
        return []
    return [Turn("user", roles["user"]), Turn("assistant", roles["assistant"])]


def _turn_of(item: Any, losses: Losses | None) -> list[Turn]:
    if not isinstance(item, dict):
        return []
    role = next((item[key] for key in ("role", "from", "speaker", "author") if key in item), None)
    if not isinstance(role, str) or not role.strip():
        return []
    text = next(
        (item[key] for key in ("content", "value", "text", "parts", "message") if item.get(key) is not None), None
    )
    if text is None and not (
        {"content", "value", "text", "parts", "message", "tool_calls", "function_call"} & set(item)
    ):
        return []
    word = _ROLES.get(role.strip().lower(), role.strip().lower())
    said = _content(text, losses)
    calls = item.get("tool_calls") or item.get("function_call")
    if word == "assistant" and calls and not said.strip():
        return [Turn("assistant", _plain_json(calls), trained=False)]
    return [Turn(word, said, trained=bool(said.strip()) and str(item.get("weight", "1")) not in ("0", "0.0"))]


def _content(value: Any, losses: Losses | None) -> str:
    """Content parts ({"type": "text", "text": ...}) are joined; parts that are no text are counted."""
    if not isinstance(value, list):
        return input_text(value)
    texts = []
    for part in value:
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str):
            texts.append(text)
        elif losses is not None:
            losses.no_text += 1
    return "\n".join(texts)


def _plain_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def rows_of(turns: list[Turn], system: str, losses: Losses) -> list[Row]:
    """A row for every answer: the system prompt, what was said before, the user's turn, the answer.

    Turns of anybody else stand in the history under their own name. Answers that follow each other are one.
    """
    history: list[str] = []
    found: list[Row] = []
    asked: list[str] = []
    between: list[str] = []  # said by others after the question, before the answer
    for turn in _joined(turns):
        if turn.role == "system":
            system = f"{system}\n{turn.text}".strip()
        elif turn.role == "user":
            history += between if not asked else []
            between = between if asked else []
            asked.append(turn.text)
        elif turn.role == "assistant" and turn.trained and asked:
            before = [*history, *between]
            question = "\n".join(asked).strip()
            row = {"system": system, "history": "\n".join(before), "user": question, "assistant": turn.text}
            found.append(row)
            history += [f"{_TITLES['user']}: {question}", *between, f"{_TITLES['assistant']}: {turn.text}"]
            asked, between = [], []
        else:
            losses.unasked += turn.role == "assistant" and turn.trained
            if turn.role != "assistant":
                losses.other_roles[turn.role] += 1
            between.append(f"{_TITLES.get(turn.role, turn.role.replace('_', ' ').capitalize())}: {turn.text}")
    losses.unanswered += bool(asked)
    return found


def _joined(turns: list[Turn]) -> list[Turn]:
    """Answers that follow each other, as one."""
    joined: list[Turn] = []
    for turn in turns:
        last = joined[-1] if joined else None
        if last and last.role == turn.role == "assistant" and last.trained and turn.trained:
            joined[-1] = Turn("assistant", f"{last.text}\n{turn.text}")
        else:
            joined.append(turn)
    return joined


def used_columns(rows: list[Row]) -> list[str]:
    """system and history only where something stands in them."""
    return [c for c in COLUMNS if c in ("user", "assistant") or any(row.get(c) for row in rows)]

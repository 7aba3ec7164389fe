"""Files of known forms made on the spot, and what a table says about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.tasks.guessing.roles import guess_roles
from core.tasks.reading.table import Table

Q, A = "The {} of flat {} drips. What now?", "Call flat {}."


def pairs(count: int = 6) -> list[tuple[str, str]]:
    words = ("window", "door", "lamp", "gate", "pump", "fan", "roof", "heater")
    return [(Q.format(words[i % 8], i), A.format(i)) for i in range(count)]


def save(path: Path, value: Any) -> Path:
    text = (
        "\n".join(json.dumps(v, ensure_ascii=False) for v in value)
        if path.suffix == ".jsonl"
        else json.dumps(value)
    )
    path.write_text(text, encoding="utf-8")
    return path


def told(table: Table) -> dict[str, dict[str, Any]]:
    return {p.key: p.values for p in table.problems}


def roles(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    guess = guess_roles(table)
    return guess.inputs, guess.targets


def turns(
    question: str, answer: str, names: tuple[str, str, str, str] = ("role", "content", "user", "assistant")
) -> Any:
    key, text, user, assistant = names
    return [{key: user, text: question}, {key: assistant, text: answer}]

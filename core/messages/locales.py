"""The one reader of locale files: every text that a person reads, assets/locales/LANGUAGE/PART.

A part is a JSON file or a folder of them, one a room, keys sorted: `messages` (key -> what happened, what to do),
`screens` (key -> text), `settings` (name -> label, help; English stands in the settings themselves), `phrases`
(English words in the values of messages -> theirs), `card` (a model card's words).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).resolve().parents[2] / "assets" / "locales"
LANGUAGES = ("en", "zh")  # English is the reference; another language is one more folder


@cache
def load_texts(language: str, part: str) -> dict[str, str]:
    """Key -> text of a part; empty where a language lacks the part.

    Raises:
        ValueError: a file is no such table, or a key stands twice.
    """
    texts = _load(language, part)
    if wrong := [key for key, text in texts.items() if not isinstance(text, str)]:
        raise ValueError(f"{language}/{part}: {wrong[0]} is not one text")
    return texts


@cache
def load_pairs(language: str, part: str) -> dict[str, tuple[str, str]]:
    """Key -> two texts of a part, as `load_texts`."""
    pairs: dict[str, tuple[str, str]] = {}
    for key, given in _load(language, part).items():
        if not (isinstance(given, list) and len(given) == 2 and all(isinstance(text, str) for text in given)):
            raise ValueError(f"{language}/{part}: {key} is not a list of two texts")
        pairs[key] = (given[0], given[1])
    return pairs


def locale_files(language: str, part: str) -> list[Path]:
    """The files of a part, by room."""
    path = LOCALES / language / part
    one = path.with_suffix(".json")
    return [one] if one.is_file() else sorted(path.glob("*.json"))


def _load(language: str, part: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for path in locale_files(language, part):
        table = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
        if twice := merged.keys() & table.keys():
            raise ValueError(f"{path}: {min(twice)} is worded in another file too")
        merged |= table
    return merged


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON would let the second of two equal keys win in silence."""
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)} is worded twice")
    return table

"""Sorts the locale files, so that keys of several people meet without a conflict, and brings stray keys home.

    python tests/sort_locales.py

A key's first word tells its file. A key of `messages` or `screens` that stands apart from most keys of its word
moves to them, in every language.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "assets" / "locales"
BY_WORD = ("messages", "screens")


def sorted_text(path: Path) -> str:
    """The file's table as it shall stand: by key, one text a line."""
    return as_text(json.loads(path.read_text(encoding="utf-8")))


def as_text(table: dict[str, Any]) -> str:
    return json.dumps(table, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def bring_home(part: str, languages: list[Path]) -> dict[Path, dict[str, Any]]:
    """The tables of a part by file, each key in the file where most keys of its first word stand."""
    tables = {
        path: json.loads(path.read_text(encoding="utf-8"))
        for language in languages
        for path in sorted((language / part).glob("*.json"))
    }
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for path, table in tables.items():
        for key in table:
            votes[key.partition(".")[0]][path.name] += 1
    moved: dict[Path, dict[str, Any]] = {path: {} for path in tables}
    for path, table in tables.items():
        for key, text in table.items():
            home = votes[key.partition(".")[0]].most_common(1)[0][0]
            moved.setdefault(path.with_name(home), {})[key] = text
    return moved


def main() -> None:
    languages = sorted(path for path in LOCALES.iterdir() if path.is_dir())
    wanted = {path: json.loads(path.read_text(encoding="utf-8")) for path in LOCALES.rglob("*.json")}
    for part in BY_WORD:
        wanted |= bring_home(part, languages)
    for path, table in sorted(wanted.items()):
        if not table:
            path.unlink()
        elif not path.is_file() or path.read_text(encoding="utf-8") != as_text(table):
            path.write_text(as_text(table), encoding="utf-8")
            sys.stdout.write(f"sorted {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

"""Sorts the locale files, so that keys of several people meet without a conflict.

python tests/sort_locales.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "assets" / "locales"


def sorted_text(path: Path) -> str:
    """The file's table as it shall stand: by key, one text a line."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return json.dumps(table, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for file in sorted(LOCALES.rglob("*.json")):
        text = sorted_text(file)
        if text != file.read_text(encoding="utf-8"):
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"sorted {file.relative_to(ROOT)}\n")

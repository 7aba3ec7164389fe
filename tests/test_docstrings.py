"""Comments and docstrings name files and modules that are there: after a move they are looked through too."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = [
    *(ROOT / "core").rglob("*.py"),
    *(ROOT / "app").rglob("*.py"),
    *(ROOT / "tests").rglob("*.py"),
    ROOT / "app.py",
]
NAMES = {path.name for path in FILES} | {"app.py"}
FILE = re.compile(r"(?<![\w/.*<>-])([\w-]+(?:/[\w-]+)*\.py)\b")
DOTTED = re.compile(r"`((?:core|app|tests)(?:\.\w+)+)")


@cache
def told(path: Path) -> list[str]:
    """Comments and docstrings of a file."""
    source = path.read_text(encoding="utf-8")
    found = [t.string for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
    holders = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, holders)]
    return found + [text for node in nodes if (text := ast.get_docstring(node))]


def file_is_there(name: str) -> bool:
    return (ROOT / name).is_file() if "/" in name else name in NAMES


def module_is_there(dotted: str) -> bool:
    """A module, a package, or a name that stands in the module before it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        module = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        if module.is_file() or place.is_dir():
            rest = parts[length:]
            return not rest or (
                module.is_file() and re.search(rf"\b{rest[0]}\b", module.read_text("utf-8")) is not None
            )
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_named_is_there(path: Path) -> None:
    texts = told(path)
    assert not [name for text in texts for name in FILE.findall(text) if not file_is_there(name)]
    assert not [dotted for text in texts for dotted in DOTTED.findall(text) if not module_is_there(dotted)]


def test_the_law_catches_stale_names() -> None:
    assert FILE.findall("see `looking.py` and core/base/files.py, not x.pyc") == [
        "looking.py",
        "core/base/files.py",
    ]
    assert not file_is_there("looking.py")
    assert file_is_there("core/base/files.py")
    assert module_is_there("core.base.files.read_json")
    assert not module_is_there("core.base.files.read_yaml_settings")
    assert not module_is_there("core.runs.registry")

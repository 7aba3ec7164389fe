"""Habits of the house that a reader relies on: one door to a name, one file that knows a folder, nothing unused."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.test_floors import modules, tree

# Files that a folder of another kind has too, under the same name.
NAMESAKES = {
    "core.insight.jobs": {"launch.json", "STOP"},  # a job's folder
    "core.models.building": {"adapter.json"},  # an adapter's folder, wherever it lies
}


@cache
def run_files() -> frozenset[str]:
    """Names of files and folders of a run, as `RunFolder` writes them; plain words ("data") only count as paths."""
    init = next(
        n
        for n in ast.walk(tree(modules()["core.runs.folder"]))
        if isinstance(n, ast.FunctionDef) and n.name == "__init__"
    )
    return frozenset(_paths(init))


def _paths(node: ast.AST) -> set[str]:
    """Texts behind a `/`."""
    return {
        n.right.value
        for n in ast.walk(node)
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) and isinstance(n.right, ast.Constant)
        if isinstance(n.right.value, str)
    }


def _named(node: ast.AST) -> set[str]:
    """File names (with an ending, or all in capitals) that stand alone in a text."""
    said = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {text for text in said if re.fullmatch(r"[A-Za-z_-]+\.[a-z0-9]+", text)}


@pytest.mark.parametrize("name", [n for n in modules() if n != "core.runs.folder"])
def test_only_the_run_folder_knows_its_files(name: str) -> None:
    root = tree(modules()[name])
    written = (_paths(root) | _named(root)) & run_files() - NAMESAKES.get(name, set())
    assert not written, f"{name} writes {sorted(written)} itself: ask core.runs.folder.RunFolder"


def test_the_law_of_run_files_finds_one() -> None:
    assert {"events.jsonl", "adapter", "STOP"} <= run_files()
    assert _paths(ast.parse("x = run / 'adapter'")) == {"adapter"}
    assert _named(ast.parse("f('events.jsonl', 'some words.')")) == {"events.jsonl"}

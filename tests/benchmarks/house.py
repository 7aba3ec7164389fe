"""The floor plan in figures: how large the house is, how its rooms hang together, what is only handed on.

    python tests/benchmarks/house.py [REF ...] [--json]

Each REF is a commit or tag (before-floor-plan is the house before its rooms); without one the working tree is
measured. Reads source text alone: nothing is imported.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = 6  # lines
SMALLEST_TWIN = 2  # statements; shorter functions are alike by chance
Function = ast.FunctionDef | ast.AsyncFunctionDef
BROAD = {"Exception", "BaseException"}


class House:
    """The Python of one tree, outside its tests."""

    def __init__(self, root: Path) -> None:
        paths = [*(p for room in ("core", "app") for p in sorted((root / room).rglob("*.py"))), root / "app.py"]
        self.texts = {_name(p.relative_to(root)): p.read_text(encoding="utf-8") for p in paths}
        self.trees = {name: ast.parse(text) for name, text in self.texts.items()}
        self.packages = {_name(p.relative_to(root)) for p in paths if p.name == "__init__.py"}
        self.locale_lines = sum(
            len(p.read_text(encoding="utf-8").splitlines()) for p in (root / "assets/locales").rglob("*.json")
        )

    def functions(self) -> list[Function]:
        return [n for tree in self.trees.values() for n in ast.walk(tree) if isinstance(n, Function)]

    def imports(self, name: str) -> set[str]:
        """Modules of the house that a module imports, at its top or in a function."""
        found: set[str] = set()
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                whole = {f"{node.module}.{a.name}" for a in node.names}
                found |= whole & self.texts.keys() or {node.module}
        return found & self.texts.keys() - {name}


def figures(house: House) -> dict[str, int | float]:
    lines = sum(len(text.splitlines()) for text in house.texts.values())
    graph = {name: house.imports(name) for name in house.texts}
    screens = [n for n in house.texts if n.startswith("app.")]
    arrows = {(_room(a, house), _room(b, house)) for a in screens for b in graph[a] if b.startswith("app.")}
    takers = [f for f in house.functions() if _takes_language(f)]
    lengths = sorted((f.end_lineno or f.lineno) - f.lineno + 1 for f in house.functions())
    return {
        "files of Python outside tests": len(house.texts),
        "lines of Python outside tests": lines,
        "lines of locale files": house.locale_lines,
        "median function, lines": lengths[len(lengths) // 2],
        "functions over 40 lines": sum(length > 40 for length in lengths),
        "comments in 100 lines": round(100 * sum(map(_comments, house.texts.values())) / lines, 2),
        "rooms of app/": len({_room(name, house) for name in screens}),
        "arrows between rooms of app/": len({(a, b) for a, b in arrows if a != b}),
        "circles of modules": len(_circles(graph)),
        "functions that take language": len(takers),
        "of these only hand it on": sum(map(_only_hands_on, takers)),
        "broad excepts": sum(_broad(n) for tree in house.trees.values() for n in ast.walk(tree)),
        "pairs of functions of one form": sum(n * (n - 1) // 2 for n in Counter(_shapes(house)).values()),
        "runs of six lines written twice": _written_twice(house),
    }


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(name: str, house: House) -> str:
    """A package right below app/; in a flat app/ every file is a room of its own."""
    return ".".join(name.split(".")[:2])


def _circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules each of which reaches every other."""
    reach = {name: _reached(graph, name) for name in graph}
    groups = {frozenset({a, *(b for b in reach[a] if a in reach[b])}) for a in graph if a in reach[a]}
    return [set(group) for group in groups]


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        if (name := todo.pop()) not in seen:
            seen.add(name)
            todo += graph[name]
    return seen


def _takes_language(function: Function) -> bool:
    given = function.args
    return any(a.arg == "language" for a in (*given.posonlyargs, *given.args, *given.kwonlyargs))


def _only_hands_on(function: Function) -> bool:
    """Every use of `language` is an argument of a call."""
    nodes = [n for statement in function.body for n in ast.walk(statement)]
    given = {
        id(value)
        for call in nodes
        if isinstance(call, ast.Call)
        for value in (*call.args, *(k.value for k in call.keywords))
    }
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == "language"]
    return bool(uses) and all(id(use) in given for use in uses)


def _broad(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    named = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else BROAD
    return bool(named & BROAD)


def _comments(text: str) -> int:
    return sum(t.type == tokenize.COMMENT for t in tokenize.generate_tokens(io.StringIO(text).readline))


def _written_twice(house: House) -> int:
    """Runs of lines (blanks, comments, imports and lone brackets left aside) that stand in two places or more."""
    places: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for name, text in house.texts.items():
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if re.search(r"\w", line) and not re.match(r"#|import |from ", line)]
        for start in range(len(lines) - RUN + 1):
            places.setdefault(tuple(lines[start : start + RUN]), []).append((name, start))
    twice = [found for found in places.values() if len(found) > 1]
    known = {tuple(found) for found in twice}
    begins = [f for f in twice if tuple((name, start - 1) for name, start in f) not in known]
    return len(begins)  # of a longer run only its beginning is counted


def _shapes(house: House) -> list[str]:
    """Functions by their form: names, texts, numbers and docstrings left aside."""
    shapes = []
    for function in house.functions():
        body = function.body[1:] if ast.get_docstring(function) else function.body
        if sum(isinstance(n, ast.stmt) for s in body for n in ast.walk(s)) >= SMALLEST_TWIN:
            shapes.append(re.sub(r"(id|arg|value|name)=('[^']*'|-?[\d.]+)", r"\1", "\n".join(map(ast.dump, body))))
    return shapes


def tree_of(ref: str, folder: Path) -> Path:
    packed = subprocess.run(["git", "archive", ref], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("refs", nargs="*", metavar="REF")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, dict[str, int | float]] = {}
    for ref in given.refs:
        with tempfile.TemporaryDirectory() as folder:
            found[ref] = figures(House(tree_of(ref, Path(folder))))
    found["now"] = figures(House(ROOT))
    if given.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    heads = list(found)
    sys.stdout.write(f"{'':34}" + "".join(f"{head:>20}" for head in heads) + "\n")
    for figure in found["now"]:
        sys.stdout.write(f"{figure:34}" + "".join(f"{found[head][figure]:>20}" for head in heads) + "\n")


if __name__ == "__main__":
    main()

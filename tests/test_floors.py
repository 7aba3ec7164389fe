"""The house has floors: a module imports only from its own room or below; screens never load torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_PARAMETERS = 6
HEAVY = {"torch", "transformers", "peft", "datasets", "accelerate", "torchmetrics"}
WORKERS = {"core.worker", "core.chat_worker"}

# Longest prefix wins. The second value is the room: within a floor only the same room may be imported.
FLOORS: dict[str, tuple[float, str]] = {
    "core": (0, "base"),
    "core.workspace": (1, "workspace"),
    "core.tasks.cell_text": (1.5, "cells"),
    "core.tasks.label_columns": (1.55, "cells"),
    "core.evaluation.normalise": (1.58, "normalise"),  # one rule says which labels are the same: health asks it too
    "core.tasks.reading": (1.6, "reading"),
    "core.tasks.guessing": (1.7, "guessing"),
    "core.tasks": (2, "tasks"),
    "core.tasks.health": (2.1, "health"),
    "core.tasks.changing": (2.2, "changing"),
    "core.adapters.settings": (3, "adapter settings"),
    "core.adapters": (3.1, "adapters"),
    "core.adapters.parts": (3.2, "parts"),
    "core.adapters.methods": (3.3, "methods"),
    "core.adapters.fast": (3.4, "fast"),  # knows the definition; the definition never imports it
    "core.models": (4, "models"),
    "core.evaluation": (5, "evaluation"),
    "core.training": (5.5, "training"),  # training may ask evaluation, never the other way round
    "core.runs": (6, "runs"),
    "core.insight": (7, "insight"),
    "core.asking": (7.2, "asking"),  # torch at work on a trained run; insight reads what it left behind
    "core.export": (7.6, "export"),  # a model card quotes the tables of insight, never the other way round
    "core.chat": (7.5, "chat"),
    "core.merge": (7.5, "merge"),
    "core.worker": (8, "worker"),
    "core.chat_worker": (8, "chat_worker"),
    "core.commands": (8, "commands"),
    "core.__main__": (8.5, "command line"),
    "app": (9, "app"),
    "app.texts": (9, "texts"),
    "app.drawing": (9.1, "drawing"),
    "app.shell": (9.2, "shell"),
    **{
        f"app.{screen}": (10, screen)
        for screen in ("home", "tasks", "train", "results", "skills", "grow", "try_it", "share")
    },
    "app.frame": (11, "frame"),
}
# What the screens and the command line load at once; everything these reach at module level must be light.
LIGHT_ROOTS = (
    "app",
    "core.workspace",
    "core.base",
    "core.tasks",
    "core.adapters.registry",
    "core.models.catalogue",
    "core.models.estimate",
    "core.training.config",
    "core.evaluation.metrics",
    "core.runs",
    "core.insight",
    "core.chat.client",
    "core.commands",
    "core.__main__",
)


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(p): p for room in ("core", "app") for p in sorted((ROOT / room).rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(name: str) -> tuple[float, str]:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        found = FLOORS.get(".".join(parts[:length]))
        if found:
            return found
    raise AssertionError(f"{name} stands on no floor")


def imported(nodes: list[ast.stmt] | ast.Module, own: str, only_at_import: bool = False) -> set[str]:
    """Dotted names that a module imports; with `only_at_import` those that run when it is imported."""
    found: set[str] = set()
    for node in _statements(nodes, only_at_import):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = own.split(".") if modules()[own].name == "__init__.py" else own.split(".")[:-1]
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in modules() else base for a in node.names}
    return found


def _statements(root: ast.AST | list[ast.stmt], only_at_import: bool) -> list[ast.AST]:
    if not only_at_import:
        assert isinstance(root, ast.AST)
        return list(ast.walk(root))
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(root) if isinstance(root, ast.AST) else root:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            found += _statements(node.orelse, only_at_import)
            continue
        found += [node, *_statements(node, only_at_import)]
    return found


def ours(names: set[str]) -> set[str]:
    return {n for n in names if n.split(".")[0] in ("core", "app")}


@pytest.mark.parametrize("name", modules())
def test_imports_go_down(name: str) -> None:
    floor, room = place(name)
    for target in ours(imported(tree(modules()[name]), name)):
        there, other = place(target)
        allowed = there < floor or (there == floor and other == room)
        assert allowed, f"{name} (floor {floor}) imports {target} ({there})"


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that import each other: what is left when all that reach no circle are taken away."""
    above: dict[str, set[str]] = {name: set() for name in arrows}
    for name, targets in arrows.items():
        for target in targets & arrows.keys():
            above[target].add(name)
    found: list[set[str]] = []
    left = set(arrows)
    while left:
        start = min(left)
        circle = _reached(start, arrows) & _reached(start, above)
        found += [circle] if circle else []
        left -= circle | {start}
    return found


def _reached(start: str, arrows: dict[str, set[str]]) -> set[str]:
    """Everything that can be reached from `start` in one step or more."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        fresh = arrows.get(todo.pop(), set()) - seen
        seen |= fresh
        todo += fresh
    return seen


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Inside a room too, and whether the import stands at the top or in a function."""
    found = circles({n: ours(imported(tree(p), n)) & modules().keys() for n, p in modules().items()})
    assert not found, f"import each other: {[sorted(circle) for circle in found]}"


def test_the_law_of_circles_finds_one() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [{"b", "c"}]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"a"}}) == [{"a"}]


def test_the_definition_never_imports_its_fast_path() -> None:
    """Whoever reads or changes a method needs no file of the fast path: it comes with the call, from above."""
    for name in modules():
        below = name.startswith("core.adapters") and not name.startswith("core.adapters.fast")
        if below:
            fast = {t for t in imported(tree(modules()[name]), name) if t.startswith("core.adapters.fast")}
            assert not fast, f"{name} imports {sorted(fast)}"
    taken = imported(tree(modules()["core.adapters.fast.path"]), "core.adapters.fast.path")
    assert not {t for t in taken if t.startswith("core.adapters.methods")}


@pytest.mark.parametrize("name", [n for n in modules() if n != "core.adapters.registry"])
def test_nobody_knows_a_method_by_name(name: str) -> None:
    """A method is one file, its settings and one entry of the registry; traits say the rest. ("lora" is a format of
    export as well.)"""
    methods = {p.stem for p in (ROOT / "core" / "adapters" / "methods").glob("*.py")} - {"__init__", "lora"}
    said = {node.value for node in ast.walk(tree(modules()[name])) if isinstance(node, ast.Constant)}
    assert not said & methods, f"{name} names {sorted(said & methods)}"
    if not name.startswith("core.adapters.methods"):
        taken = {t for t in imported(tree(modules()[name]), name) if t.startswith("core.adapters.methods.")}
        assert not taken, f"{name} imports {sorted(taken)}"


@pytest.mark.parametrize("name", modules())
def test_nobody_imports_a_worker(name: str) -> None:
    targets = imported(tree(modules()[name]), name)
    assert not targets & WORKERS, f"{name} imports a worker; workers are started by name"


# The pool of threads lies beside that of processes, and starts none.
ONLY_THREADS = {"core.base.at_once": {"multiprocessing.pool", "multiprocessing.context"}}


@pytest.mark.parametrize("name", [n for n in modules() if n != "core.base.processes"])
def test_processes_are_started_through_one_door(name: str) -> None:
    """Its reduced environment, process group and log files hold for every child."""
    targets = imported(tree(modules()[name]), name) - ONLY_THREADS.get(name, set())
    started = {target for target in targets if target.split(".")[0] in ("subprocess", "multiprocessing")}
    assert not started, f"{name} starts processes beside core.base.processes"


FORKING = {"core.base.warm_server": {"os.fork"}}  # which has no thread but its own


@pytest.mark.parametrize("name", modules())
def test_nobody_forks_a_process_with_threads(name: str) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(tree(modules()[name])) if isinstance(node, ast.Call)}
    assert called & {"os.fork", "os.forkpty", "pty.fork"} <= FORKING.get(name, set())


# Where an error that nobody foresaw becomes words, once a process: the mains of the two workers, the translators of
# the command line and of the page. Two more with a reason: Gradio runs FastAPI in debug mode, which would show a
# visitor the traceback of Gradio's own routes, and `tokenizers` raises a bare Exception for a damaged file.
BROAD_EXCEPTS = (
    "core.worker",
    "core.chat_worker",
    "core.__main__",
    "app.shell.handlers",
    "app.shell.web_guard",
    "core.tasks.token_file",
)


def is_broad(handler: ast.ExceptHandler) -> bool:
    names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else {"Exception"}
    return bool(names & {"Exception", "BaseException"})


@pytest.mark.parametrize("name", modules())
def test_an_except_names_what_it_catches(name: str) -> None:
    handlers = [n for n in ast.walk(tree(modules()[name])) if isinstance(n, ast.ExceptHandler)]
    assert sum(map(is_broad, handlers)) == (name in BROAD_EXCEPTS)


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("core")])
def test_core_knows_no_gradio(name: str) -> None:
    assert not {t for t in imported(tree(modules()[name]), name) if t.split(".")[0] == "gradio"}


def is_light(name: str) -> bool:
    return any(name == r or name.startswith(r + ".") for r in LIGHT_ROOTS)


@pytest.mark.parametrize("name", [n for n in modules() if is_light(n)])
def test_screens_load_no_torch(name: str) -> None:
    seen, todo = set(), [(name, name)]
    while todo:
        current, way = todo.pop()
        seen.add(current)
        targets = imported(tree(modules()[current]), current, only_at_import=True)
        heavy = {t for t in targets if t.split(".")[0] in HEAVY}
        assert not heavy, f"{way} loads {sorted(heavy)}"
        parents = {".".join(t.split(".")[:i]) for t in ours(targets) for i in range(1, t.count(".") + 2)}
        todo += [(t, f"{way} -> {t}") for t in parents if t in modules() and t not in seen]


def test_the_app_starts_without_torch() -> None:
    target = "app.frame.workbench" if "app.frame.workbench" in modules() else "app"
    code = f"import {target}, core.__main__, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_help_is_fast_because_imports_are_lazy() -> None:
    heavy = {"pandas", "scipy", "numpy", "jinja2", "pydantic", "yaml", "email", "hashlib", "socket", "ctypes"}
    code = f"import core.__main__ as m, sys; m.build_parser(); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", modules())
def test_files_and_functions_stay_short(name: str) -> None:
    lines = len(modules()[name].read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{name} has {lines} lines"
    for node in ast.walk(tree(modules()[name])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{name}.{node.name} has {length} lines"
            given = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
            assert len(given) <= MAX_PARAMETERS, f"{name}.{node.name} takes {len(given)} parameters"


def test_the_law_catches_an_import_that_goes_up() -> None:
    """The law itself is tested: a lower floor may not import a higher one, a screen may not import a screen."""
    assert place("core.tasks.reading.files") < place("core.runs.folder")
    assert place("core.adapters.methods.cpoly")[0] > place("core.tasks.dataset")[0]
    assert place("core.adapters.parts.skills") < place("core.adapters.fast.path")
    assert place("core.worker")[1] != place("core.commands.train")[1]
    source = ast.parse("if TYPE_CHECKING:\n  import torch\ndef f():\n  import peft\nimport datasets.x\n")
    assert imported(source, "core.base.errors", only_at_import=True) == {"datasets.x"}
    assert imported(source, "core.base.errors") == {"torch", "peft", "datasets.x"}

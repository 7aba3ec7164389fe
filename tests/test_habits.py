"""Habits of the house that a reader relies on: one door to a name, one file that knows a folder, nothing unused."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.test_floors import ROOT, modules, tree

# Files that a folder of another kind has too, under the same name.
NAMESAKES = {
    "core.runs.job_folder": {"launch.json", "STOP"},  # a job's folder
    "core.models.building": {"adapter.json", "adapter.safetensors"},  # an adapter's folder, wherever it lies
    "core.training.checkpoints": {"adapter.safetensors"},  # a checkpoint's folder
}


@cache
def run_files() -> frozenset[str]:
    """Names of files and folders of a run, as `RunFolder` writes them; plain words ("data") only count as paths."""
    places = [
        n.args[0].value
        for n in ast.walk(tree(modules()["core.runs.folder"]))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "Place"
    ]
    return frozenset(place.rpartition("/")[2] for place in places)


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


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# Called by a library under a name of its own.
HOOKS = {
    "core.training.trainer": {  # transformers
        *("get_train_dataloader", "training_step", "compute_loss", "_get_num_items_in_batch", "_get_grad_norm")
    },
    "core.training.stage": {"on_step_begin", "on_step_end"},  # transformers
    "core.tasks.reading.text_encoding": {"readinto"},  # io.RawIOBase
    "core.base.settings_yaml": {"construct_mapping"},  # yaml
    "core.chat.endpoint": {"connection_made"},  # uvicorn
    "core.chat.bodies": {"_without_nulls"},  # pydantic
    "core.messages.plural": {"format_field"},  # string.Formatter
    "app.shell.sessions": {"_update_config", "_update_value_in_config", "delete_all_expired_state"},  # gradio
    "app.shell.fair_queue": {"get_events"},  # gradio
    "app.shell.upload_shares": {"on_part_data", "on_part_end"},  # gradio
    "app.shell.upload_progress": {"track", "is_tracked"},  # gradio
    "app.shell.mailboxes": {"_put"},  # asyncio.Queue
    "app.shell.lean_page": {"postprocess_data", "get_state_ids_to_track", "get_config_file"},  # gradio
}
# Asked for by a name in a table, because importing it is slow.
BY_NAME = {"core.evaluation.translation": {"bleu_rows", "bleu_values", "chrf_rows", "chrf_values"}}
# What a test has to know, and the product does not.
ONLY_FOR_TESTS = {
    "core.chat.client": {"worker_pid"},  # whom to kill
    "core.models.modular": {"generate"},  # transformers' own decoding, which ours is compared with
}


def made_in(root: ast.Module) -> set[str]:
    """Names that a module makes itself at its top, not those it imports."""
    found: set[str] = set()
    todo: list[ast.stmt] = list(root.body)
    while todo:
        node = todo.pop()
        if isinstance(node, Definition):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.If | ast.Try | ast.For | ast.With):
            todo += [n for n in ast.walk(node) if isinstance(n, ast.stmt) and n is not node]
    return found


def through_doors(root: ast.Module) -> set[str]:
    """`module.name` of what is imported from a module that has only imported it itself."""
    asked = {(n.module, a.name) for n in ast.walk(root) if isinstance(n, ast.ImportFrom) for a in n.names}
    return {
        f"{module}.{name}"
        for module, name in asked
        if module in modules()
        and f"{module}.{name}" not in modules()
        and name not in made_in(tree(modules()[module]))
    }


def all_files() -> list[Path]:
    return [*modules().values(), *sorted((ROOT / "tests").rglob("*.py"))]


@pytest.mark.parametrize("path", all_files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_name_is_imported_from_where_it_is_made(path: Path) -> None:
    """One door to every name: whoever looks for its text finds it behind the import."""
    assert not through_doors(tree(path))


def test_the_law_of_doors_finds_one() -> None:
    assert made_in(ast.parse("import b\nfrom c import d\nX, Y = 1, 2\nif X:\n  def f(): z = 1\nclass G: pass")) >= {
        *("X", "Y", "f", "G")
    }
    assert made_in(ast.parse("from c import d")) == set()
    found = through_doors(ast.parse("from core.tasks.store import cache, list_tasks, Path"))
    assert found == {"core.tasks.store.cache", "core.tasks.store.Path"}


@cache
def uses() -> Counter[str]:
    """How often a name is read in the product."""
    return Counter(name for path in (*modules().values(), ROOT / "app.py") for name in names_in(tree(path)))


def names_in(root: ast.AST) -> list[str]:
    found: list[str] = []
    for node in ast.walk(root):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.append(node.id)
        elif isinstance(node, ast.Attribute):
            found.append(node.attr)
    return found


@pytest.mark.parametrize("name", modules())
def test_what_is_written_is_used(name: str) -> None:
    """Every function, method and class is read somewhere in the product beside its own body; tests do not count."""
    allowed = set().union(*(table.get(name, set()) for table in (HOOKS, BY_NAME, ONLY_FOR_TESTS)))
    unused = {
        n.name
        for n in ast.walk(tree(modules()[name]))
        if isinstance(n, Definition) and not n.name.startswith("__")
        if uses()[n.name] <= names_in(n).count(n.name)
    }
    assert unused <= allowed, f"nothing in core/ or app/ uses {sorted(unused - allowed)}"
    assert allowed <= unused, f"no exception any more: {sorted(allowed - unused)}"


def test_the_law_of_use_counts_no_recursion() -> None:
    assert names_in(ast.parse("def f(): return f()")) == ["f"]
    assert names_in(ast.parse("x = 1\ny.z(x)")).count("x") == 1


def test_no_two_test_files_share_a_module_name():
    """Folders without `__init__.py` are one namespace: a second file of one name stops the whole run."""
    flat = [p for p in (ROOT / "tests").rglob("test_*.py") if not (p.parent / "__init__.py").exists()]
    twice = [name for name, times in Counter(p.name for p in flat).items() if times > 1]
    assert twice == []


# Who may be told a language: texts and their files, whoever sets the visitor's, and a document that names its own.
SPEAKERS = {
    *("core.messages", "core.messages.locales", "core.export.space", "core.export.markdown"),
    *("app.texts.language", "app.texts.words", "app.shell.selection", "app.frame.head", "app.frame.workbench"),
}


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    given = function.args
    return {a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)}


def handed_language(root: ast.Module) -> list[str]:
    functions = (n for n in ast.walk(root) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return [f.name for f in functions if "language" in parameters(f)]


def test_the_language_travels_in_its_context() -> None:
    """Not through signatures: `app/texts/language.py` holds it where the visitor's request begins."""
    told = {name: handed_language(tree(path)) for name, path in modules().items()}
    assert {name for name, functions in told.items() if functions} == SPEAKERS


def by_position(root: ast.Module) -> list[str]:
    """Handlers that answer with a list, one value an output, instead of {component: value}."""
    functions = (n for n in ast.walk(root) if isinstance(n, ast.FunctionDef))
    handlers = [f for f in functions if {"context", "selection"} <= parameters(f) and f.returns is not None]
    return [f.name for f in handlers if ast.unparse(f.returns or f) in ("list[Any]", "tuple[Any, ...]")]


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("app.")])
def test_a_handler_answers_by_component(name: str) -> None:
    assert not by_position(tree(modules()[name]))


def test_the_laws_of_handlers_find_one() -> None:
    source = ast.parse("def draw(context, selection) -> list[Any]: ...\ndef say(text, *, language): ...")
    assert by_position(source) == ["draw"]
    assert handed_language(source) == ["say"]


@pytest.mark.parametrize("name", ["CHANGELOG.md", "assets/docs/decisions.md"])
def test_no_entry_stands_twice(name: str) -> None:
    """Both files are merged by keeping the lines of both sides, which brings back a line that one side changed."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    counted = Counter(line for line in lines if len(line) > 40)
    assert [line for line, times in counted.items() if times > 1] == []

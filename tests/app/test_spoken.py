"""Nothing on the screens is written into the code: every word comes from `app/texts`, in the reader's language."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

from app.drawing.curve_figures import loss_panels
from app.drawing.curves import Curves
from app.drawing.figures import change_heatmap, lean_heatmap, share_bars, similarity_heatmap, skill_heatmap
from app.drawing.score_figures import score_bars
from app.texts.language import in_language

APP = Path(__file__).resolve().parents[2] / "app"
SPEAKING = {"label", "info", "placeholder", "title", "value"}  # what a component or a toast shows
SPOKEN_CALLS = {"Error", "Info", "Warning", "part", "lead", "note", "empty", "badge", "esc", "paragraphs"}
WORDS = re.compile(r"[A-Za-z]{3,}[,.:!?]?\s+[a-z]{2,}")  # two words that make a sentence
TEXT = re.compile(r"^[A-Z][a-z]|[A-Za-z]{2} [A-Za-z]")  # a word or sentence, not a value such as "all"
FOR_THE_CONSOLE = {"add_argument", "ArgumentParser", "exit"}
FOR_PROGRAMS = {"snippets", "web_guard", "guard_rules"}  # code to copy, headers and answers of HTTP
LOGS = {"LOG", "logging"}
CJK = re.compile(r"[一-鿿]")


def sources() -> list[Path]:
    return [path for path in sorted(APP.rglob("*.py")) if "texts" not in path.parts]


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def owner_of(node: ast.Call) -> str:
    return getattr(getattr(node.func, "value", None), "id", "")


def literals(node: ast.AST) -> list[ast.Constant]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def hard_coded(path: Path) -> list[str]:
    """Texts given straight to something that shows them, instead of through a key."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        shown = [k.value for k in node.keywords if k.arg in SPEAKING]
        if called(node) in SPOKEN_CALLS:
            shown += node.args[:1]
        for value in shown:
            text = value.value if isinstance(value, ast.Constant) else None
            if isinstance(text, str) and TEXT.search(text):
                found.append(f"{path.name}:{node.lineno} {text!r}")
    return found


def test_the_search_finds_hard_coded_text(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text('gr.Button(value="Save all")\ngr.Error("No such run")\npart("Title")\nsay("tab.home")\n')
    assert len(hard_coded(page)) == 3


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.stem)
def test_no_text_is_hard_coded(path: Path) -> None:
    assert hard_coded(path) == []


@pytest.mark.parametrize("path", [p for p in sources() if p.stem not in FOR_PROGRAMS], ids=lambda p: p.stem)
def test_no_sentence_and_no_chinese_stands_in_the_code(path: Path) -> None:
    """Docstrings, logs, help of the command line and code for the browser aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    firsts = [n.body[0] for n in ast.walk(tree) if isinstance(n, documented) and n.body]
    quiet = {id(first.value) for first in firsts if isinstance(first, ast.Expr)}
    for node in ast.walk(tree):
        logs = isinstance(node, ast.Call) and (called(node) in FOR_THE_CONSOLE or owner_of(node) in LOGS)
        code = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").isupper()
        if logs or code or isinstance(node, ast.Compare):
            quiet |= {id(n) for n in literals(node)}
    left = [
        f"{path.name}:{n.lineno} {n.value[:60]!r}"
        for n in literals(tree)
        if id(n) not in quiet and "<" not in n.value and (CJK.search(n.value) or WORDS.search(n.value))
    ]
    assert left == []


SHOWN = ("name", "text", "hovertemplate", "title")


def shown_texts(value: object) -> list[str]:
    """Every text of a figure that a reader sees or hovers."""
    if isinstance(value, dict):
        own = [value[key] for key in SHOWN if isinstance(value.get(key), str)]
        return own + [text for key, part in value.items() if key != "font" for text in shown_texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in shown_texts(part)]
    return []


def test_plots_speak_chinese() -> None:
    square = pd.DataFrame([[1.0, 0.2], [0.2, 1.0]], index=["t1", "t2"], columns=["t1", "t2"])
    skills = pd.DataFrame([[0.5, 0.5], [0.2, 0.8]], index=["t1", "t2"], columns=["common 1", "private 1"])
    share = pd.DataFrame({"common": [0.5, 0.4], "private": [0.5, 0.6]}, index=["t1", "t2"])
    score = {"task": "t1", "tuned": {"value": 0.5, "low": 0.4, "high": 0.6}, "base": None}
    curves = Curves(practice={"t1": [(1, 2.0)]}, checks={"t1": [(1, 2.0)]})
    for figure in (
        in_language("zh", skill_heatmap, skills, 0.5),
        in_language("zh", similarity_heatmap, square),
        in_language("zh", lean_heatmap, skills),
        in_language("zh", change_heatmap, skills),
        in_language("zh", share_bars, share),
        in_language("zh", score_bars, [score]),
        in_language("zh", loss_panels, curves, 9),
    ):
        for text in shown_texts(figure):
            plain = re.sub(r"%\{[^}]*\}|</?extra>|t[12]|1/K", "", text)
            assert not re.search("[A-Za-z]{2,}", plain), text
        for axis in ("x", "y"):
            names = [str(n) for trace in figure["data"] for n in trace.get(axis, ())]
            assert not any(name.startswith(("common", "private")) for name in names)

"""Prompts: one pass, no surprise from braces in the data, problems named."""

from __future__ import annotations

from core.tasks.cell_text import input_text, target_text
from core.tasks.reading.column_words import pretty_title
from core.tasks.templates import check_template, default_instruction, default_template, render_template


def test_default_templates() -> None:
    assert default_template(["text"]) == "{instruction}\n\n{text}"
    assert (
        default_template(["userInput.text", "CHQ"])
        == "{instruction}\n\nUser input text: {userInput.text}\nCHQ: {CHQ}"
    )
    assert default_template(["instruction", "input"]) == "{instruction}\n\n{input}"
    assert default_template(["instruction"]) == "{instruction}"


def test_rendering_is_one_pass() -> None:
    row = {"text": "see {label} and {instruction} {{x}}", "label": "secret", "n": 1.0, "list": ["a", "b"]}
    assert render_template("{instruction}\n\n{text}", row, "Do {text}.") == (
        "Do {text}.\n\nsee {label} and {instruction} {{x}}"
    )
    assert render_template("{{{n}}} {list} {gone}", row) == "{1} a\nb {gone}"
    assert render_template("{instruction}\n\n{text}", {"text": "a", "instruction": "own"}, "task's") == "own\n\na"
    assert render_template("{instruction}\n\n{text}", {"text": "a"}, "") == "a"


def test_template_problems() -> None:
    keys = [p.key for p in check_template("{a} {b} {label}", ["a", "label"], ["label"])]
    assert keys == ["template.no_column", "template.shows_answer"]
    assert [p.key for p in check_template("fixed", ["a"])] == ["template.no_input"]
    assert check_template("{instruction}", ["instruction", "output"], ["output"]) == []


def test_values_as_text() -> None:
    assert [target_text(v) for v in (["a", "b"], [], True, False, None, 1.0, 0.25, float("nan"), {"a": 1}, 3)] == [
        "a; b",
        "none",
        "true",
        "false",
        "",
        "1",
        "0.25",
        "",
        "a: 1",
        "3",
    ]
    assert input_text(["a", ["b", "c"]]) == "a\nb, c"


def test_titles_and_instructions() -> None:
    assert [pretty_title(n) for n in ("requested_slots", "CONTEXTS", "final-decision", "问题", "___")] == [
        "Requested slots",
        "Contexts",
        "Final decision",
        "问题",
        "___",
    ]
    assert (
        default_instruction("classification", ["label"], ["a", "b"], "some text") == "Give the label, one of: a, b."
    )
    assert default_instruction("generation", ["摘要"], [], "今天天气很好") == "写出摘要。"

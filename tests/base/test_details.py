"""What a reader of JSON or YAML says of a broken text, in plain words of both languages, at its line and column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.texts import PHRASES, word_error
from app.texts.language import in_language
from core.base.errors import SettingError, TaskFileError
from core.base.settings_yaml import MAX_YAML_CHARS, parse_yaml_settings
from core.messages.details import PLAIN_DETAILS, plain_detail
from core.tasks.reading.files import read_table

BROKEN_JSON = {
    '{"a": }': "a value is missing or is not written as JSON wants it",
    '{"a": 1 "b": 2}': "a comma or a closing bracket is missing",
    '{"a" 1}': "a colon is missing after a name",
    "{'a: 1}": "a name in double quotes is missing",
    '{"a": "x}': "a text has no closing quote",
    '{"a": "x\ty"}': "a text holds a line break or a tab; write \\n or \\t",
    '{"a": "\\q"}': "a backslash in a text is not doubled",
    '{"a": "\\u12"}': "four hexadecimal digits are missing after \\u",
    '{"a": 1} x': "extra text after the value",
}
BROKEN_YAML = {
    "seed: 1: 2": "a second colon on the line, or one space too many before it",
    "seed: 1\nepochs": "a colon is missing after a name",
    "seed:\n\tepochs: 1": "a tab stands where spaces are wanted",
    "- seed\nepochs: 1": "the line does not stand under the lines above it",
    "{seed: 1": "a comma or a closing bracket is missing",
    "method: 'cpoly": "a text has no closing quote",
    "[" * 2000 + "]" * 2000: "nested too deeply",
    "a: " + "[" * 19_000: "nested too deeply",  # took a minute: the parser's time grows with the square
    "a: &x 1\nb: *x": "references are not supported",
    "a: " + "9" * 5000: "a number is too long",  # Python refuses to read it, in words of its own
    "a: 0x" + "f" * 5000: "a number is too long",  # and to print this one
    "a: " + ":".join(["1"] * 5000) + ".5": "a number is too long",
    "a: 0x_": "this is no number",
    "a: 1\nb: {c: 1}\na: 2": "a name stands twice",
    "a: !!int foo": "tags are not supported",
    "!!python/object/apply:os.getpid []": "tags are not supported",
    "{" + "a," * 9000 + "}": "more parts than settings have",
    "- " * 5000: "more parts than settings have",
    "#" * (MAX_YAML_CHARS + 1): f"longer than {MAX_YAML_CHARS} characters",
}


@pytest.mark.parametrize("line", BROKEN_JSON)
def test_a_broken_line_of_jsonl_is_explained(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n{{"a": 2}}\n', encoding="utf-8")
    (problem,) = [p for p in read_table(path).problems if p.key == "file.bad_json"]
    assert problem.values["detail"] == BROKEN_JSON[line]
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(line)
    english, chinese = (
        in_language(language, word_error, problem.key, problem.values)[0] for language in ("en", "zh")
    )
    assert f"line 2, column {caught.value.colno}: this is not valid JSON ({BROKEN_JSON[line]})" in english
    assert f"第 2 行第 {caught.value.colno} 列不是有效的 JSON（{PHRASES['zh'][BROKEN_JSON[line]]}）" in chinese


@pytest.mark.parametrize(
    "text", ["17", '[{"a": 1} {"a": 2}]', '[{"a": 1},', '[{"a": 1}, {"a": }]', '{"data": [{"a": 1}]} tail']
)
def test_a_broken_json_file_is_explained_in_chinese(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TaskFileError) as caught:
        read_table(path)
    assert caught.value.key == "file.bad_json"
    assert (
        PHRASES["zh"][caught.value.values["detail"]]
        in in_language("zh", word_error, "file.bad_json", caught.value.values)[0]
    )


@pytest.mark.parametrize("text", BROKEN_YAML, ids=range(len(BROKEN_YAML)))
def test_broken_yaml_is_explained(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_yaml_settings(text)
    assert caught.value.values["detail"] == BROKEN_YAML[text]
    assert (
        PHRASES["zh"][BROKEN_YAML[text]] in in_language("zh", word_error, caught.value.key, caught.value.values)[0]
    )


def test_what_looks_like_a_date_is_a_text() -> None:
    assert parse_yaml_settings("method: 2001-99-99\nseed: 7") == {"method": "2001-99-99", "seed": 7}


def test_a_wrong_type_is_named_in_chinese() -> None:
    values = {"name": "epochs", "value": "many", "expected": "a number"}
    assert in_language("zh", word_error, "setting.type", values)[1] == "应为：数字。"


def test_other_details_stay_as_they_are() -> None:
    said = "the disk is on fire"
    assert plain_detail(said) == said
    assert said in in_language("zh", word_error, "file.unreadable", {"file": "x", "detail": said})[0]


def test_every_plain_detail_has_chinese_words() -> None:
    assert set(PLAIN_DETAILS) <= set(PHRASES["zh"])

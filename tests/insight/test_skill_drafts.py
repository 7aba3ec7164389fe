"""Drafted names: words and kinds that the rows of a skill have in common; marked, editable, removable."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.texts import word_skills
from app.texts.language import speaking
from core.base.errors import SettingError
from core.export.card import skill_map
from core.insight.evidence import read_evidence
from core.insight.skill_drafts import row_words, write_drafts
from core.insight.skill_notes import describe_drafts
from core.messages.locales import load_texts
from core.runs.folder import RunFolder
from core.runs.skill_names import DRAFT, name_skill, read_drafts, read_given, read_names
from core.tasks.dataset import Example, TaskDataset, save_dataset
from core.tasks.spec import TaskSpec

ROWS = 16
SURE, NONE = {"value": 0.5, "low": 0.4, "high": 0.6}, {"value": 0.0, "low": -0.4, "high": 0.4}


def made(run: Path, texts: dict[str, list[str]], kinds: dict[str, str], sure: dict[str, str]) -> Path:
    """Tasks with these check rows; `sure`: skill -> the task that surely needs it, in all of its rows."""
    specs, examples, skills = [], {}, list(sure)
    for index, (name, rows) in enumerate(texts.items()):
        metric = {"classification": "accuracy", "extraction": "entity_f1"}[kinds[name]]
        specs.append(TaskSpec(f"t{index}", name, ("text",), ("label",), "", "{text}", metric, kinds[name]))
        examples[(index, "validation")] = [Example(row, f"answer {i % 2}", i + 2) for i, row in enumerate(rows)]
    folder = RunFolder(run)
    run.mkdir(parents=True)
    save_dataset(TaskDataset(tuple(specs), examples), folder.data_dir)
    listed = [{"index": i, "task_id": f"t{i}", "name": name} for i, name in enumerate(texts)]
    folder.write_run({"run_id": run.name, "tasks": listed})
    count = len(texts)
    table = {
        "layers": ["model"],
        "skills": [{"name": skill, "kind": "common", "task": None} for skill in skills],
        "weights": np.full((1, count, len(skills)), 1 / len(skills)).tolist(),
    }
    folder.allocation_path.write_text(json.dumps(table), encoding="utf-8")
    nothing: list[Any] = [None] * count
    cells = [[SURE if sure[skill] == name else NONE for skill in skills] for name in texts]
    changes = [[[0.5] * ROWS if sure[skill] == name else [0.0] * ROWS for skill in skills] for name in texts]
    record = {
        "tasks": list(texts),
        "skills": skills,
        "rows": [ROWS] * count,
        "own": [1.0] * count,
        "base": [2.0] * count,
        "cells": cells,
        "without_common": nothing,
        "without_private": nothing,
        "borrowed": [[None] * count] * count,
        "places": [list(range(ROWS))] * count,
        "row_changes": {
            "cells": changes,
            "without_common": nothing,
            "without_private": nothing,
            "borrowed": [[None] * count] * count,
        },
    }
    folder.evidence_path.write_text(json.dumps(record), encoding="utf-8")
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    weather = [f"Will it rain in city {i}, and what is the weather for row{i}?" for i in range(ROWS)]
    chinese = [f"请问第{i}号航班几点起飞" for i in range(ROWS)]
    noise = [f"words {i} about {'many' if i % 2 else 'several'} things" for i in range(ROWS)]
    kinds = {"talk": "classification", "flights": "extraction", "rest": "classification"}
    sure = {"common 1": "talk", "common 2": "flights", "common 3": "nobody"}
    return made(tmp_path / "r1", {"talk": weather, "flights": chinese, "rest": noise}, kinds, sure)


def test_words_and_kinds_of_the_most_changed_rows_become_drafts(run: Path) -> None:
    drafts = write_drafts(run)
    assert set(drafts) == {"common 1", "common 2"}  # the third does nothing surely
    assert drafts["common 1"]["words"][0] in ("city", "rain", "weather", "what", "will")
    assert drafts["common 1"]["kind"] == ""  # a third task has labels too
    assert drafts["common 2"]["kind"] == "extraction"
    assert set(drafts["common 2"]["words"]) <= {"号航班几点起飞", "请问第"}  # the longest strings, no dictionary
    assert "号航班几点起飞" in drafts["common 2"]["words"]
    assert not any(word.isdigit() or "row" in word for draft in drafts.values() for word in draft["words"])
    shown = read_names(run)
    assert shown["common 2"].startswith(f"common 2 {DRAFT} extraction: ")
    found = read_evidence(run)
    assert found is not None
    assert list(found.skills.value.columns) == [shown["common 1"], shown["common 2"], "common 3"]
    with speaking("zh"):
        assert word_skills(shown["common 2"]).startswith(f"公共 2 {DRAFT} 抽取")
    assert "(2)" in describe_drafts(run)[0].text


def test_a_long_common_phrase_is_told_once_and_not_cut_at_a_long_vowel(tmp_path: Path) -> None:
    letters = [f"请把第{i}张信用卡的账单金额发送到我的电子邮箱地址" for i in range(ROWS)]
    tower = [f"東京タワーまで{i}分" for i in range(ROWS)]
    kinds, sure = dict.fromkeys(("a", "b", "c"), "classification"), {"common 1": "a", "common 2": "b"}
    drafts = write_drafts(made(tmp_path / "r1", {"a": letters, "b": tower, "c": ["plain"] * ROWS}, kinds, sure))
    pieces = [word[i : i + 2] for word in drafts["common 1"]["words"] for i in range(len(word) - 1)]
    assert len(pieces) == len(set(pieces)) > 7
    assert "東京タワーまで" in drafts["common 2"]["words"]


def test_a_draft_is_replaced_by_a_name_taken_away_and_made_again(run: Path) -> None:
    write_drafts(run)
    name_skill(run, read_names(run)["common 1"], "weather")  # by its shown name
    assert read_given(run) == {"common 1": "weather"}
    assert set(read_drafts(run)) == {"common 2"}
    name_skill(run, "common 2", "")
    assert read_names(run) == {"common 1": "weather"}
    assert describe_drafts(run) == []
    write_drafts(run)
    assert set(read_drafts(run)) == {"common 2"}  # a given name stays
    with pytest.raises(SettingError, match="without a comma"):
        name_skill(run, "common 2", f"a {DRAFT} b")


def test_rows_with_nothing_in_common_have_no_draft(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    letters = list("abcdefghijklmnop")
    texts = {
        name: [" ".join("".join(draw.choice(letters, 5)) for _ in range(8)) for _ in range(ROWS)]
        for name in ("one", "two", "three")
    }
    kinds = dict.fromkeys(texts, "classification")
    run = made(tmp_path / "r1", texts, kinds, {"common 1": "one", "common 2": "two"})
    assert write_drafts(run) == {}
    assert not RunFolder(run).skill_drafts_path.exists()
    assert read_names(run) == {}


def test_the_instruction_is_no_word_of_a_row() -> None:
    row = Example("Classify the sentence. Rain tomorrow", "weather", values=(("text", 23, 36),))
    assert row_words(row) == {"rain", "tomorrow", "weather"}


def test_a_card_shows_words_of_rows_only_where_the_owner_of_the_data_agreed(run: Path) -> None:
    write_drafts(run)
    name_skill(run, "common 2", "planes | a")
    words = load_texts("en", "card")
    shown, hidden = (skill_map(RunFolder(run), words, drafts, attrgetter("text")) for drafts in (True, False))
    assert shown is not None
    assert hidden is not None
    assert f"common 1 {DRAFT}" in shown["table"]
    assert "nobody has checked" in shown["note"]
    assert DRAFT not in "".join(hidden.values())
    assert "common 1" in hidden["table"]
    assert all("planes \\| a" in card["table"] for card in (shown, hidden))

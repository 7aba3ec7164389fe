"""What the Skills screen shows of many tasks, of single rows, and what it proposes: only what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.insight.advice import describe_advice
from core.insight.evidence import borrowed_similarity, evidence_from_record
from core.insight.evidence_rows import both_ends, changed_rows
from core.insight.evidence_words import describe_evidence
from core.insight.pull import pull_from_record
from core.insight.task_groups import GROUPS, MOST_ROWS, group_tasks, view_rows, view_square, view_tasks

SMALL, LARGE, WIDE = (0.01, 0.01), (0.8, 0.1), (0.01, 0.3)


def change(of: tuple[float, float]) -> dict[str, float]:
    value, half = of
    return {"value": value, "low": value - half, "high": value + half}


def record(commons: list[tuple[float, float]], privates: list[tuple[float, float]]) -> dict:
    """Two tasks; a change is (value, half its interval)."""
    none: list[list[None]] = [[None] * 3] * 2

    def cells(changes: list[tuple[float, float]]) -> list[dict[str, float]]:
        return [change(one) for one in changes]

    return {
        "tasks": ["mails", "bills"],
        "skills": ["common 1", "private 1", "private 2"],
        "rows": [16, 16],
        "own": [1.0, 1.0],
        "base": [3.0, 3.0],
        "cells": none,
        "without_common": cells(commons),
        "without_private": cells(privates),
        "borrowed": [[None] * 2] * 2,
    }


@pytest.mark.parametrize(
    ("commons", "privates", "said"),
    [
        ([SMALL, SMALL], [LARGE, SMALL], ["advice.private"]),
        ([SMALL, WIDE], [LARGE, LARGE], []),  # not found is not the same as surely small
        ([LARGE, SMALL], [SMALL, SMALL], ["advice.shared"]),
        ([LARGE, LARGE], [LARGE, LARGE], ["advice.keep"]),
        ([SMALL, SMALL], [SMALL, SMALL], []),  # nothing was learned, or too little to tell
    ],
)
def test_a_simpler_method_is_proposed_only_where_the_intervals_hold_it(commons, privates, said) -> None:
    found = describe_advice(evidence_from_record(record(commons, privates)))
    assert [sentence.key for sentence in found] == said
    assert not any("{" in sentence.text for sentence in found)


def test_few_rows_are_no_reason_for_advice() -> None:
    few = {**record([SMALL, SMALL], [LARGE, LARGE]), "rows": [3, 16]}
    assert describe_advice(evidence_from_record(few)) == []


def test_the_bound_holds_for_all_tasks_at_once_and_is_never_rounded_down() -> None:
    found = describe_advice(evidence_from_record(record([(0.03, 0.01), (0.0, 0.01)], [LARGE, LARGE])))
    assert found[0].values["percent"] == "4"  # 1 - exp(-0.04) is 3.9 %, and 0.041 would be 4.02 %
    above = describe_advice(evidence_from_record(record([(0.031, 0.01), (0.0, 0.01)], [LARGE, LARGE])))
    assert above[0].values["percent"] == "5"
    draw = np.random.default_rng(0)
    losses = draw.normal(0.02, 0.05, (4000, 12, 16))  # trials, tasks of one true loss: the worst case; rows
    half = stats.t.ppf(0.975, 15) * losses.std(-1, ddof=1) / 4
    assert np.mean((losses.mean(-1) + half).max(1) >= 0.02) > 0.97
    assert np.mean((losses.mean(-1) + half).min(1) >= 0.02) < 0.97  # what it would be for a chosen task


def test_of_many_cells_without_any_effect_none_is_told() -> None:
    draw, told = np.random.default_rng(1), 0
    for _ in range(40):
        rows = draw.normal(0.0, 0.5, (8, 8, 16))
        half = stats.t.ppf(0.975, 15) * rows.std(-1, ddof=1) / 4
        cells = [
            [
                None if i == j else {"value": v, "low": v - h, "high": v + h}
                for j, (v, h) in enumerate(zip(m, w, strict=True))
            ]
            for i, (m, w) in enumerate(zip(rows.mean(-1), half, strict=True))
        ]
        names = [f"task {i}" for i in range(8)]
        made = {**record([SMALL] * 8, [SMALL] * 8), "tasks": names, "rows": [16] * 8, "borrowed": cells}
        made |= {"own": [1.0] * 8, "base": [3.0] * 8, "cells": [[None] * 3] * 8}
        borrowed = evidence_from_record(made).borrowed
        told += bool((borrowed.better | borrowed.worse).to_numpy().any())
    assert told <= 6  # 5 % of 40 and what chance allows; by single intervals it would be 38


def test_a_pair_that_was_not_tried_is_not_called_alike() -> None:
    made = record([SMALL] * 2, [SMALL] * 2)
    assert np.isnan(borrowed_similarity(evidence_from_record(made)).loc["mails", "bills"])
    made["borrowed"] = [[None, {"value": 0.5, "low": 0.4, "high": 0.6}], [None, None]]
    one_way = borrowed_similarity(evidence_from_record(made))
    assert one_way.loc["bills", "mails"] == one_way.loc["mails", "bills"] == pytest.approx(np.exp(-0.5))


def pulls(structure: np.ndarray, noise: float, seed: int) -> dict:
    """Five tasks' cosines in five groups of rows: what comes back, and what does not."""
    draw, names = np.random.default_rng(seed), [f"task {i}" for i in range(5)]
    cosines = []
    for _ in range(5):
        shaken = structure + draw.normal(0.0, noise, structure.shape)
        cosines.append(((shaken + shaken.T) / 2 * (1 - np.eye(5)) + np.eye(5)).tolist())
    made = {**record([SMALL] * 5, [SMALL] * 5), "tasks": names, "rows": [16] * 5, "borrowed": [[None] * 5] * 5}
    made |= {"own": [1.0] * 5, "base": [3.0] * 5, "cells": [[None] * 3] * 5}
    return {**made, "pull": {"tasks": [0, 1, 2, 3, 4], "rows": 16, "cosines": cosines}}


def test_three_tasks_in_four_groups_can_name_no_pair_and_say_so() -> None:
    structure = np.eye(3)
    structure[0, 1] = structure[1, 0] = 0.9
    for groups in (4, 5):
        kept = {"tasks": [0, 1, 2], "rows": groups, "cosines": [structure.tolist()] * groups}
        found = pull_from_record({"tasks": ["a", "b", "c"], "pull": kept})
        assert found is not None
        assert found.can_tell == (groups == 5) == bool(found.pairs())


def strangers_said(made: dict) -> list[str]:
    return [s.key for s in describe_evidence(evidence_from_record(made)) if s.key != "says.own_skill"]


def test_tasks_that_pull_the_same_way_are_told_beyond_chance_only() -> None:
    pair = np.full((5, 5), 0.1)
    pair[1, 3] = pair[3, 1] = 0.5
    found = evidence_from_record(pulls(pair, 0.1, 0))
    assert [(a, b) for a, b, _ in found.pull.pairs()] == [("task 1", "task 3")]
    said = [s for s in describe_evidence(found) if s.key == "says.pull_pair"]
    assert [(s.values["first"], s.values["second"]) for s in said] == [("task 1", "task 3")]
    assert f"(cosine {found.pull.cosine.loc['task 1', 'task 3']:.2f})" in said[0].text  # the number of the picture
    chance = [evidence_from_record(pulls(np.full((5, 5), 0.4), 0.2, seed)).pull for seed in range(40)]
    assert sum(bool(one.pairs()) for one in chance) <= 6  # 5 % of 40 and what chance allows
    strangers = {**pulls(np.full((5, 5), 0.02), 0.2, 0), "without_common": [change(LARGE)] * 5}
    assert strangers_said(strangers) == ["says.needs_common", "says.shared_apart"]  # needing the same is no kinship
    assert strangers_said({**strangers, "pull": None}) == ["says.needs_common"]
    weak = np.full((5, 5), 0.02)
    weak[1, 3] = weak[3, 1] = 0.2
    assert evidence_from_record(pulls(weak, 0.01, 0)).pull.pairs() == []  # sure, and too little to speak of
    assert evidence_from_record(record([SMALL] * 2, [SMALL] * 2)).pull is None


def test_rows_of_a_cell_are_those_that_were_asked_the_most_worsened_first(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    examples = [{"prompt": f"text {i}", "target": f"answer {i}", "line": i + 2} for i in range(5)]
    lines = "".join(json.dumps(example) + "\n" for example in examples)
    (tmp_path / "data" / "0.validation.jsonl").write_text(lines, encoding="utf-8")
    nothing = [None] * 3
    made = {
        **record([LARGE] * 2, [SMALL] * 2),
        "places": [[1, 3, 4], []],
        "row_changes": {
            "cells": [[[0.5, -0.2, 1.0], None, None], nothing],
            "without_common": [None, None],
            "without_private": [None, None],
            "borrowed": [[None] * 2] * 2,
        },
    }
    found = evidence_from_record(made)
    rows = changed_rows(tmp_path, found, "mails", "common 1")
    assert rows is not None
    assert [(row.number, row.target) for row in rows] == [(5, "answer 4"), (2, "answer 1"), (4, "answer 3")]
    assert rows[0].percent == pytest.approx(100 * (np.exp(-1.0) - 1))
    assert [row.number for row in both_ends(rows, 2)] == [5, 2]
    assert changed_rows(tmp_path, found, "mails", "private 1") is None
    assert changed_rows(tmp_path, found, "mails", "common 1", borrowed=True) is None  # no task of that name
    assert changed_rows(tmp_path, found, "nobody", "common 1") is None


def many(tasks: int, kinds: int = 10) -> pd.DataFrame:
    """Tasks of ten kinds: alike within a kind."""
    kind = np.arange(tasks) % kinds
    names = [f"task {i}" for i in range(tasks)]
    values = np.where(kind[:, None] == kind[None], 0.9, 0.1)
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, index=names, columns=names)


def test_three_hundred_tasks_become_groups_that_hold_every_task_once() -> None:
    groups = view_tasks(many(300))
    assert len(groups) == 10 <= GROUPS
    assert sorted(name for members in groups.values() for name in members) == sorted(many(300).index)
    assert all(len({int(name.split()[1]) % 10 for name in members}) == 1 for members in groups.values())
    one = view_tasks(many(300), group=next(iter(groups)))
    assert list(one.values()) == [[name] for name in next(iter(groups.values()))]


def test_few_tasks_are_rows_of_their_own_and_a_search_goes_over_all() -> None:
    assert len(view_tasks(many(MOST_ROWS))) == MOST_ROWS
    found = view_tasks(many(300), search="TASK 29")
    assert set(found) == {"task 29", *(f"task {i}" for i in range(290, 300))}
    assert view_tasks(many(300), search="no such") == {}


def test_rows_of_groups_are_means_of_their_members() -> None:
    similarity = many(300)
    groups = group_tasks(similarity)
    square = view_square(similarity, groups)
    np.testing.assert_allclose(np.diag(square), 0.9)  # the members among each other, none with itself
    assert square.iloc[0, 1] == pytest.approx(0.1)
    alone = view_square(similarity, {"task 0": ["task 0"], "task 1": ["task 1"]})
    np.testing.assert_allclose(alone, [[1.0, 0.1], [0.1, 1.0]])
    table = pd.DataFrame({"common 1": np.arange(300.0)}, index=similarity.index)
    rows = view_rows(table, {"some": ["task 2", "task 4"], "one": ["task 7"]})
    assert list(rows["common 1"]) == [3.0, 7.0]

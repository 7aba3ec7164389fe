"""Two runs on the same rows: the tests agree with scipy and statsmodels' definitions, the words with the tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from core.base.errors import RunError
from core.base.files import write_json_atomic
from core.evaluation.intervals import holm
from core.insight.compare import (
    OTHER,
    compare_runs,
    comparison_frame,
    confusion_matrix,
    describe_comparison,
    describe_coverage,
    describe_labels,
    describe_standings,
    worst_labels,
)
from core.runs.folder import RunFolder
from core.tasks.dataset import SAVED_TASKS
from core.tasks.spec import TaskSpec
from tests.staged_runs import stages, write_stage


def write_run(path: Path, answers: dict[str, list[dict[str, Any]]], metric: str = "accuracy") -> Path:
    (path / "predictions").mkdir(parents=True)
    tasks = [{"index": i, "task_id": f"t{i}", "name": name, "metric": metric} for i, name in enumerate(answers)]
    (path / "run.json").write_text(json.dumps({"run_id": path.name, "tasks": tasks}), encoding="utf-8")
    for index, rows in enumerate(answers.values()):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (path / "predictions" / f"{index}.jsonl").write_text(text, encoding="utf-8")
    return path


def rows(right: list[bool]) -> list[dict[str, Any]]:
    answers = ["yes" if ok else "no" for ok in right]
    return [{"row": i, "prompt": "p", "target": "yes", "tuned": answer} for i, answer in enumerate(answers)]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """On "mails" the second run is right on 20 rows more; on "calls" they differ in two rows either way."""
    mails = [True] * 50 + [False] * 50
    first = write_run(tmp_path / "a", {"mails": rows(mails), "calls": rows([True, True, False, False] * 5)})
    better = [True] * 48 + [False] * 2 + [True] * 22 + [False] * 28
    second = write_run(tmp_path / "b", {"calls": rows([True, False, True, False] * 5), "mails": rows(better)})
    return first, second


def test_the_test_is_mcnemars_exact_one(pair: tuple[Path, Path]) -> None:
    found = {c.task: c for c in compare_runs(*pair)}
    mails = found["mails"]
    assert (mails.only_first, mails.only_second) == (2, 22)
    assert mails.difference.value == pytest.approx(0.20)
    assert mails.p == pytest.approx(binomtest(22, 24, 0.5).pvalue)
    assert mails.p_adjusted == pytest.approx(2 * mails.p)
    assert mails.is_sure
    assert found["calls"].p == 1.0
    assert not found["calls"].is_sure
    backwards = {c.task: c for c in compare_runs(*reversed(pair))}
    assert backwards["mails"].p == mails.p
    assert backwards["mails"].difference.value == pytest.approx(-0.20)


def test_words_follow_the_test(pair: tuple[Path, Path]) -> None:
    texts = [s.text for s in describe_comparison(compare_runs(*pair))]
    assert texts[0].startswith("On mails the second run is better by 20.0 points")
    assert "cannot tell the two runs apart" in texts[1]
    frame = comparison_frame(compare_runs(*pair))
    assert list(frame["n"]) == [100, 20]


def test_only_rows_that_both_answered_count(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", {"mails": rows([True] * 30)})
    half = write_run(tmp_path / "b", {"mails": rows([False] * 30)[10:]})
    assert compare_runs(first, half)[0].difference.n == 20
    other = rows([True] * 30)
    for row in other:
        row["row"] += 100
    with pytest.raises(RunError, match="different exam rows of mails"):
        compare_runs(first, write_run(tmp_path / "c", {"mails": other}))
    with pytest.raises(RunError, match="no task in common"):
        compare_runs(first, write_run(tmp_path / "d", {"calls": rows([True])}))


def test_graded_metrics_use_the_paired_bootstrap(tmp_path: Path) -> None:
    good = [{"row": i, "prompt": "p", "target": "k l m n", "tuned": "k l m"} for i in range(30)]
    bad = [{**row, "tuned": "k x"} for row in good]
    first = write_run(tmp_path / "a", {"notes": good}, "token_f1")
    found = compare_runs(first, write_run(tmp_path / "b", {"notes": bad}, "token_f1"))[0]
    assert found.only_first is None
    assert found.difference.value == pytest.approx(2 / 6 - 6 / 7)
    assert found.is_sure


def test_holm_agrees_with_its_definition() -> None:
    p = [0.01, 0.04, 0.03, 0.5]
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.5])


def test_confusions_and_worst_labels(tmp_path: Path) -> None:
    """Labels stand as they are written most often, whatever their case in one row."""
    answers = [("Card", "card")] * 6 + [("card", "loan")] * 2 + [("loan", "loan")] * 3 + [("loan", "Nonsense!")]
    records = [{"row": i, "prompt": "p", "target": t, "tuned": a} for i, (t, a) in enumerate(answers)]
    run = write_run(tmp_path / "a", {"mails": records})
    table = confusion_matrix(run, "mails")
    assert table.loc["Card", "loan"] == 2
    assert table.loc["loan", OTHER] == 1
    assert table.to_numpy().sum() == len(answers)
    worst = worst_labels(run, "mails")
    assert list(worst["label"]) == ["Card", "loan"]
    assert list(worst["instead"]) == ["loan", OTHER]
    assert list(worst["recall"]) == [0.75, 0.75]


def test_a_label_that_the_exam_lacks_is_a_label(tmp_path: Path) -> None:
    """All was taken for a third label of the task, which no exam row has: that is not "(no label)"."""
    records = [
        {"row": i, "prompt": "p", "target": t, "tuned": "Transfer"} for i, t in enumerate(["card", "loan"] * 3)
    ]
    run = write_run(tmp_path / "a", {"mails": records})
    columns = {"inputs": ("text",), "targets": ("label",), "instruction": "", "template": "{text}"}
    labels = ("Transfer", "card", "loan")
    spec = TaskSpec("t", "mails", **columns, metric="accuracy", kind="classification", labels=labels)
    RunFolder(run).data_dir.mkdir()
    write_json_atomic(RunFolder(run).data_dir / SAVED_TASKS, [spec.as_dict()])
    assert list(worst_labels(run, "mails")["instead"]) == ["Transfer", "Transfer"]
    assert OTHER not in confusion_matrix(run, "mails").loc["card"][lambda counts: counts > 0].index
    (said,) = describe_coverage(run, "mails")
    assert said.text == "The exam asks for 2 labels of 3; of the others nothing is known (Transfer)."
    right = pd.DataFrame([{"label": "card", "n": 1, "right": 1, "recall": 1.0, "instead": ""}])
    assert [one.key for one in describe_labels(right)] == ["says.labels_fine"]
    assert describe_labels(right, [said]) == [said]  # not: every label is answered right


def test_better_than_a_broken_model_is_not_called_good(tmp_path: Path) -> None:
    """One label to everything against what a guess gets: both verdicts stand beside the difference."""
    staged = {stage.name: stage for stage in stages()}
    collapsed = write_stage(staged["collapsed"], tmp_path / "a")
    good = write_stage(replace(staged["collapsed"], tuned=staged["good"].tuned), tmp_path / "b")
    found = compare_runs(collapsed, good)
    assert found[0].is_sure
    said = describe_standings(collapsed, good, found)
    assert [one.key for one in said] == ["says.first_stands"]
    assert "stays “broken”" in said[0].text
    back = describe_standings(good, collapsed, compare_runs(good, collapsed))
    assert [one.key for one in back] == ["says.second_stands"]
    assert describe_standings(good, good, compare_runs(good, good)) == []

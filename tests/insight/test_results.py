"""Exam tables and sentences from a hand-made run folder."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import RunError
from core.base.files import write_json_atomic
from core.evaluation.intervals import Difference, Score
from core.evaluation.results import build_results
from core.insight.means import describe_mean, mean_guess, mean_scores
from core.insight.results import ANSWER_COLUMNS, doubt_of, read_answers, read_scores, score_frame, scores_value
from core.tasks.dataset import TaskDataset
from core.tasks.spec import TaskSpec


def spec(name: str) -> TaskSpec:
    return TaskSpec(f"t-{name}", name, ("text",), ("label",), "", "{text}", "accuracy", "classification")


def answers(right_base: int, right_tuned: int, n: int) -> list[dict[str, Any]]:
    """n answers, of which the first few are right by the base and the last few by the tuned model."""
    return [
        {
            "row": i,
            "line": i + 1,
            "prompt": f"Question {i}",
            "target": f"t{i}",
            "base": f"t{i}" if i < right_base else "no",
            "tuned": f"t{i}" if i >= n - right_tuned else "no",
        }
        for i in range(n)
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three tasks: clearly better, the same, and one that was examined without the base model."""
    tables = {0: answers(5, 50, 60), 1: answers(10, 11, 20), 2: answers(0, 3, 4)}
    for record in tables[2]:
        del record["base"]
    (tmp_path / "predictions").mkdir()
    for index, rows in tables.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "predictions" / f"{index}.jsonl").write_text(text, encoding="utf-8")
    specs = (spec("mails"), spec("calls"), spec("notes"), spec("unseen"))
    write_json_atomic(tmp_path / "results.json", build_results(TaskDataset(specs, {}), tmp_path / "predictions"))
    tasks = [{"index": i, "task_id": s.task_id, "name": s.name, "metric": s.metric} for i, s in enumerate(specs)]
    write_json_atomic(tmp_path / "run.json", {"run_id": "r", "tasks": tasks})
    return tmp_path


def test_scores_are_those_of_the_answers(run: Path) -> None:
    scores = {s.task: s for s in read_scores(run)}
    assert list(scores) == ["mails", "calls", "notes"]  # a task without answers has no score
    assert scores["mails"].tuned.value == pytest.approx(50 / 60)
    assert scores["mails"].base is not None
    assert scores["mails"].change == pytest.approx(45 / 60)
    assert scores["mails"].is_sure
    assert not scores["calls"].is_sure
    assert scores["notes"].change is None
    frame = score_frame(list(scores.values()))
    assert list(frame["task"]) == ["mails", "calls", "notes"]
    assert math.isnan(frame["base"][2])
    assert frame["tuned_low"][0] < frame["tuned"][0] < frame["tuned_high"][0]
    assert mean_scores(list(scores.values()))[0] is None
    assert scores_value(list(scores.values()))[1]["difference"]["n"] == 20
    json.dumps(scores_value(list(scores.values())), allow_nan=False)


def test_the_mean_is_said_against_guessing_where_a_guess_was_measured(run: Path) -> None:
    scores = read_scores(run)
    (said,) = describe_mean(scores)
    assert said.text.startswith("Averaged over 3 tasks the trained model scores 71.1 (95 % by exam rows: ")
    both = [s for s in scores if s.base]
    assert describe_mean(both)[0].text.startswith("Averaged over 2 tasks the score went from the untouched model's")
    assert describe_mean(scores[:1]) == []
    guessed = [replace(s, best_guess="copy", guesses={"copy": Score(0.25, 0.1, 0.4, 60)}) for s in both]
    assert "the best guesses 25.0 and the untouched model" in describe_mean(guessed)[0].text
    assert mean_guess([*guessed, scores[2]]) is None


@pytest.mark.parametrize(
    ("low", "high", "n", "said"),
    [
        (0.1, 0.3, 60, "On average it scores 20.0 above guessing (12.9 to 27.1)."),
        (-0.3, -0.1, 60, "On average it scores 20.0 below guessing (12.9 to 27.1)."),
        (-0.1, 0.3, 60, "cannot be told from these exam rows (difference -4.1 to +24.1)"),
        (0.1, 0.3, 19, "is not said: a task has fewer than 20 exam rows"),
    ],
)
def test_a_mean_is_more_than_guessing_only_beyond_its_interval(
    run: Path, low: float, high: float, n: int, said: str
) -> None:
    """Two tasks with the same gain: the mean's interval is 1/sqrt(2) as wide, and nothing is sure of few rows."""
    gain = Difference((low + high) / 2, low, high, 0.001, n)
    guesses = {"copy": Score(0.25, 0.1, 0.4, 60)}
    scores = [replace(s, best_guess="copy", guesses=guesses, gain=gain) for s in read_scores(run)[:2]]
    assert said in describe_mean(scores)[1].text


def test_answers_are_filtered_and_searched(run: Path) -> None:
    everything = read_answers(run, "mails")
    assert list(everything.columns) == ANSWER_COLUMNS
    assert len(everything) == 60
    wrong, fixed, broken = (read_answers(run, "mails", kind) for kind in ("wrong", "fixed", "broken"))
    assert (len(wrong), len(fixed), len(broken)) == (10, 50, 5)
    assert (wrong["tuned_score"] == 0).all()
    assert set(fixed["row"]) == set(range(10, 60))
    assert set(broken["row"]) == set(range(5))
    assert list(read_answers(run, "mails", search="QUESTION 17")["row"]) == [17]
    assert list(read_answers(run, "mails", search="(")["row"]) == []


def test_without_the_base_model_nothing_counts_as_fixed(run: Path) -> None:
    assert len(read_answers(run, "notes")) == 4
    assert len(read_answers(run, "notes", "wrong")) == 1
    assert len(read_answers(run, "notes", "fixed")) == 0


def test_missing_results_are_worded(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no exam results"):
        read_scores(tmp_path / "other")
    with pytest.raises(RunError, match="mails, calls, notes, unseen"):
        read_answers(run, "nothing")
    with pytest.raises(RunError, match="no exam answers for unseen"):
        read_answers(run, "unseen")
    with pytest.raises(RunError, match="all, wrong, fixed, broken, flagged"):
        read_answers(run, "mails", "odd")


def test_a_difference_that_is_not_sure_says_why() -> None:
    """In the table, the report, the card and on the command line: four rows that are all right are four rows."""
    few, open_, sure, same = ((1.0, 0.3, 4), (0.1, -0.1, 100), (0.5, 0.4, 100), (0.0, -0.1, 100))
    keys = []
    for value, low, n in (few, open_, sure, same):
        said = doubt_of(Difference(value, low, 1.0, 0.01, n))
        keys.append(said and said.key)
    assert keys == ["unsure.few", "unsure.chance", None, None]
    assert doubt_of(None) is None

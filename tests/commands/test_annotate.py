"""`annotate`: an unlabelled file is ranked, and what a person says of its rows becomes practice, named as such."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.asking.annotate_model import PoolAsker, PoolRow, PoolTask, draw_rows
from core.insight.annotation import question_key, read_queue
from core.runs.folder import RunFolder
from core.tasks.changing.editing import ORIGIN
from core.tasks.dataset import load_saved_dataset
from core.tasks.store import get_task, read_rows, task_dir
from core.workspace import Project, Workspace
from tests.commands.conftest import Outcome, Run


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Eight new texts, one of them twice, one row without a text, and one that the tasks hold already."""
    texts = [f"a new message {i}" for i in range(8)] + ["a new message 3", "  ", "message 1 of task 0"]
    path = tmp_path / "pool.csv"
    path.write_text("text,from\n" + "".join(f"{text},Ann\n" for text in texts), encoding="utf-8")
    return path


def project_of(home: Path) -> Project:
    return Workspace(home).list_projects()[0]


def practice(home: Path, task: str) -> list[dict[str, str]]:
    project = project_of(home)
    return [row for _, row in read_rows(task_dir(project, get_task(project, task).task_id), "train")]


def refused(outcome: Outcome) -> str:
    assert outcome.code == 2
    assert "unexpected" not in outcome.err
    return outcome.err


def test_a_task_with_few_new_rows_is_asked_too_and_lines_tell_questions_apart() -> None:
    rows = [PoolRow(line, {}, "") for line in range(1, 901)]
    pool = draw_rows([PoolTask(0, "many", rows, 0), PoolTask(1, "few", rows[-3:], 0)], 10, 0)
    assert [len(part.rows) for part in pool] == [10, 3]
    assert {row.line for row in pool[0].rows} > {row.line for row in pool[1].rows}
    assert question_key([" if  a: \r\n    b"]) == question_key(["if a:\n    b\n"])
    assert len({question_key([text]) for text in ("if a:\n    b", "if a:\nb", "if a: b")}) == 3


def test_from_a_file_without_answers_to_practice_rows(
    run: Run, home: Path, run_id: str, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranked in the order of doubt; accepted and corrected rows are practised with their origin, undo works."""
    assert "Nothing was ranked" in refused(run("annotate", run_id, "--task", "task 0"))
    before = practice(home, "task 0")
    words = ("annotate", run_id, "--task", "task 0", "--pool", pool, "--by", "mean", "--budget", 5, "--json")
    assert not run(*words).value["tasks"]["task 0"]["is_checked"]  # on a handful of check rows
    monkeypatch.setattr("core.asking.annotate_model.FEW", 1)
    found = run(*words)
    queue = found.value["tasks"]["task 0"]
    assert (queue["asked"], queue["known"], queue["run_id"], queue["is_checked"]) == (8, 2, run_id, True)
    assert [(note["key"], note["values"]["rows"]) for note in queue["notes"]] == [("questions.blank", 1)]
    rows = queue["candidates"]
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(row["answer"] in ("yes", "no") for row in rows)
    assert all(0 <= row["disagreement"] <= 1 and 0.5 <= row["confidence"] <= 1 for row in rows)
    worth = [(1 - row["confidence"] + row["disagreement"]) / 2 for row in rows]
    assert worth == sorted(worth, reverse=True)

    other = "yes" if rows[1]["answer"] == "no" else "no"
    words = ("--accept", 1, "--correct", f"2={other}", "--skip", 3)
    told = run("annotate", run_id, "--task", "task 0", *words).out
    assert "2 of 5 open" in told
    assert "sure %" in told
    assert "1 row has no text for text and was left out" in told
    assert "2 practice rows more" in told
    fresh = practice(home, "task 0")[len(before) :]
    assert [(row["text"], row["label"], row[ORIGIN]) for row in fresh] == [
        (rows[0]["inputs"]["text"], rows[0]["answer"], f"accepted: {run_id}"),
        (rows[1]["inputs"]["text"], other, f"corrected: {run_id}"),
    ]
    assert "settled already" in refused(run("annotate", run_id, "--task", "task 0", "--skip", 1))
    assert "is new" not in refused(run("annotate", run_id, "--task", "task 0", "--correct", "4=perhaps"))
    queue = read_queue(project_of(home), "task 0")
    assert "99" in refused(run("annotate", run_id, "--task", "task 0", "--accept", 4, "--accept", 99))
    assert "twice" in refused(run("annotate", run_id, "--task", "task 0", "--accept", 4, "--skip", 4))
    assert read_queue(project_of(home), "task 0") == queue
    assert practice(home, "task 0")[len(before) :] == fresh
    again = run("annotate", run_id, "--task", "task 0", "--correct", f"1={other}").out  # replaces the first answer
    assert ("0 practice rows more. 1 practice row has another answer." in again) == (rows[0]["answer"] != other)
    assert f"from pool.csv by {run_id}" in again
    assert [row["label"] for row in practice(home, "task 0")[len(before) :]] == [other, other]
    run("annotate", run_id, "--task", "task 0", "--correct", "4=perhaps", "--new-label")
    assert practice(home, "task 0")[-1]["label"] == "perhaps"
    for _ in range(4):
        run("task", "undo", "Desk", "task 0")
    assert practice(home, "task 0") == before
    again = run("annotate", run_id, "--task", "task 0", "--pool", pool, "--json").value["tasks"]["task 0"]
    assert {row["state"] for row in again["candidates"]} == {"open"}  # what was taken back is asked about again


def test_several_tasks_are_asked_about_one_file(run: Run, home: Path, run_id: str, pool: Path) -> None:
    """About the same lines of it, where it has more than are to be asked."""
    names = ("task 0", "task 1")
    words = [word for name in names for word in ("--task", name)]
    chosen = ("--by", "pareto", "--budget", 3, "--rows", 4)
    found = run("annotate", run_id, *words, "--pool", pool, *chosen, "--json").value["tasks"]
    drawn = [note["values"] for name in names for note in found[name]["notes"] if note["key"] == "annotate.drawn"]
    assert [one["rows"] for one in drawn] == [8, 9]
    assert [one["asked"] for one in drawn] == [found[name]["asked"] for name in names]
    assert found["task 1"]["asked"] == 4
    lines = [[row["line"] for row in found[name]["candidates"]] for name in names]
    assert len(lines[1]) == 3
    assert set(lines[0]) <= set(lines[1])  # the row that task 0 knows is new to task 1
    assert "task 0, task 1" in refused(run("annotate", run_id, *words, "--accept", 1))


def test_rows_with_two_columns_and_free_answers(run: Run, home: Path, run_id: str, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    asked = [{"question": f"who is {i}", "context": f"nobody 号 {i}"} for i in range(3)]
    asked[1]["context"] = "somebody " * 2000
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in asked), encoding="utf-8")
    outcome = run("annotate", run_id, "--task", "pairs", "--pool", path, "--json")
    assert "Token indices" not in outcome.err  # transformers' own warning
    queue = outcome.value["tasks"]["pairs"]
    rows = queue["candidates"]
    assert (len(rows), queue["is_checked"]) == (3, False)
    assert [note["message"] for note in queue["notes"]] == [
        "1 row is longer than the run reads: it was read without a part of the text."
    ]
    assert [row["line"] for row in rows if row["is_cut"]] == [2]
    assert "likely % (not checked)" in run("annotate", run_id, "--task", "pairs").out
    assert all(0 <= row["confidence"] <= 1 for row in rows)
    run("annotate", run_id, "--task", "pairs", "--correct", "2=nobody = 1")
    kept = practice(home, "pairs")[-1]
    assert (kept["question"], kept["answer"]) == (rows[1]["inputs"]["question"], "nobody = 1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pool", "missing.csv"), "missing.csv"),
        (("--by", "best", "--pool", "{pool}"), "best"),
        (("--budget", 0, "--pool", "{pool}"), "budget"),
        (("--rows", 0, "--pool", "{pool}"), "rows"),
        (("--pool", "{pool}", "--accept", 1), "at once"),
        (("--accept", 99), "99"),
        (("--correct", "no"), "N=ANSWER"),
        (("--correct", "1= "), "no answer"),
        (("--task", "nothing"), "nothing"),
        (("--pool", "{known}"), "nothing new"),
        (("--pool", "{other}"), "text"),
    ],
)
def test_mistakes_are_worded(
    run: Run, home: Path, run_id: str, pool: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "known.csv").write_text("text\nmessage 1 of task 1\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("a,b\nx,y\nu,v\n", encoding="utf-8")
    places = {"pool": pool, "known": tmp_path / "known.csv", "other": tmp_path / "other.csv"}
    if read_queue(project_of(home), "task 1") is None:
        run("annotate", run_id, "--task", "task 1", "--pool", pool)
    given = [str(word).format(**places) for word in words]
    task = () if "--task" in given else ("--task", "task 1")
    queue = read_queue(project_of(home), "task 1")
    assert said in refused(run("annotate", run_id, *task, *given))
    assert read_queue(project_of(home), "task 1") == queue


def test_what_is_believed_without_a_skill_is_that_of_the_skill_at_zero(home: Path, run_id: str) -> None:
    """Confidence is the likeliest label's; a task's own private skill counts, another task's does not."""
    folder = RunFolder(next(home.glob(f"projects/*/runs/{run_id}")))
    asker = PoolAsker(folder, lambda done, total: None)
    skills = asker._model.adapter.skills()
    assert [skills[column].task for column in asker._columns(1)] == [None, None, None, 1]
    found = asker.ask(1, ["message 5 of task 1", "message 6"], 1)
    assert all(one.disagreement > 0 for one in found)
    for parameter in asker._model.adapter.parameters():
        parameter.data.zero_()
    assert [one.disagreement for one in asker.ask(1, ["message 5 of task 1"], 1)] == [0.0]
    assert load_saved_dataset(folder.data_dir).names()[1] == "task 1"

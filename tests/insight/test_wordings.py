"""The exam in every wording of a task, on a tiny run: the usual one scores what the exam did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.results.wordings_panel import outcome_view
from core.asking.wording_answers import Asking, ask_wordings, corrected, reword
from core.base.errors import RunError, SettingError
from core.commands.wordings import wordings
from core.evaluation.intervals import Difference, Score
from core.insight.expecting import expect_wordings
from core.insight.wordings import TaskWordings, Wording, describe_wordings, read_wordings
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset, save_dataset
from core.training.reexamination import examine_again
from tests.serving.conftest import make_trained_run, tiny_llama_dir  # noqa: F401  a fixture

MORE = {
    "task 0": ("Look at this, then say yes or no.\n{text}\nWhich?", "{text}"),
    "pairs": ("{context}\n{instruction}\n{question}", "About {topic}: {question}"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> RunFolder:  # noqa: F811
    """Its first task and its last have further wordings, one of which asks for a column that is not kept."""
    made = RunFolder(make_trained_run(tmp_path_factory.mktemp("workspace"), tiny_llama_dir))
    few = {"precision": "float32", "max_new_tokens": 4, "exam_general": False, "exam_base": False, "exam_rows": 3}
    made.write_config(replace(made.read_config(), **few))
    dataset = load_saved_dataset(made.data_dir)
    tasks = tuple(replace(spec, templates=MORE.get(spec.name, ())) for spec in dataset.tasks)
    save_dataset(replace(dataset, tasks=tasks), made.data_dir)
    return made


def ask(folder: RunFolder, **given: Any) -> dict[str, Any]:
    args = {"task": None, "rows": 200, "again": False, "json": True, "workspace": str(folder.workspace_dir)}
    return wordings(SimpleNamespace(run=folder.run_id, **{**args, **given})).value  # type: ignore[arg-type]


def test_the_usual_wording_scores_what_the_exam_did(folder: RunFolder) -> None:
    results = examine_again(folder, folder.read_config(), SimpleNamespace(event=lambda *a, **k: None))  # type: ignore[arg-type]
    seen: list[tuple[int, int]] = []
    ask_wordings(folder.path, ["task 0", "pairs"], 200, lambda done, total: seen.append((done, total)))
    assert seen == [(place, 5) for place in range(1, 6)]
    found = read_wordings(folder.path)
    examined = {task["name"]: task["tuned"] for task in results["tasks"]}
    for name, one in found.items():
        assert one.rows == 3 < one.all_rows  # the exam's own rows, no more
        assert one.wordings[0].score is not None
        assert one.wordings[0].score.as_dict() == examined[name]
    assert [w.lacks for w in found["pairs"].wordings] == ["", "", "topic"]
    assert found["pairs"].wordings[2].score is None
    said = [s.key for s in describe_wordings(folder.read_tasks(), found)]
    tail = ["says.wordings_spread", "says.wordings_unsure", "says.wordings_lacks", "says.wordings_one"]
    assert said == ["says.wordings_spread", "says.wordings_unsure", *tail]  # three rows are never sure
    assert expect_wordings(folder.path, 3).answers == 3 * 3 + 3 * 3


def test_a_kept_row_is_written_anew_as_its_own_row_would_have_been(folder: RunFolder) -> None:
    asking = Asking(folder, 2)
    spec = replace(asking.dataset.tasks[0], system="Be brief.")
    row = asking._rows(0)[0]
    text = row.prompt[row.values[0][1] : row.values[0][2]]
    assert text.startswith("message ")
    assert reword(asking.dataset.tasks[0], row, spec.template) == row.prompt
    again = reword(spec, row, "{text} ({{x}}) {text}")
    assert again.endswith(f"{text} ({{x}}) {text}")
    assert again.startswith("Be brief.")
    given = asking._answers(0, [reword(asking.dataset.tasks[0], row, MORE["task 0"][0])])
    assert given[0] in ("yes", "no")  # chosen among the labels, as in the exam


def test_the_command_asks_once_and_a_task_of_one_wording_says_how_to_add_some(folder: RunFolder) -> None:
    alone = ask(folder, task="task 1")  # no model is asked
    assert alone["tasks"] == []
    assert alone["sentences"][0].startswith("One wording only: task 1. Add others")
    first = ask(folder, task="task 0", rows=2, again=True)
    assert first["tasks"][0]["rows"] == 2
    path = folder.probe_path("wordings")
    stamp = path.stat().st_mtime_ns
    assert ask(folder, task="task 0")["tasks"] == first["tasks"]
    assert path.stat().st_mtime_ns == stamp
    with pytest.raises(RunError, match="task 0"):
        ask(folder, task="nobody")
    with pytest.raises(SettingError, match="rows is 0"):
        ask(folder, rows=0, again=True)


def test_only_what_is_more_than_chance_is_called_better_or_worse(folder: RunFolder) -> None:
    usual = Wording(1, "a", Score(0.7, 0.6, 0.8, 100))
    lower = Wording(2, "<b>", Score(0.5, 0.4, 0.6, 100), Difference(-0.2, -0.3, -0.1, 0.001, 100))
    alike = Wording(3, "c", Score(0.71, 0.6, 0.8, 100), Difference(0.01, 0.001, 0.02, 0.04, 100))
    higher = Wording(4, "d", Score(0.9, 0.8, 1.0, 100), Difference(0.2, 0.1, 0.3, 0.001, 100))
    found = TaskWordings("task 0", "accuracy", 100, 400, corrected([usual, lower, alike, higher]))
    assert [w.p_adjusted for w in found.wordings] == pytest.approx([1.0, 0.003, 0.04, 0.003])
    unsure = corrected([usual, alike, replace(alike, number=3), lower])
    assert [w.is_sure for w in unsure] == [False, False, False, True]  # 0.04 is no finding among three
    specs = folder.read_tasks()[:1]
    assert [s.text for s in describe_wordings(specs, {"task 0": found})][:2] == [
        "task 0: asked in 4 wordings on 100 of 400 exam rows, the score lies between 50.0 and 90.0; "
        "the usual wording has 70.0.",
        "task 0: wording 2 scores 20.0 points below the usual one, which is more than chance.",
    ]
    shown = outcome_view(specs, {"task 0": found})
    assert "-20.0*" in shown
    assert "&lt;b&gt;" in shown
    nothing = {"task 0": TaskWordings("task 0", "accuracy", 0, 0, (Wording(1, "a"), Wording(2, "b")))}
    assert [s.key for s in describe_wordings(specs, nothing)] == ["says.wordings_no_rows"]

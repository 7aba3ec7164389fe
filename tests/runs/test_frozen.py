"""A skill of an earlier run is taken over bit for bit and never trained; what cannot be is said before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.base.errors import RunError
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.frozen import check_frozen, read_frozen
from core.runs.ready import ready_report
from core.runs.rerun import run_again
from core.runs.skill_names import name_skill, read_names
from core.runs.states import RunStatus
from core.training.session import train_run
from core.workspace import Project
from tests.toy_project import ListJournal, build_toy_project, quick_config, quick_run

DECAY: dict[str, Any] = {"weight_decay": 0.1, "learning_rate_skills": 0.01, "exam_rows": 0}


def commons(folder: RunFolder) -> torch.Tensor:
    return load_file(folder.weights_path)["bank.common"]


def trained(project: Project, model: Path, **changes: Any) -> RunFolder:
    folder = quick_run(project, model, **{**DECAY, **changes})
    train_run(folder, folder.read_config(), ListJournal())
    if folder.read_done() is None:
        folder.write_done({"state": "succeeded", "ended": 0.0, "failure": None, "stopped_early": False})
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> tuple[Project, RunFolder]:
    project = build_toy_project(tmp_path_factory.mktemp("frozen"), rows=60)
    return project, trained(project, tiny_llama, seed=1)


def test_frozen_skills_are_equal_to_the_bit_after_both_stages_and_the_others_learn(first, tiny_llama) -> None:
    project, source = first
    name_skill(source.path, "common 2", "dates")
    second = trained(project, tiny_llama, seed=2, freeze_skills=f"{source.run_id} | dates")
    before, after = commons(source), commons(second)
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[0], after[0])
    assert bool(after[0].any())
    assert [(one.run, one.skill, one.place, one.name) for one in read_frozen(second)] == [
        (source.run_id, "common 2", 1, "dates")
    ]
    assert read_names(second.path) == {"common 2": "dates"}


def test_a_run_goes_on_with_its_copy_when_the_earlier_run_is_gone(first, tiny_llama) -> None:
    project, source = first
    wish = f"{source.run_id} | common 1; {source.run_id} | common 3"
    kept = commons(source)
    second = quick_run(project, tiny_llama, **DECAY, seed=3, freeze_skills=wish)
    hidden = source.path.rename(source.path.with_name("away"))
    try:
        train_run(second, second.read_config(), ListJournal())
        assert torch.equal(commons(second)[[0, 2]], kept[[0, 2]])
        second.write_done({"state": "succeeded", "ended": 0.0, "failure": None, "stopped_early": False})
        again = run_again(second, {"seed": 4})
        assert read_frozen(again) == read_frozen(second)
        assert again.frozen_weights_path.read_bytes() == second.frozen_weights_path.read_bytes()
        with pytest.raises(RunError, match="no trained run"):
            quick_run(project, tiny_llama, freeze_skills=wish)
    finally:
        hidden.rename(source.path)


@pytest.mark.parametrize(
    ("wish", "changes", "said"),
    [
        ("{run} | common 1", {}, []),
        ("{run} | common 9", {}, ["skill_name.unknown"]),
        ("{run} | private 1", {}, ["skill_name.unknown"]),
        ("{run}", {}, ["wish.no_skill"]),
        ("r20200101-000000-aaaaaaaa | common 1", {}, ["wish.no_run"]),
        ("../x | common 1", {}, ["wish.no_run"]),
        ("{run} | common 1; {run} | common 1", {}, ["wish.same_place"]),
        ("{run} | common 1", {"adapter.rank": 3}, ["wish.other_setting"]),
        ("{run} | common 1", {"base_model": "starter"}, ["wish.other_base"]),
        ("{run} | common 3", {"adapter.num_common_skills": 2}, ["wish.no_place"]),
        ("{run} | common 1", {"adapter.num_common_skills": 1}, ["wish.all_frozen"]),
        ("{run} | common 2", {"method": "poly"}, []),
        ("{run} | common 2", {"method": "mhr"}, ["wish.other_setting"]),
    ],
)
def test_what_cannot_be_taken_over_is_said_before_the_start(first, tiny_llama, wish, changes, said) -> None:
    project, source = first
    config = quick_config(tiny_llama, **{**changes, "freeze_skills": wish.format(run=source.run_id)})
    problems = check_frozen(project.runs_dir, config)
    assert [problem.key for problem in problems] == said
    assert not any("{" in Sentence(problem.key, problem.values).text for problem in problems)


def test_a_method_without_common_skills_and_an_unfinished_run_are_refused(first, tiny_llama) -> None:
    project, source = first
    config = quick_config(tiny_llama, method="lora", freeze_skills=f"{source.run_id} | common 1")
    assert "wish.cannot_frozen" in [problem.key for problem in ready_report(project, config).problems]
    draft = quick_run(project, tiny_llama)
    draft.write_status(RunStatus(state="draft"))
    config = quick_config(tiny_llama, freeze_skills=f"{draft.run_id} | common 1")
    assert "wish.no_run" in [problem.key for problem in ready_report(project, config).problems]

"""What is asked of a finished run through one loader: a text under the glass, and what its skills add."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.asking.look_model import look_at
from core.asking.measuring import measure_run
from core.asking.trained import load_trained
from core.base.errors import RunError
from core.insight.contribution_table import read_contributions
from core.runs.folder import RunFolder
from tests.serving.conftest import make_trained_run, tiny_llama_dir  # noqa: F401  a fixture


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> Path:  # noqa: F811
    return make_trained_run(tmp_path_factory.mktemp("workspace"), tiny_llama_dir)


def test_a_text_is_looked_at_with_the_models_own_answer_or_a_given_one(run_dir: Path) -> None:
    given = look_at(run_dir, "task 0", "good morning", "yes")
    assert given["answer"] == "yes"
    assert len(given["weights"]) == len(given["layers"])
    assert 0 < given["num_prompt"] < len(given["tokens"])
    own = look_at(run_dir, "task 0", "good morning")
    assert own["answer"] != "yes"
    assert own["weights"] == given["weights"]  # they depend on the task alone
    assert look_at(run_dir, "task 1", "good morning", "yes")["weights"] != given["weights"]


def test_what_the_skills_add_is_measured_again(run_dir: Path) -> None:
    assert read_contributions(run_dir) is None
    measure_run(run_dir)
    assert read_contributions(run_dir) is not None


def test_a_run_without_adapter_and_an_unknown_task_are_refused(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        look_at(run_dir, "task 9", "x", "y")
    assert caught.value.key == "insight.no_task"
    bare = tmp_path / "bare"
    shutil.copytree(run_dir, bare, ignore=shutil.ignore_patterns("adapter"))
    asked = (lambda: look_at(bare, "task 0", "x"), lambda: measure_run(bare), lambda: load_trained(RunFolder(bare)))
    for ask in asked:
        with pytest.raises(RunError) as caught:
            ask()
        assert caught.value.key == "serving.no_adapter"

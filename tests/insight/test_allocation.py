"""Tables read from a hand-made run folder say what the numbers in it say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.adapters import allocation_metrics
from core.adapters.skill import Skill
from core.base.errors import RunError
from core.insight.allocation import (
    Allocation,
    allocation_numbers,
    cluster_order,
    layer_table,
    own_layers,
    read_allocation,
    task_effective_skills,
    task_similarity,
    task_tree,
    uniform_weight,
)
from core.insight.allocation_cuts import pick_layer, task_by_layer
from core.insight.layer_names import tell_layer
from core.insight.sentences import describe_allocation

TASKS = ("intents", "entities", "questions", "summaries")


def hand_made(num_layers: int = 2) -> Allocation:
    """Tasks 0 and 2 lean on common skill 1, tasks 1 and 3 on skill 2; each has one private skill."""
    common = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    private = np.diag([1.0, 1.0, 3.0, 1.0])
    weights = np.repeat(np.hstack([common, private])[None], num_layers, axis=0)
    weights[0, :, :3] = common[:, [0, 1, 2]]
    skills = tuple(Skill(f"common {i + 1}", "common") for i in range(3))
    skills += tuple(Skill(f"private {t}", "private", i) for i, t in enumerate(TASKS))
    return Allocation(tuple(f"layers.{i}" for i in range(num_layers)), TASKS, skills, weights)


def write_run(path: Path, allocation: Allocation) -> Path:
    path.mkdir(parents=True)
    tasks = [{"index": i, "task_id": f"t{i}", "name": name} for i, name in enumerate(allocation.tasks)]
    (path / "run.json").write_text(json.dumps({"run_id": path.name, "tasks": tasks[::-1]}), encoding="utf-8")
    table = {
        "layers": list(allocation.layers),
        "weights": allocation.weights.tolist(),
        "skills": [{"name": s.name, "kind": s.kind, "task": s.task} for s in allocation.skills],
    }
    (path / "allocation.json").write_text(json.dumps(table), encoding="utf-8")
    return path


def test_a_run_folder_gives_the_table_that_was_written(tmp_path: Path) -> None:
    allocation = hand_made()
    read = read_allocation(write_run(tmp_path / "r1", allocation))
    assert read.tasks == TASKS  # by index, although run.json lists them backwards
    assert read.skills == allocation.skills
    np.testing.assert_allclose(read.weights, allocation.weights)
    assert layer_table(read, 0).loc["entities", "common 2"] == pytest.approx(0.8)
    assert layer_table(read, pick_layer(read, "layers.1")).shape == (4, 7)
    assert list(task_by_layer(read, "entities").index) == ["layers.0", "layers.1"]


def test_a_missing_or_wrong_table_is_worded(tmp_path: Path) -> None:
    (tmp_path / "r1").mkdir()
    with pytest.raises(RunError, match="no allocation yet"):
        read_allocation(tmp_path / "r1")
    run = write_run(tmp_path / "r2", hand_made())
    table = json.loads((run / "allocation.json").read_text(encoding="utf-8"))
    table["weights"] = [rows[:-1] for rows in table["weights"]]
    (run / "allocation.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(RunError, match=r"\(2, 3, 7\).*\(2, 4, 7\)"):
        read_allocation(run)
    with pytest.raises(RunError, match="layers\\.0, layers\\.1"):
        layer_table(hand_made(), pick_layer(hand_made(), "layers.9"))


def test_similar_tasks_stand_next_to_each_other() -> None:
    similarity = task_similarity(hand_made())
    assert similarity.loc["intents", "questions"] > similarity.loc["intents", "entities"]
    np.testing.assert_allclose(np.diag(similarity), 1.0)
    np.testing.assert_allclose(similarity, similarity.T)
    order = cluster_order(similarity)
    assert sorted(order) == sorted(TASKS)
    assert {order[0], order[1]} in ({"intents", "questions"}, {"entities", "summaries"})
    assert task_tree(similarity).shape == (3, 4)
    centred = task_similarity(hand_made(), centred=True)
    assert centred.loc["intents", "questions"] > 0.9
    assert centred.loc["intents", "entities"] < -0.9


def test_numbers_at_their_extremes() -> None:
    sharp, flat = np.eye(4), np.full((4, 4), 0.5)
    assert allocation_metrics.discreteness(sharp) == pytest.approx(0.0, abs=1e-9)
    assert allocation_metrics.discreteness(flat) == pytest.approx(1.0)
    assert allocation_metrics.sparsity(sharp) == pytest.approx(0.25)
    assert allocation_metrics.usage(sharp) == pytest.approx(1.0)
    assert allocation_metrics.usage(np.eye(4)[[0, 0, 0]]) == pytest.approx(0.0, abs=1e-9)
    rows = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
    np.testing.assert_allclose(allocation_metrics.effective_skills(rows), [1, 2, 4])


def test_entropy_agrees_with_scipy() -> None:
    from scipy.stats import entropy

    for seed in range(5):
        weights = np.random.default_rng(seed).random(7)
        assert allocation_metrics.entropy(weights) == pytest.approx(entropy(weights / weights.sum()))


def test_cosine_of_a_zero_row_is_zero_and_not_nan() -> None:
    similarity = allocation_metrics.cosine(np.array([[0.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(similarity, np.eye(2))


def test_numbers_of_an_allocation_use_the_entries_before_normalising() -> None:
    allocation = hand_made()
    numbers = allocation_numbers(allocation)
    assert 0 < numbers["discreteness"] < 1
    assert 0 < numbers["usage"] <= 1
    halves = np.full((2, 4, 3), 0.5)
    squashed = Allocation(allocation.layers, TASKS, allocation.skills, allocation.weights, squashed=halves)
    assert allocation_numbers(squashed)["discreteness"] == pytest.approx(1.0)
    assert task_effective_skills(allocation)["intents"] > 1
    assert uniform_weight(allocation) == pytest.approx(1 / 3)


def test_sentences_name_the_skills_and_the_unused_skill() -> None:
    sentences = describe_allocation(hand_made(1))
    texts = [s.text for s in sentences]
    assert "Task intents uses common 1 most." in texts
    assert any("common 3" in t and "half" in t for t in texts)
    assert not any("{" in t for t in texts)


def test_layers_of_a_tasks_own_are_counted() -> None:
    allocation = hand_made()
    allocation.weights[1, 2, 3:] = 0.0
    assert own_layers(allocation) == {"intents": 2, "entities": 2, "questions": 1, "summaries": 2}
    assert own_layers(Allocation(("l",), TASKS, (Skill("shared", "common"),), np.ones((1, 4, 1)))) == {}


def test_sentences_of_a_flat_allocation_and_of_a_single_skill() -> None:
    allocation = hand_made()
    flat = allocation.weights.copy()
    flat[:, :, :3] = 1 / 3
    flat[:, :, 3:] = np.eye(4)
    even = Allocation(allocation.layers, TASKS, allocation.skills, flat)
    assert [s.key for s in describe_allocation(even)] == ["says.all_alike"]
    assert tell_layer(even, 0).key == "says.shown_layer_alike"  # no layer in which the tasks differ most
    assert tell_layer(allocation, 0).key == "says.shown_layer"
    private = Allocation(allocation.layers, TASKS, allocation.skills[3:], allocation.weights[:, :, 3:])
    assert tell_layer(private, 0).key == "says.shown_layer"  # what is not there is not alike
    single = Allocation(("l",), TASKS, (Skill("shared", "common"),), np.ones((1, 4, 1)))
    assert [s.key for s in describe_allocation(single)] == ["says.one_skill"]
    assert cluster_order(task_similarity(single)) != []

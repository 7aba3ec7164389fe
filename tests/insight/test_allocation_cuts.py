"""Cuts through the allocation, its history over training, and measured shares, on tables made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.adapters.skill import Skill
from core.base.errors import RunError
from core.insight import metrics
from core.insight.allocation import Allocation, layer_table, task_similarity, telling_layer
from core.insight.allocation_cuts import (
    ALPHA,
    GATE,
    OWN,
    difference_of_runs,
    gate_part,
    has_gate,
    layer_names,
    num_heads,
    pick_layer,
    task_by_layer,
)
from core.insight.contribution_table import (
    describe_share,
    describe_similarity,
    layer_share,
    output_share,
    read_contributions,
)
from core.insight.likeness import sure_pairs
from core.insight.sentences import describe_allocation, describe_likeness
from core.insight.snapshots import read_snapshots
from core.messages import word
from tests.insight.test_allocation import TASKS, hand_made, write_run


def with_heads() -> Allocation:
    """Two layers with two routing heads each; weights say which row they are in."""
    layers = tuple(f"q.{layer} head {head}" for layer in range(2) for head in (1, 2))
    weights = np.arange(4.0)[:, None, None] + np.zeros((4, 2, 3))
    return Allocation(layers, ("a", "b"), tuple(Skill(f"common {i}", "common") for i in range(3)), weights)


def test_layers_and_routing_heads_are_cut_apart() -> None:
    heads = with_heads()
    assert layer_names(heads) == ["q.0", "q.1"]
    assert num_heads(heads) == 2
    assert num_heads(hand_made()) == 1
    assert (layer_table(heads, pick_layer(heads, "q.1", 2)) == 3.0).all(axis=None)
    assert pick_layer(heads, None, 2) in (1, 3)
    with pytest.raises(RunError, match=r"q\.0, q\.1"):
        layer_table(heads, pick_layer(heads, "q.1", 3))


def test_a_task_over_its_layers_shows_only_the_skills_it_may_use() -> None:
    profile = task_by_layer(hand_made(), "entities")
    assert list(profile.columns) == ["common 1", "common 2", "common 3", "private entities"]
    heads = with_heads()
    assert list(task_by_layer(heads, "b").iloc[:, 0]) == [0.0, 1.0, 2.0, 3.0]
    assert list(task_by_layer(heads, "b", head=2).iloc[:, 0]) == [1.0, 3.0]
    with pytest.raises(RunError, match="intents, entities"):
        task_by_layer(hand_made(), "nobody")


def test_the_two_stages_of_task_adapters_are_shown_apart() -> None:
    alpha, gate = np.array([0.6, 0.4]), np.array([0.5, 0.3, 0.2])
    row = np.concatenate([alpha * gate[0], gate[1:]])
    skills = tuple(Skill(n, "common") for n in ("adapter 1", "adapter 2", "shared 1", "shared 2"))
    allocation = Allocation(("l",), ("a",), skills, row[None, None])
    assert has_gate(allocation)
    assert not has_gate(hand_made())
    table = layer_table(allocation, pick_layer(allocation))
    np.testing.assert_allclose(gate_part(table, ALPHA).to_numpy()[0], alpha)
    np.testing.assert_allclose(gate_part(table, GATE).to_numpy()[0], gate)
    assert list(gate_part(table, GATE).columns) == [OWN, "shared 1", "shared 2"]


def test_no_table_is_a_mean_and_the_layer_that_is_shown_is_the_one_that_tells_most() -> None:
    """Skills of a layer may change places: the mean of two layers that say the same would then be even."""
    told = hand_made()
    flat = np.full_like(told.weights[:1], 1 / 3)
    weights = np.concatenate([flat, told.weights[:1], told.weights[:1][:, :, [1, 0, 2, 3, 4, 5, 6]]])
    layers = ("a.0.q", "a.1.q", "a.2.q")
    allocation = Allocation(layers, told.tasks, told.skills, weights)
    assert telling_layer(allocation) == 1
    np.testing.assert_allclose(layer_table(allocation, pick_layer(allocation)), told.weights[0])
    np.testing.assert_allclose(layer_table(allocation, pick_layer(allocation, "a.0.q")), flat[0])


def test_likeness_of_tasks_does_not_depend_on_the_order_of_skills_in_a_layer() -> None:
    first = hand_made()
    swapped = first.weights.copy()
    swapped[1][:, [0, 1]] = swapped[1][:, [1, 0]]
    second = Allocation(first.layers, first.tasks, first.skills, swapped)
    before, after = task_similarity(first, centred=True), task_similarity(second, centred=True)
    np.testing.assert_allclose(before, after, atol=1e-12)


def planted(blocks: int, seed: int, noise: float) -> Allocation:
    """Six tasks, three skills: the first two lean the same way in every block, in skills of changing numbers."""
    draw = np.random.default_rng(seed)
    weights = draw.normal(0.33, noise, (blocks, 6, 3))
    for block in range(blocks):
        weights[block, :2, draw.integers(3)] += 0.15
    skills = tuple(Skill(f"common {i + 1}", "common") for i in range(3))
    return Allocation(tuple(f"model.{i}.q" for i in range(blocks)), tuple("abcdef"), skills, weights)


def test_a_learned_pair_is_named_and_chance_is_not() -> None:
    for seed in range(5):
        assert sure_pairs(planted(12, seed, 0.03))[0][:2] == ("a", "b")
    skills = planted(2, 0, 0.1).skills
    wrong = 0
    for seed in range(40):
        noise = np.random.default_rng(seed).dirichlet(np.full(3, 9.0), (12, 6))
        layers = tuple(f"model.{i}.q" for i in range(12))
        wrong += bool(sure_pairs(Allocation(layers, tuple("abcdef"), skills, noise)))
    assert wrong <= 5  # 5 % of 40 are two; more than five come once in sixty times


def test_a_pair_that_is_only_less_unlike_than_the_others_is_not_called_alike() -> None:
    """Three tasks that lean to three sides: some pair is the closest for sure, and still nothing alike."""
    lean = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.25, 0.15, 0.6]])
    skills = tuple(Skill(f"common {i + 1}", "common") for i in range(3))
    layers = tuple(f"m.{i}.q" for i in range(12))
    assert sure_pairs(Allocation(layers, tuple("abc"), skills, np.repeat(lean[None], 12, 0))) == []


def of_tasks(count: int, blocks: int, seed: int = 0) -> Allocation:
    """The planted allocation of the first tasks only."""
    whole = planted(blocks, seed, 0.01)
    return Allocation(whole.layers, whole.tasks[:count], whole.skills, whole.weights[:, :count])


@pytest.mark.parametrize(
    ("tasks", "blocks", "key"),
    [
        (6, 1, "says.pairs_one_block"),  # one allocation for the whole model
        (2, 12, "says.pairs_two_tasks"),
        (2, 1, "says.pairs_two_tasks"),
        (3, 2, "says.pairs_few_blocks"),
        (4, 2, "says.pairs_few_blocks"),
    ],
)
def test_what_cannot_be_tested_is_called_neither_alike_nor_unlike(tasks: int, blocks: int, key: str) -> None:
    """Even of a pair that is truly alike; every screen says the same."""
    for seed in range(5):
        allocation = of_tasks(tasks, blocks, seed)
        assert sure_pairs(allocation) is None
        assert [said.key for said in describe_likeness(allocation)] == [key]
        told = describe_allocation(allocation)
        assert [said.key for said in told if said.key not in ("says.task_uses_alone", "says.skill_unused")] == [key]
        for language in ("en", "zh"):
            assert not any("{" in word(said, language) for said in told)


def test_noise_of_one_allocation_names_no_pair() -> None:
    """Ten steps leave noise in the weights, and noise has a closest pair too."""
    skills = planted(2, 0, 0.1).skills
    for seed in range(20):
        noise = np.random.default_rng(seed).dirichlet(np.full(3, 9.0), (1, 6))
        told = describe_allocation(Allocation(("model",), tuple("abcdef"), skills, noise))
        assert not any("nearest" in said.values or "similarity" in said.values for said in told)


def test_where_no_task_has_chosen_yet_no_pair_is_named_beside_it() -> None:
    """A likeness within the noise of a few steps, the same in every block: the map calls it no difference."""
    allocation = planted(12, 0, 0.001)
    faint = Allocation(
        allocation.layers, allocation.tasks, allocation.skills, (allocation.weights - 0.33) / 10 + 1 / 3
    )
    assert sure_pairs(faint)
    for describe in (describe_allocation, describe_likeness):
        assert [said.key for said in describe(faint)] == ["says.all_alike"]


def test_a_pair_in_enough_blocks_is_told_on_both_screens() -> None:
    for describe in (describe_allocation, describe_likeness):
        told = describe(planted(12, 0, 0.03))
        assert (told[0].key, told[0].values["first"], told[0].values["second"]) == ("says.closest_pair", "a", "b")


def test_two_runs_are_compared_whatever_the_order_of_their_skills() -> None:
    first = hand_made()
    swapped = first.weights.copy()
    swapped[:, :, [0, 1]] = swapped[:, :, [1, 0]]
    second = Allocation(first.layers, first.tasks, first.skills, swapped)
    np.testing.assert_allclose(difference_of_runs(first, second), np.zeros((4, 4)), atol=1e-12)
    swapped[:, 0] = swapped[:, 1]  # the first task now does as the second one
    change = difference_of_runs(first, Allocation(first.layers, first.tasks[:3] + ("new",), first.skills, swapped))
    assert list(change.index) == list(TASKS[:3])
    assert change.loc[TASKS[0], TASKS[1]] > 0.5
    stranger = Allocation(("l",), ("x",), (Skill("y", "common"),), np.ones((1, 1, 1)))
    with pytest.raises(RunError, match="fewer than three tasks"):
        difference_of_runs(first, stranger)
    pair = Allocation(first.layers, first.tasks[:2], first.skills, first.weights[:, :2])
    with pytest.raises(RunError):
        difference_of_runs(pair, pair)  # -1 in both, whatever was learned


def write_history(run: Path, snapshots: list[tuple[int, int, np.ndarray]]) -> None:
    """As `core.training.allocation.write_allocation` does."""
    lines, binary = [], b""
    for step, stage, weights in snapshots:
        line = {"step": step, "stage": stage, "weights": weights.mean(0).tolist(), "offset": len(binary)}
        lines.append(json.dumps(line | {"shape": list(weights.shape)}))
        binary += weights.astype(np.float16).tobytes()
    (run / "allocation_history.jsonl").write_text("\n".join(lines) + '\n{"step": 30, "wei', encoding="utf-8")
    (run / "allocation_history.f16").write_bytes(binary)


def test_history_has_every_layer_of_every_moment(tmp_path: Path) -> None:
    final = hand_made()
    run = write_run(tmp_path / "r1", final)
    early = np.full_like(final.weights, 1 / 7)
    write_history(run, [(10, 1, early[:, :, :3]), (20, 2, final.weights)])
    snapshots = read_snapshots(run)
    assert [(a.step, a.stage, len(a.skills)) for a in snapshots] == [(10, 1, 3), (20, 2, 7)]
    np.testing.assert_allclose(snapshots[1].weights, final.weights, atol=1e-3)
    np.testing.assert_allclose(snapshots[0].weights, early[:, :, :3], atol=1e-3)
    assert snapshots[0].layers == final.layers
    np.testing.assert_allclose(snapshots.average(1).weights[0], final.weights.mean(0))
    assert read_snapshots(run) is snapshots  # parsed once
    (run / "allocation_history.f16").unlink()
    assert [a.layers for a in read_snapshots(run)] == [("mean",), ("mean",)]


def test_older_histories_are_still_read(tmp_path: Path) -> None:
    final = hand_made()
    run = write_run(tmp_path / "r1", final)
    mean = final.weights.mean(axis=0)
    lines = [
        {"step": 10, "stage": 1, "weights": mean.tolist()},
        {"step": 15, "stage": 1, "weights": mean.tolist(), "by_layer": final.weights.tolist()},
        {"step": 20, "stage": 2, "weights": final.weights.tolist()},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run / "allocation_history.jsonl").write_text(text, encoding="utf-8")
    layers = [a.layers for a in read_snapshots(run)]
    assert layers == [("mean",), final.layers, final.layers]
    assert len(read_snapshots(tmp_path)) == 0


def test_curves_over_time_follow_the_weights(tmp_path: Path) -> None:
    final = hand_made()
    run = write_run(tmp_path / "r1", final)
    even = final.weights.copy()
    even[:, :, :3] = 1 / 3
    one_hot = final.weights.copy()
    one_hot[:, :, :3] = np.eye(3)[[0, 1, 0, 1]]
    write_history(run, [(0, 1, even), (50, 1, final.weights), (100, 2, one_hot)])
    curves = read_snapshots(run).curves
    assert list(curves["step"]) == [0, 50, 100]
    assert list(curves["sharpness"].round(3))[::2] == [0.0, 1.0]
    assert list(curves["intents"].round(2))[::2] == [3.0, 1.0]
    assert curves["usage"][2] == pytest.approx(np.log(2) / np.log(3), abs=1e-3)  # the third skill is never used


def test_sharpness_and_effective_skills_of_known_rows() -> None:
    weights = np.array([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]])
    assert metrics.sharpness(weights) == pytest.approx(1 - 0.5 * np.log(2) / np.log(3))
    np.testing.assert_allclose(metrics.effective_by_layer(weights), [2.0, 1.0])


def write_contributions(run: Path, private: list[list[float]]) -> None:
    ones = [[1.0, 1.0]] * 2
    parts = {"common": ones, "private": private, "base": [[2.0, 4.0]] * 2}
    record = {
        "version": 1,
        "rows": 8,
        "layers": ["x", "y"],
        "tasks": ["a", "b"],
        "parts": parts,
        "similarity": [[1.0, 0.3], [0.3, 1.0]],
    }
    (run / "contributions.json").write_text(json.dumps(record), encoding="utf-8")


def test_shares_are_those_of_the_measured_parts(tmp_path: Path) -> None:
    assert read_contributions(tmp_path) is None
    write_contributions(tmp_path, [[3.0, 1.0], [1.0, 1.0]])
    found = read_contributions(tmp_path)
    assert found is not None
    share = output_share(found)
    assert share is not None
    assert list(share.loc["a"]) == pytest.approx([0.375, 0.625])  # mean of 3/4 and 1/2
    by_layer = layer_share(found, "a")
    assert by_layer is not None
    assert list(by_layer["private"]) == pytest.approx([1.5, 0.25])
    told = describe_share(share)[0].text
    assert "a leans most on its private skill: it makes up 62 %" in told
    write_contributions(tmp_path, [[1.0, 1.0], [1.0, 1.0]])
    even = output_share(read_contributions(tmp_path))  # type: ignore[arg-type]
    assert [s.key for s in describe_share(even)] == ["says.private_alike"]  # type: ignore[arg-type]
    write_contributions(tmp_path, [[0.0, 0.0], [0.0, 0.0]])
    assert output_share(read_contributions(tmp_path)) is None  # type: ignore[arg-type]


def test_the_closest_and_the_farthest_pair_are_named() -> None:
    names = ["a", "b", "c"]
    table = pd.DataFrame([[1, 0.9, 0.1], [0.9, 1, 0.4], [0.1, 0.4, 1]], index=names, columns=names)
    text = describe_similarity(table, "says.near_weights")[0].text
    assert "a and b are closest (0.90), a and c farthest (0.10)" in text
    assert describe_similarity(table.loc[["a"], ["a"]], "says.near_weights") == []
    pair = describe_similarity(table.loc[["a", "b"], ["a", "b"]], "says.near_weights")
    assert [said.text for said in pair] == ["a and b are alike to 0.90 (1: the same, 0: nothing in common)."]
    alike = describe_similarity(table * 0 + 1, "says.near_weights")[0].text
    assert alike == "All pairs of tasks are about equally close (1.00 to 1.00)."
    noise = 0.9 + 0.05 * table
    assert [said.key for said in describe_similarity(noise, "says.near_weights")] == ["says.near_same"]

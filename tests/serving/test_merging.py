"""Merging: the numbers of the paper, exactness of the factors, and a merged run that is used like any other."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.__main__ import main
from core.adapters.base import LoraFactors
from core.base.errors import RunError, SettingError
from core.merge.arithmetic import dense_merge, gram_matrix, merge_loras
from core.merge.table import MergeSettings, metagpt_factors, read_merge
from core.models.forward import share_weights

SHAPES = {"q": (6, 5), "up": (9, 6), "down": (6, 9)}


def change(seed: int, rank: int = 2) -> LoraFactors:
    """Random factors of one task."""
    draw = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(rank, i, generator=draw), torch.randn(o, rank, generator=draw))
        for name, (o, i) in SHAPES.items()
    }


def dense(factors: LoraFactors) -> dict[str, torch.Tensor]:
    return {name: b @ a for name, (a, b) in factors.items()}


def test_metagpt_factors_of_the_paper() -> None:
    found = metagpt_factors([0.5, 1, 2, 3])
    assert [round(value, 4) for value in found] == [0.0175, 0.0702, 0.2807, 0.6316]
    assert metagpt_factors([0.0, 0.0]) == [0.5, 0.5]


def test_the_trace_form_is_the_norm_of_the_dense_change() -> None:
    changes = [change(1), change(2, rank=3)]
    gram = gram_matrix(changes)
    flat = [torch.cat([m.double().flatten() for m in dense(c).values()]) for c in changes]
    wanted = torch.stack([torch.stack([a @ b for b in flat]) for a in flat])
    assert torch.allclose(gram, wanted, rtol=1e-5)
    table = merge_loras(["a", "b"], changes, MergeSettings()).table
    assert table.norms == pytest.approx([float(v.norm()) for v in flat], rel=1e-5)
    cosine = float(flat[0] @ flat[1] / flat[0].norm() / flat[1].norm())
    assert table.cosines[0][1] == pytest.approx(cosine, abs=1e-4)
    assert table.cosines[0][0] == 1


@pytest.mark.parametrize(
    "settings",
    [
        MergeSettings("metagpt"),
        MergeSettings("average"),
        MergeSettings("task_arithmetic", scale=1),
        MergeSettings("ties", scale=1, density=1),
        MergeSettings("dare", scale=1, density=1),
    ],
)
def test_one_task_merges_to_itself(settings: MergeSettings) -> None:
    merged = merge_loras(["a"], [change(3)], settings)
    for name, wanted in dense(change(3)).items():
        assert torch.allclose(dense(merged.factors)[name], wanted, atol=1e-5)
    assert merged.table.kept == pytest.approx(1, abs=1e-5)
    assert merged.table.factors == [1]


@pytest.mark.parametrize("way", ["metagpt", "average", "task_arithmetic"])
def test_a_sum_of_changes_is_exact_and_of_one_rank(way: str) -> None:
    changes = [change(1), change(2, rank=3)]
    del changes[1]["q"]  # a layer that one of the runs does not adapt
    merged = merge_loras(["a", "b"], changes, MergeSettings(way))
    for name in SHAPES:
        wanted = sum(f * dense(c)[name] for c, f in zip(changes, merged.table.factors, strict=True) if name in c)
        assert torch.allclose(dense(merged.factors)[name], wanted, atol=1e-5)
        assert merged.factors[name][0].shape[0] == merged.factors[name][1].shape[1] == 5


def test_a_smaller_rank_is_the_best_of_its_rank_and_tells_what_it_keeps() -> None:
    changes = [change(1), change(2)]
    whole = merge_loras(["a", "b"], changes, MergeSettings("average"))
    small = merge_loras(["a", "b"], changes, MergeSettings("average", rank=2))
    lost = total = 0.0
    for name, wanted in dense(whole.factors).items():
        singular = torch.linalg.svdvals(wanted.double())
        error = float(((dense(small.factors)[name] - wanted) ** 2).sum())
        assert error == pytest.approx(float((singular[2:] ** 2).sum()), rel=1e-3, abs=1e-5)
        lost, total = lost + error, total + float((singular**2).sum())
    assert small.table.kept == pytest.approx(1 - lost / total, abs=1e-4)
    assert small.table.kept < 0.99


def test_ties_keeps_what_agrees_and_dare_keeps_the_mean() -> None:
    """TIES by hand; DARE's draws average to the plain sum and repeat with their seed."""
    one, two = ([[1.0, -2.0, 3.0]], [[2.0, 1.0, -1.0]])
    changes: list[LoraFactors] = [{"q": (torch.tensor(v), torch.ones(1, 1))} for v in (one, two)]
    found = dense_merge("q", changes, [1.0, 1.0], MergeSettings("ties", density=1), 0)
    assert found.tolist() == [[1.5, -2.0, 3.0]]
    trimmed = dense_merge("q", changes, [1.0, 1.0], MergeSettings("ties", density=0.4), 0)
    assert trimmed.tolist() == [[2.0, 0.0, 3.0]]
    settings = MergeSettings("dare", density=0.5)
    draws = [dense_merge("q", changes, [1.0, 1.0], settings, seed) for seed in range(2000)]
    assert torch.allclose(torch.stack(draws).mean(0), torch.tensor([[3.0, -1.0, 2.0]]), atol=0.25)
    assert torch.equal(draws[5], dense_merge("q", changes, [1.0, 1.0], settings, 5))


def test_settings_out_of_bounds_are_refused() -> None:
    with pytest.raises(SettingError, match="fisher"):
        MergeSettings("fisher")
    with pytest.raises(SettingError, match="density"):
        MergeSettings("ties", density=0)


def test_a_merged_run_is_used_like_a_run(run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Merged by the command line, examined, listed, and loaded by the chat's shelf."""
    from core.chat.loading import RunShelf
    from core.insight.forgotten import read_forgetting

    workspace = tmp_path / "workspace"
    shutil.copytree(run_dir.parents[3], workspace)
    words = ["merge", run_dir.name, "--task", "task 0", "--task", "pairs", "--way", "ties", "--rows", "2"]
    assert main([*words, "--workspace", str(workspace), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    folder = workspace / run_dir.parent.relative_to(run_dir.parents[3]) / value["run_id"]
    assert [row["task"] for row in value["results"]] == ["task 0", "pairs"]
    assert value["merge"]["density"] == 0.2
    assert read_merge(folder).tasks == ["task 0", "pairs"]
    forgotten = read_forgetting(folder)  # the merged model's own, as each of the merged tasks
    assert forgotten is not None
    assert [task.task for task in forgotten.tasks] == ["task 0", "pairs"]
    assert any(abs(task.change) > 1e-4 for task in forgotten.tasks)
    loaded = RunShelf().get(str(folder))
    assert [task.name for task in loaded.tasks] == ["task 0", "pairs"]
    assert main(["runs", "Desk", "--workspace", str(workspace)]) == 0
    listed = capsys.readouterr().out
    assert value["run_id"] in listed
    assert not list(folder.parent.glob(".r*"))


def test_averaging_a_single_task_answers_like_it(run_dir: Path, tmp_path: Path) -> None:
    """Logits of the merged run equal the source task's own."""
    from core.merge.run import MergeRequest, merge_runs
    from core.models.building import load_adapter
    from core.models.loading import load_base
    from core.runs.folder import RunFolder

    source = RunFolder(run_dir)
    request = MergeRequest(MergeSettings("metagpt"), ("task 1",), "alone", 0)
    merged = merge_runs([source], request, lambda done, total: None)
    base = load_base(source.read_config().base_model)
    ids = torch.arange(5, 15)[None]
    logits = []
    with torch.no_grad():
        for folder, task in ((source.path, 1), (merged, 0)):
            model = load_adapter(replace(base, model=share_weights(base.model)), folder / "adapter")
            logits.append(model(input_ids=ids, task_ids=[task]).logits)
    shutil.rmtree(merged)
    assert torch.allclose(logits[0], logits[1], atol=1e-4)
    assert (logits[0] - logits[1]).abs().max() < (logits[0] - base.model(input_ids=ids).logits).abs().max() / 100


def test_a_library_chooses_by_itself_and_is_used_like_a_run(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arrow: examined, its map measured on check rows; a single task's LoRA answers as the task did."""
    from core.insight.allocation import read_allocation
    from core.models.building import load_adapter
    from core.models.loading import load_base
    from core.runs.folder import RunFolder

    workspace = tmp_path / "workspace"
    shutil.copytree(run_dir.parents[3], workspace)
    made = []
    for words in (["--top", "2", "--rows", "2"], ["--task", "task 1", "--rows", "0"]):
        command = ["merge", run_dir.name, "--way", "arrow", *words, "--workspace", str(workspace)]
        assert main([*command, "--json"]) == 0
        value = json.loads(capsys.readouterr().out)
        made.append(workspace / run_dir.parent.relative_to(run_dir.parents[3]) / value["run_id"])
    library, alone = made
    assert read_merge(library).top == 2
    assert RunFolder(library).read_results() is not None
    found = read_allocation(library)
    assert [skill.name for skill in found.skills] == [f"{task} LoRA" for task in found.tasks]
    assert found.weights.sum(-1) == pytest.approx(1, abs=1e-4)
    assert abs(found.weights - 1 / len(found.tasks)).max() > 0.01
    base = load_base(RunFolder(alone).read_config().base_model)
    ids, answers = torch.arange(5, 15)[None], []
    with torch.no_grad():
        for folder, task in ((run_dir, 1), (alone, 0)):
            model = load_adapter(replace(base, model=share_weights(base.model)), folder / "adapter")
            answers.append(model(input_ids=ids, task_ids=[task]).logits)
    assert torch.allclose(*answers, atol=1e-4)
    assert main(["train", "Desk", "--method", "lora_library", "--workspace", str(workspace)]) != 0
    assert "is not trained" in capsys.readouterr().err


def test_what_cannot_be_merged_is_said(run_dir: Path) -> None:
    from core.merge.run import MergeRequest, merge_runs
    from core.runs.folder import RunFolder

    folder = RunFolder(run_dir)
    with pytest.raises(RunError, match="task 0"):
        merge_runs([folder, folder], MergeRequest(MergeSettings(), None, None, 0), lambda done, total: None)
    with pytest.raises(RunError, match="nothing"):
        merge_runs([folder], MergeRequest(MergeSettings(), ("nothing",), None, 0), lambda done, total: None)

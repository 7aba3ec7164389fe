"""AdaLoRA: every number as PEFT's own layers and rank allocator have it, and what our contract adds to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import AdaLoraConfig as PeftConfig
from peft import get_peft_model
from safetensors.torch import load_file

from core.adapters.call import AdaptedLinear
from core.adapters.capacity import capacity
from core.adapters.settings.baselines import AdaLoraConfig
from core.adapters.settings.places import Capacity
from core.base.errors import SettingError
from core.models.modular import ModularModel
from core.runs.creation import create_run
from core.training.checks import check_config
from core.training.config import change_config
from core.training.reporting import PAUSE, RunPaused
from core.training.session import train_run
from core.workspace import Project
from tests.adapters.contract import TASKS
from tests.adapters.test_references import close, double_model, load, numbers, recorded, run, split
from tests.toy_project import ListJournal, quick_config

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

STEPS, FIRST, LAST = 32, 4, 24  # of both: ranks go after step 4 and stay from step 24 on
SETTINGS = {"rank": 2, "start_rank": 4, "prune_from": FIRST / STEPS, "prune_until": LAST / STEPS}


class Referee:
    """PEFT's AdaLoRA on a copy of the same base model, with the same numbers."""

    def __init__(self, bench: Any, ours: ModularModel) -> None:
        names = [site.name for site in ours.adapter.sites]
        schedule = {"tinit": FIRST, "tfinal": STEPS - LAST, "total_step": STEPS, "deltaT": 1}
        sizes = {"init_r": 4, "target_r": 2, "lora_alpha": 4, "target_modules": names, "task_type": "CAUSAL_LM"}
        self.model = get_peft_model(bench.base("llama").model, PeftConfig(**sizes, **schedule)).eval()
        self.layers = {name: self.model.base_model.model.get_submodule(name) for name in names}
        with torch.no_grad():
            for member, (q, p) in enumerate(factors_of(ours)):
                layer = self.layers[names[member]]
                layer.lora_A["default"].copy_(q)
                layer.lora_B["default"].copy_(p)
                layer.lora_E["default"].copy_(ours.adapter.values[member][:, None])

    def parameters(self, kind: str) -> list[torch.nn.Parameter]:
        return [getattr(layer, f"lora_{kind}")["default"] for layer in self.layers.values()]


def factors_of(model: ModularModel) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(Q [R, i], P [o, R]) of every layer, in the order of the sites."""
    found: dict[int, Any] = {}
    adapter = model.adapter
    for shape, group in zip(adapter.bank.shapes, adapter.bank.views(adapter.bank.common), strict=True):
        for k, member in enumerate(shape.members):
            found[member] = (group.down[:, k, 0], group.up[k][..., 0].T)
    return [found[member] for member in sorted(found)]


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_every_layer_is_the_dense_formulas(bench: Any, architecture: str) -> None:
    model = double_model(bench, architecture, "adalora", {"rank": 2})
    adapter = model.adapter
    ranks = split(adapter, adapter.bank.common, 1)
    with recorded(model, AdaptedLinear) as seen:
        run(model, bench, architecture)
    for position, site in enumerate(adapter.sites):
        x, y = seen[site.name]
        weight = numbers(model.base.get_submodule(site.name).inner.weight)
        factors = tuple(np.concatenate([rank[position][i] for rank in ranks], axis=i) for i in (0, 1))
        close(
            y[1],
            load("family_dense").adalora(numbers(x[1]), weight, None, factors, numbers(adapter.values[position])),
        )


def test_outputs_importance_and_pruned_triplets_are_pefts(bench: Any) -> None:
    """A whole training beside PEFT's: the same numbers in, step by step, and the same ranks go."""
    model = bench.model("llama", "adalora", SETTINGS, shaken=False)
    referee, adapter, batch = Referee(bench, model), model.adapter, bench.batch("llama")
    optimizers = [
        torch.optim.SGD([p for ps in groups for p in ps], lr=0.5)
        for groups in (model.parameter_groups(1).values(), map(referee.parameters, "ABE"))
    ]
    with torch.no_grad():  # no numbers of e at zero: their gradient decides nothing in the first step
        adapter.values += 0.3 * torch.randn(adapter.values.shape, generator=torch.Generator().manual_seed(1))
        for mine, theirs in zip(adapter.values, referee.parameters("E"), strict=True):
            theirs.copy_(mine[:, None])
    left = []
    for step in range(STEPS):
        penalties: list[torch.Tensor] = []
        found = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS, penalties=penalties)
        expected = referee.model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels
        )
        torch.testing.assert_close(found.logits, expected.logits, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(found.loss + penalties[0], expected.loss, rtol=1e-4, atol=1e-4)
        for optimizer, loss in zip(optimizers, (found.loss + penalties[0], expected.loss), strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        adapter.trained_share = step / STEPS
        adapter.after_step()
        referee.model.base_model.update_and_allocate(step)
        for mine, theirs in zip(adapter.values, referee.parameters("E"), strict=True):
            assert torch.equal(mine == 0, theirs[:, 0] == 0), step
        left.append(int(adapter.kept.sum()))
        if step == LAST - 1:
            allocator = referee.model.base_model.rankallocator
            mean = {name: value for name, value in allocator.exp_avg_ipt.items() if "lora_E" in name}
            torch.testing.assert_close(
                adapter.values_sensitivity, torch.stack(list(mean.values()))[..., 0], rtol=1e-3, atol=1e-7
            )
    layers = len(adapter.sites)
    assert left[FIRST] == 4 * layers
    assert left[LAST:] == [2 * layers] * (STEPS - LAST)
    assert sorted(left, reverse=True) == left
    assert len({int(row) for row in adapter.kept.sum(1)}) > 1  # some layers kept more than others
    np.testing.assert_allclose(model.allocation()[:, 2, 0], adapter.kept.float().mean(1).numpy())


def test_of_equal_importances_as_many_stay_as_the_budget_has(bench: Any) -> None:
    adapter = bench.model("llama", "adalora", SETTINGS).adapter
    adapter.trained_share = 0.9
    adapter.after_step()  # nothing was ever weighed
    assert int(adapter.kept.sum()) == adapter.budget
    assert adapter.settled
    assert bool((adapter.values != 0).eq(adapter.kept).all())


def test_the_price_of_skewed_ranks_is_pefts_and_none_for_orthonormal_ones(bench: Any) -> None:
    model = bench.model("t5", "adalora", {"rank": 2, "start_rank": 3})
    expected = [
        torch.norm(p - torch.eye(3)) for q, up in factors_of(model) for p in (q @ q.T, up.T @ up)
    ]  # as PEFT has it, layer by layer
    torch.testing.assert_close(model.adapter.skew(), torch.stack(expected).mean())
    with torch.no_grad():
        for group in model.adapter.bank.views(model.adapter.bank.common):
            for part in (*group.down[:, :, 0].unbind(1), *(up[..., 0] for up in group.up)):
                part.copy_(torch.linalg.qr(part.T)[0].T)
    assert model.adapter.skew() < 1e-5


def test_a_run_meets_its_budget_resumed_or_not_and_leaves_with_what_is_left(
    toy_project: Project, tiny_llama: Path
) -> None:
    """Paused while ranks go, and after: the same ranks, bit for bit; the adapter kept has met the budget."""
    sizes = {"max_steps": 12, "batch_size": 4, "exam_rows": 0, "evaluate_every": 2}
    config = change_config(
        quick_config(tiny_llama, **sizes), {"method": "adalora", "adapter.rank": 2, "adapter.start_rank": 5}
    )
    kept = []
    for wishes in ({}, {4: PAUSE, 10: PAUSE}):
        folder = create_run(toy_project, config)
        journal = ListJournal(wishes=dict(wishes))
        while True:
            try:
                train_run(folder, config, journal)
                break
            except RunPaused:
                continue
        kept.append(load_file(folder.adapter_dir / "adapter.safetensors"))
    whole, resumed = kept
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert int(whole["kept"].sum()) == 2 * len(whole["kept"])
    assert not whole["values"][~whole["kept"]].any()
    table = folder.read_allocation()
    assert table is not None
    assert np.mean(table["weights"]) == pytest.approx(2 / 5)


def test_parameter_count_and_settings(bench: Any, tiny_llama: Path) -> None:
    model = bench.model("llama", "adalora", {"rank": 3}, shaken=False)
    width = sum(s.in_features + s.out_features + 1 for s in model.adapter.sites)
    assert model.adapter.num_parameters() == 5 * width  # half as much again, rounded up
    with pytest.raises(SettingError):
        bench.model("llama", "adalora", {"prune_until": 0.5})
    assert capacity(AdaLoraConfig(rank=6), 4) == Capacity(6, 6)  # what is left
    assert AdaLoraConfig(rank=6).cost(4) == Capacity(9, 9)
    config = quick_config(tiny_llama)
    wrong = change_config(config, {"method": "adalora", "adapter.rank": 8, "adapter.start_rank": 4})
    assert [p.key for p in check_config(wrong) if p.severity == "error"] == ["adapter.start_rank"]

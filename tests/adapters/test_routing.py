"""The router's formulas, the count of parameters, and that absent tasks are left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.adapters.call import build_call
from core.adapters.parts.routing import TaskRouter, gumbel_sigmoid, normalise
from core.adapters.targets import find_sites, group_sites
from core.base.errors import ModelError, SettingError
from core.models.building import build_modular
from tests.adapters.contract import logits

COUNTS = {
    ("cpoly", ()): lambda w, L, T: (3 + T) * 2 * w + L * T * 3,
    ("cpoly", (("num_private_skills", 2), ("rank", 3), ("private_block", "learnable"))): lambda w, L, T: (
        (3 + 2 * T) * 3 * w + L * T * 3 + L * T * T * 2
    ),
    ("cpoly", (("granularity", "model"), ("routing_heads", 4))): lambda w, L, T: (3 + T) * 2 * w + 4 * T * 3,
    ("cpoly", (("num_common_skills", 0),)): lambda w, L, T: T * 2 * w,
    ("lora", (("rank", 5),)): lambda w, L, T: 5 * w,
    ("poly", ()): lambda w, L, T: 4 * 2 * w + L * T * 4,
    ("mhr", ()): lambda w, L, T: 4 * 2 * w + L * 4 * T * 4,
    ("private_lora", (("rank", 3),)): lambda w, L, T: T * 3 * w,
}


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize("case", COUNTS)
def test_parameter_count_is_the_docstrings(bench, architecture, case):
    method, config = case
    model = bench.model(architecture, method, dict(config), tasks=5)
    widths = sum(site.in_features + site.out_features for site in model.adapter.sites)
    assert model.adapter.num_parameters() == COUNTS[case](widths, len(model.adapter.sites), 5)


@pytest.mark.parametrize("combine", ["sum", "mix"])
@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_one_allocation_a_block_is_that_of_its_layers(bench, architecture, combine):
    """The same answers and LoRAs as where every layer has an allocation of its own, equal in a block."""
    config = {"combine": combine, "routing_heads": 2}
    blocks = bench.model(architecture, "cpoly", {**config, "granularity": "block"}, tasks=3)
    sites, places = blocks.adapter.sites, blocks.adapter.places
    assert len(places) == len({(site.stack, site.block) for site in sites}) > 1
    assert blocks.adapter.layer_names() == [f"{place} head {h}" for place in places for h in (1, 2)]
    assert all(
        site.name.startswith(f"{places[at]}.") for site, at in zip(sites, blocks.adapter.place_of_site, strict=True)
    )
    state = dict(blocks.adapter.state_dict())
    layers = bench.model(architecture, "cpoly", config, tasks=3)
    spread = state["router.logits"].unflatten(0, (-1, 2))[blocks.adapter.place_of_site].flatten(0, 1)
    layers.adapter.load_state_dict({**state, "router.logits": spread})
    for model in (blocks, layers):
        model.eval()
    batch = bench.batch(architecture)
    torch.testing.assert_close(*(logits(model, batch, [0, 2, 1, 2]) for model in (blocks, layers)))
    for task in range(3):
        first, second = (model.adapter.lora_factors(task) for model in (blocks, layers))
        assert first.keys() == second.keys()
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_parameter_count_of_gates_and_scales(bench, architecture):
    model = bench.model(architecture, "moe_lora", {"num_experts": 3, "rank": 4}, tasks=5)
    sites = model.adapter.sites
    widths, inputs = sum(s.in_features + s.out_features for s in sites), sum(s.in_features for s in sites)
    assert model.adapter.num_parameters() == 3 * 4 * widths + 3 * inputs
    for per_task, rows in ((True, 5), (False, 1)):
        model = bench.model(architecture, "ia3", {"per_task": per_task}, tasks=5)
        keys_and_values = [s.out_features for s in model.adapter.sites if s.leaf in ("k", "v", "k_proj", "v_proj")]
        inner = [s.in_features for s in model.adapter.sites if s.leaf in ("wo", "down_proj")]
        assert len(keys_and_values) + len(inner) == len(model.adapter.sites)
        assert model.adapter.num_parameters() == rows * (sum(keys_and_values) + sum(inner))


def test_gumbel_sigmoid_is_the_papers_formula():
    logits = torch.tensor([[0.3, -1.2, 2.0]])
    torch.manual_seed(5)
    sample = gumbel_sigmoid(logits, 0.7)
    torch.manual_seed(5)
    u = torch.rand(1, 3).numpy().astype(float)
    expected = 1 / (1 + np.exp(-(logits.numpy() + np.log(u) - np.log(1 - u)) / 0.7))
    np.testing.assert_allclose(sample.numpy(), expected, rtol=1e-4)


def test_noise_is_the_relaxed_bernoulli():
    """P(sample > 1/2) = sigmoid(logit), whatever the temperature."""
    torch.manual_seed(0)
    logits = torch.full((200_000,), 0.8)
    assert abs((gumbel_sigmoid(logits, 0.5) > 0.5).float().mean() - torch.sigmoid(torch.tensor(0.8))) < 0.005


def test_weights_of_evaluation_sum_to_one_over_common_skills(bench):
    allocation = bench.model("llama", "cpoly").allocation()
    np.testing.assert_allclose(allocation[:, :, :3].sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(allocation[:, :, 3:], np.eye(3)[None].repeat(14, 0))
    assert normalise(torch.zeros(2, 3)).isfinite().all()


def test_logits_start_small_and_uniform():
    torch.manual_seed(0)
    logits = TaskRouter(50, 20, 10, 1, False).logits.detach()
    assert logits.abs().max() <= 1e-3
    assert 0.95e-3 / 3**0.5 < logits.std() < 1.05e-3 / 3**0.5


def test_skills_start_kaiming_uniform_and_zero(bench):
    bank = bench.model("llama", "cpoly", {"rank": 16}, shaken=False).adapter.bank
    for factors in bank.gather([0, 1, 2], torch.float32):
        bound = factors.down.shape[-1] ** -0.5
        assert 0.99 * bound < factors.down.abs().max() <= bound
        assert all(not up.any() for up in factors.up)


@pytest.mark.parametrize("config", [{}, {"combine": "mix"}, {"num_private_skills": 2}])
def test_private_skills_of_absent_tasks_do_not_move(bench, config):
    """Neither gradients nor momentum nor weight decay reach them, also after steps in which they were present."""
    model = bench.model("llama", "cpoly", config)
    batch = bench.batch("llama")
    optimizer = torch.optim.AdamW(model.adapter.parameters(), lr=0.1, weight_decay=0.1)
    bank = model.adapter.bank

    def step(tasks: list[int]) -> None:
        optimizer.zero_grad()
        model.train()
        model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks).loss.backward()
        optimizer.step()

    step([0, 1, 2, 0])
    before = [p.detach().clone() for p in bank.private]
    common = bank.common.detach().clone()
    step([0, 0, 2, 2])
    assert torch.equal(bank.private[1], before[1])
    assert not torch.equal(bank.private[0], before[0])
    assert not torch.equal(bank.common, common)


def test_a_batch_gives_gradients_to_its_own_rows_only(bench):
    model = bench.model("t5", "cpoly").train()
    batch = bench.batch("t5")
    model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=[2, 2, 2, 2]).loss.backward()
    grad = model.adapter.router.logits.grad
    assert not grad[:, :2].any()
    assert grad[:, 2].any()


def test_training_is_noisy_and_evaluation_and_stage_two_are_not(bench):
    model = bench.model("llama", "cpoly")
    batch = bench.batch("llama")

    def twice() -> bool:
        pair = [model(batch.input_ids, batch.attention_mask, task_ids=[0, 1, 2, 0]).logits for _ in range(2)]
        return torch.equal(*pair)

    assert twice()
    model.train()
    assert not twice()
    model.set_stage(2)
    assert twice()
    model.set_stage(1)
    assert not twice()
    quiet = bench.model("llama", "cpoly", {"noise": False}).train()
    model = quiet
    assert twice()


def test_calls_name_the_distinct_tasks():
    call = build_call([4, 1, 4], 5, torch.device("cpu"), training=True)
    assert call.rows == [1, 4]
    assert call.slots.tolist() == [1, 0, 1]
    assert call.repeats(6) == 2
    with pytest.raises(ModelError, match="4 rows for 3 examples"):
        call.repeats(4)


def test_targets_and_upper_share_choose_layers(bench):
    model = bench.model("llama", "cpoly", {"target_modules": "q_proj, down_proj", "upper_share": 0.5})
    assert model.layer_names() == ["model.layers.1.self_attn.q_proj", "model.layers.1.mlp.down_proj"]
    with pytest.raises(ModelError, match="nowhere"):
        bench.model("llama", "cpoly", {"target_modules": "nowhere"})
    t5 = bench.model("t5", "cpoly", {"upper_share": 0.5})
    assert {name.split(".")[0] + name.split(".")[2] for name in t5.layer_names()} == {"encoder1", "decoder1"}


def test_groups_hold_layers_that_read_one_input(bench):
    base = bench.base("t5").model
    sites = find_sites(base, bench.model("t5", "cpoly").adapter.config)
    names = [[sites[i].name.split("block.")[1] for i in g] for g in group_sites(sites, base)]
    assert ["0.layer.0.SelfAttention.q", "0.layer.0.SelfAttention.k", "0.layer.0.SelfAttention.v"] in names
    assert ["0.layer.1.EncDecAttention.q"] in names
    assert ["0.layer.1.EncDecAttention.k", "0.layer.1.EncDecAttention.v"] in names
    assert sorted(i for g in group_sites(sites, base) for i in g) == list(range(len(sites)))


def test_settings_that_cannot_work_are_refused(bench):
    base = bench.base("llama")
    with pytest.raises(ModelError, match="nothing to train"):
        build_modular(base, "cpoly", {"num_common_skills": 0, "num_private_skills": 0}, 2)
    with pytest.raises(ModelError, match="do not divide"):
        build_modular(base, "cpoly", {"routing_heads": 3}, 2)
    with pytest.raises(SettingError):
        build_modular(base, "cpoly", {"rank": 0}, 2)
    with pytest.raises(SettingError):
        build_modular(base, "no such method", {}, 2)
    with pytest.raises(ModelError):
        build_modular(base, "cpoly", {}, 0)


def private_gradient(model, share: float, training: bool = True) -> float:
    """How strongly the private skills of task 0 are pulled after this share of stage 1."""
    model.train(training)
    model.adapter.set_stage(1)
    model.adapter.trained_share = share
    for parameter in model.adapter.parameters():
        parameter.grad = None
        with torch.no_grad():
            parameter.add_(0.1)
    model(torch.tensor([[5, 6, 7, 8]]), task_ids=[0]).logits.pow(2).sum().backward()
    gradient = model.adapter.bank.private[0].grad
    return 0.0 if gradient is None else float(gradient.abs().sum())


@pytest.mark.parametrize("kernel", ["plain", "fused"])
def test_common_skills_learn_alone_first(bench, kernel):
    model = bench.model("llama", "cpoly", {"private_start": 0.4, "kernel": kernel}, tasks=2)
    assert private_gradient(model, 0.0) == private_gradient(model, 0.39) == 0.0
    assert private_gradient(model, 0.4) > 0.0
    assert private_gradient(model, 0.0, training=False) > 0.0  # an answer always has its task's own skill


def test_private_skills_alone_learn_from_the_first_step(bench):
    model = bench.model("llama", "cpoly", {"num_common_skills": 0, "private_start": 0.9}, tasks=2)
    assert private_gradient(model, 0.0) > 0.0


def test_a_share_of_the_draws_is_without_private_skills(bench):
    model = bench.model("llama", "cpoly", {"private_start": 0.0, "private_dropout": 0.5}, tasks=2)
    torch.manual_seed(0)
    pulled = [private_gradient(model, 0.5) > 0 for _ in range(40)]
    assert 8 <= sum(pulled) <= 32


def test_untrained_skills_give_everything_back(bench):
    model = bench.model("llama", "cpoly", {}, tasks=2)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.add_(0.1)
    model.adapter.set_stage(2)
    before = {name: (p.clone(), p.requires_grad) for name, p in model.adapter.named_parameters()}
    with model.adapter.as_untrained() as common:
        assert common is model.adapter.bank.common
        assert torch.equal(model(torch.tensor([[5, 6]]), task_ids=[0]).logits, without(model, [[5, 6]]))
        model(torch.tensor([[5, 6]]), task_ids=[0]).logits.sum().backward()
        assert common.grad.abs().sum() > 0
    for name, parameter in model.adapter.named_parameters():
        assert torch.equal(parameter, before[name][0])
        assert (parameter.requires_grad, parameter.grad) == (before[name][1], None)
    with bench.model("llama", "moe_lora", {}, tasks=2).adapter.as_untrained() as common:
        assert common is None  # nothing in it is all tasks' and begins without effect


def without(model, ids):
    with model.disabled():
        return model(torch.tensor(ids), task_ids=[0]).logits

"""A new method is one file and one entry: a dummy that uses every trait goes through the whole house unchanged."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.adapters.capacity import capacity, equal_active_rank, equal_numbers
from core.adapters.registry import METHODS, MethodInfo, register
from core.adapters.settings.baselines import LoraConfig
from core.adapters.settings.places import Capacity
from core.adapters.settings.skills import CPolyConfig
from core.adapters.wishes import BOUND
from core.asking.probe_model import run_probe
from core.base.errors import ModelError
from core.chat.loading import RunShelf
from core.chat.protocol import FULL, PRECISIONS
from core.evaluation.contributions import measure_contributions
from core.evaluation.observing import Text, measure_parts, observe
from core.export.bundle import ExportWish, export_run
from core.insight.probe_table import ProbeSettings
from core.insight.study import Arm, Study, arm_config
from core.merge.arithmetic import merge_loras
from core.merge.table import MergeSettings
from core.models.building import build_modular, load_adapter
from core.models.loading import load_base
from core.runs.folder import RunFolder
from core.runs.prediction import estimate_run
from core.tasks.dataset import load_dataset_of
from core.training.config import RunConfig, config_from_yaml, config_to_yaml, skill_rate, stage2_rate
from core.training.session import train_run
from core.workspace import Project
from tests.adapters import test_contract, test_contract_training
from tests.adapters.contract import ARCHITECTURES
from tests.adapters.dummy_method import DummyAdapter, DummyConfig
from tests.toy_project import ListJournal, quick_run

NAME = "guest"
LAWS = {
    name: law
    for module in (test_contract, test_contract_training)
    for name, law in vars(module).items()
    if name.startswith("test_")
}


@pytest.fixture(scope="module", autouse=True)
def guest() -> Iterator[MethodInfo]:
    yield register(
        NAME,
        "Guest",
        DummyConfig,
        ("skills and allocation", "allocation"),
        "A dummy",
        module="tests.adapters.dummy_method",
        exports_lora=True,
        skill_rate=0.02,
        stage2_rate=0.2,
        reads_weights=True,
        takes_lora=True,
        wishes=(BOUND,),
        arms=(("Guest", ()), ("big guest", ("adapter.rank=8",))),
        parts=(("guest of rank 1", ("adapter.rank=1",)),),
    )
    METHODS.remove(NAME)


def test_it_uses_every_trait(guest: MethodInfo) -> None:
    """A new trait has to be used here too, or this test is no proof any more. Exempt: a method that takes a library
    is put together and never trained."""
    usual = {f.name: f.default for f in dataclasses.fields(MethodInfo) if f.default is not dataclasses.MISSING}
    assert {name for name, value in usual.items() if getattr(guest, name) == value} == {
        "exports_lora",
        "joins",
        "takes_library",
    }
    told = {name for name, member in vars(DummyAdapter).items() if callable(member) or isinstance(member, property)}
    inherited = {
        "observe",
        "measure_parts",
        "can_switch_off",
        "switch_off",
        "take_lora",
        "prune",
        "packs",
        "take_wishes",
    }
    assert told >= inherited


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("stage", [1, 2])
def test_it_keeps_the_contract(bench: Any, tmp_path: Path, name: str, architecture: str, stage: int) -> None:
    law: Callable[..., None] = LAWS[name]
    known = {
        "bench": bench,
        "architecture": architecture,
        "method": (NAME, {}, stage),
        "variant": NAME,
        "tasks": None,
        "tmp_path": tmp_path,
    }
    law(**{parameter: known[parameter] for parameter in inspect.signature(law).parameters})


def test_its_size_is_compared_and_estimated(toy_project: Project, tiny_llama: Path) -> None:
    assert capacity(DummyConfig(), 5) == Capacity(4, 12)
    assert equal_active_rank(DummyConfig(), LoraConfig(rank=16), 5) == DummyConfig(rank=8)
    assert equal_numbers(DummyConfig(), CPolyConfig(), 5) == {"rank": 3}
    study = Study("s", RunConfig(), (Arm("C-Poly", "cpoly"), Arm("Guest", NAME)))
    assert arm_config(study, study.arms[1], 5).adapter == DummyConfig(rank=4)
    config = RunConfig(base_model=str(tiny_llama), max_steps=5, method=NAME)
    data = load_dataset_of(toy_project)
    small, large = (estimate_run(replace(config, adapter=DummyConfig(rank=r)), data) for r in (1, 16))
    assert small is not None
    assert large is not None
    assert small.seconds < large.seconds
    assert small.disk_mb * 16 == pytest.approx(large.disk_mb)


def test_it_holds_a_wish_through_training(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama, method=NAME, bind_tasks="direct | reversed")
    train_run(folder, folder.read_config(), ListJournal())
    first, second = json.loads(folder.allocation_path.read_text(encoding="utf-8"))["weights"][0]
    assert first[0] == pytest.approx(second[0], rel=1e-6)


def test_its_settings_and_rates_are_those_of_its_entry() -> None:
    config = RunConfig(method=NAME)
    assert config.adapter == DummyConfig()
    assert (skill_rate(config), stage2_rate(config)) == (0.02, 0.2)
    assert config_from_yaml(config_to_yaml(config)) == config


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_is_seen_at_work(bench: Any, architecture: str, toy_project: Project) -> None:
    model = bench.model(architecture, NAME, tasks=2)
    found = observe(model, [5, 6, 7], [8], 1)
    assert found.sizes is not None
    assert found.sizes[0, [0, 2]].min() > 0
    assert found.sizes[0, 1] == 0
    (parts,) = measure_parts(model, [Text([5, 6, 7], 1, [8])]) or []
    assert len(parts.common) == len(model.adapter.adapted_names())
    measured = measure_contributions(bench.bases[architecture], model, load_dataset_of(toy_project))
    assert measured["layers"] == model.adapter.adapted_names()
    assert measured["parts"] is not None


def test_it_holds_a_merge(bench: Any) -> None:
    model = bench.model("llama", NAME)
    tasks = [model.adapter.lora_factors(task) for task in range(2)]
    merged = merge_loras(["a", "b"], tasks, MergeSettings("average", rank=4))
    other = build_modular(bench.base("llama"), NAME, {"rank": merged.table.rank}, 1).eval()
    other.adapter.take_lora(merged.factors)
    down, up = other.adapter.lora_factors(0)[model.adapter.adapted_names()[0]]
    wanted = merged.factors[model.adapter.adapted_names()[0]]
    torch.testing.assert_close(up @ down, wanted[1] @ wanted[0])


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_it_trains_is_pruned_probed_exported_and_loaded(
    toy_project: Project, tiny_llama: Path, tmp_path: Path
) -> None:
    folder = quick_run(toy_project, tiny_llama, method=NAME, **{"adapter.off_below": 0.99})
    journal = ListJournal()
    train_run(folder, folder.read_config(), journal)
    pruned = next(e for e in journal.of("notice") if e["key"] == "training.pruned")
    assert pruned["values"]["count"] == 2
    table = json.loads(folder.allocation_path.read_text(encoding="utf-8"))
    assert [row[0] for row in table["weights"][0]] == [0.0, 0.0]
    model = load_adapter(load_base(str(tiny_llama)), folder.adapter_dir)
    assert isinstance(model.adapter, DummyAdapter)
    outcome = run_probe(folder.path, "knockout", ProbeSettings(rows=2), lambda done, total: None)
    assert outcome["columns"] == ["shared", "own 1", "own 2"]
    assert outcome["cells"][0][0]["value"] == 0.0  # the shared skill is switched off already
    exported = export_run(folder.path, tmp_path / "out", ExportWish("lora"))
    assert [export.task for export in exported] == ["direct", "reversed"]
    _loads_whole_only(folder)


def _loads_whole_only(folder: RunFolder) -> None:
    eight_bits = next(precision for precision in PRECISIONS if precision != FULL)
    with pytest.raises(ModelError) as error:
        RunShelf().get(str(folder.path), eight_bits)
    assert error.value.key == "chat.no_precision"

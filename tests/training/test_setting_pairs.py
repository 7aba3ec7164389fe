"""Every pair of settings that a form offers runs: both stages, interrupted and resumed, exported; or it is refused
in words. The choices of each method are covered pair by pair with as few runs as that takes; C-Poly's corners
without common skills always run, all of them with `-m slow`."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.adapters.registry import METHODS
from core.base.errors import ModelError, TaskloomError
from core.base.settings import SettingInfo, describe_settings
from core.export.bundle import ExportWish, export_run
from core.runs.creation import create_run
from core.runs.folder import RunFolder
from core.training.checks import check_config
from core.training.config import RunConfig
from core.training.reporting import PAUSE, RunPaused
from core.training.session import train_run
from core.workspace import Project
from tests.toy_project import ListJournal, quick_config

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

# Beside the default of a number: something else that a person may well choose. Choices and switches are all taken.
OTHERS: dict[str, tuple[Any, ...]] = {
    "upper_share": (0.5,),
    "target_modules": ("q_proj, v_proj", "o_proj, down_proj"),
    "rank": (1, 3),
    "temperature": (5.0,),
    "prune_below": (0.4,),
    "private_start": (0.4,),
    "private_dropout": (0.5,),
    "specialise": (0.1,),
    "balance": (0.1,),
    "num_common_skills": (0, 1),
    "num_private_skills": (0, 2),
    "routing_heads": (1, 2, 7),
    "alpha": (3.0,),
    "num_experts": (2,),
    "experts_a_token": (1,),
    "likeness_temperature": (0.1,),
    "pool_size": (2,),
    "layer_penalty": (0.0, 30.0),
    "warm_up": (0.0,),
    "start_rank": (2, 5),
    "prune_from": (0.0,),
    "prune_until": (0.55,),
    "orthogonality": (0.0,),
    "task_size": (1,),
    "blocks": ("0", "0, 1"),
    "num_adapters": (1, 2),
    "num_shared": (0, 1),
    "selector_temperature": (1.0,),
    "dropout": (0.3,),
    "gate_size": (3,),
    "gate_bias": (0.0,),
}
Choice = dict[str, Any]


def values_of(info: SettingInfo) -> list[Any]:
    if info.choices:
        return list(info.choices)
    if info.type is bool:
        return [False, True]
    found = [info.default, *(v for v in OTHERS[info.name] if v != info.default)]
    return [v for v in found if v is None or info.minimum is None or v >= info.minimum]


def covering(values: dict[str, list[Any]], seed: int = 0) -> list[Choice]:
    """Few choices of all settings in which every pair of values of two settings comes together, greedily."""
    draw = random.Random(seed)
    names = list(values)
    left = {
        ((a, u), (b, v)) for (a, us), (b, vs) in itertools.combinations(values.items(), 2) for u in us for v in vs
    }
    found: list[Choice] = []
    while left:
        tries = [{name: draw.choice(values[name]) for name in names} for _ in range(40)]
        (a, u), (b, v) = min(left, key=str)
        best = max(({**one, a: u, b: v} for one in tries), key=lambda one: len(pairs_of(one) & left))
        left -= pairs_of(best)
        found.append(best)
    return found


def pairs_of(choice: Choice) -> set[Any]:
    return set(itertools.combinations(choice.items(), 2))


def cases() -> list[Any]:
    found = []
    for info in METHODS:
        for number, choice in enumerate(
            covering({s.name: values_of(s) for s in describe_settings(info.config_class)})
        ):
            corner = choice.get("num_common_skills") == 0 and choice["private_block"] == "one_hot"
            marks = () if corner else pytest.mark.slow
            found.append(pytest.param(info.name, choice, id=f"{info.name}-{number}", marks=marks))
    return found


CASES = cases()


def test_every_pair_is_covered() -> None:
    for info in METHODS:
        values = {s.name: values_of(s) for s in describe_settings(info.config_class)}
        met = set().union(*(pairs_of(case.values[1]) for case in CASES if case.values[0] == info.name))
        for (a, us), (b, vs) in itertools.combinations(values.items(), 2):
            assert met >= {((a, u), (b, v)) for u in us for v in vs}


@pytest.mark.parametrize(("method", "choice"), CASES)
def test_a_choice_of_settings_runs_or_is_refused(
    toy_project: Project, tiny_llama: Path, tmp_path: Path, method: str, choice: Choice
) -> None:
    adapter = METHODS.get(method).config_class(**choice)
    sizes = {"max_steps": 3, "stage2_steps": 2, "batch_size": 4, "exam_rows": 0, "evaluate_every": 2}
    config = replace(quick_config(tiny_llama, **sizes), method=method, adapter=adapter)
    if any(problem.severity == "error" for problem in check_config(config)):
        with pytest.raises(TaskloomError) as refused:
            create_run(toy_project, config)
        assert refused.value.hint
        return
    if choice.get("routing_heads") == 7:  # only the model itself shows that its layers cannot be cut so
        with pytest.raises(ModelError, match="7 routing heads"):
            train(toy_project, config, {})
        return
    whole = train(toy_project, config, {})
    parts = train(toy_project, config, {2: PAUSE, 4: PAUSE})
    for name, tensor in weights_of(whole).items():
        assert torch.isfinite(tensor).all()
        assert torch.equal(tensor, weights_of(parts)[name]), name
    check_exports(whole, tmp_path)


def train(project: Project, config: RunConfig, wishes: dict[int, str]) -> RunFolder:
    """The whole run, put off at each wish and resumed."""
    folder = create_run(project, config)
    journal = ListJournal(wishes=dict(wishes))
    while True:
        try:
            train_run(folder, folder.read_config(), journal)
            return folder
        except RunPaused:
            continue


def weights_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.adapter_dir / "adapter.safetensors")


def check_exports(folder: RunFolder, target: Path) -> None:
    """As LoRAs where the method says so, else a refusal; the whole run always. Each is compared as it is made."""
    info = METHODS.get(folder.read_config().method)
    if info.exports_lora:
        assert len(export_run(folder.path, target / "lora", ExportWish("lora"))) == 2
    else:
        with pytest.raises(ModelError) as refused:
            export_run(folder.path, target / "lora", ExportWish("lora"))
        assert refused.value.hint
    assert export_run(folder.path, target / "run", ExportWish("run"))

"""Groups of tasks by what their LoRAs learned: planted groups are found, and a run trains one adapter for each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.__main__ import main
from core.base.errors import RunError, SettingError
from core.merge.groups import group_tasks, silhouette
from core.training.config import RunConfig, change_config
from core.training.wishes import check_wishes, read_wishes

NAMES = ["a", "b", "c", "d", "e"]


def planted(kinds: list[int], within: float, across: float, seed: int = 0) -> np.ndarray:
    """Cosines of tasks of some kinds, a little uneven."""
    alike = np.equal.outer(kinds, kinds)
    noise = np.random.default_rng(seed).uniform(-0.05, 0.05, alike.shape)
    cosines = np.where(alike, within, across) + (noise + noise.T) / 2
    np.fill_diagonal(cosines, 1.0)
    return cosines


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kinds", [[0, 0, 1, 1, 1], [0, 1, 0, 1, 0], [0, 1, 1, 2, 2], [0, 0, 1, 1, 2]])
def test_planted_groups_are_found_and_their_number(kinds: list[int], seed: int) -> None:
    found = group_tasks(NAMES, planted(kinds, 0.7, 0.05, seed))
    expected = {frozenset(n for n, kind in zip(NAMES, kinds, strict=True) if kind == k) for k in kinds}
    assert {frozenset(group) for group in found.groups} == expected
    assert [len(group) for group in found.groups] == sorted((len(group) for group in found.groups), reverse=True)


def test_strangers_are_no_groups_and_are_told_so() -> None:
    found = group_tasks(NAMES, planted([0, 1, 2, 3, 4], 1.0, 0.02))
    assert found.silhouette is not None
    assert found.silhouette < 0.1
    assert [key for key, _ in found.told()] == ["group.weak"]
    clear = group_tasks(NAMES, planted([0, 0, 1, 1, 1], 0.7, 0.0))
    assert clear.told()[0][0] == "group.apart"
    assert group_tasks(NAMES, planted([0] * 5, 0.5, 0.0), 1).told()[0][0] == "group.one"
    assert clear.is_clear
    assert not found.is_clear
    with pytest.raises(RunError, match="too few"):
        group_tasks(NAMES[:2], np.eye(2))
    with pytest.raises(SettingError):
        group_tasks(NAMES, np.eye(5), 6)


@pytest.mark.parametrize(
    ("cosines", "key", "groups"),
    [
        (np.where(np.equal.outer([0, 0, 1, 1, 1], [0, 0, 1, 1, 1]), 0.985, 0.97), "group.alike", 1),
        (np.zeros((5, 5)), "group.even", 5),
        (np.full((5, 5), -0.001), "group.even", 5),
    ],
)
def test_alike_or_unrelated_tasks_are_no_groups(cosines: np.ndarray, key: str, groups: int) -> None:
    found = group_tasks(NAMES, cosines)
    assert [told for told, _ in found.told()] == [key]
    assert len(found.groups) == groups
    assert not found.is_clear
    assert "-0.00" not in found.told()[0][1]["low"]


def test_the_silhouette_is_rousseeuws() -> None:
    """By hand: two tasks at distance 0.2, a third 0.8 from both."""
    distances = np.array([[0, 0.2, 0.8], [0.2, 0, 0.8], [0.8, 0.8, 0]])
    assert silhouette(distances, np.array([1, 1, 2])) == pytest.approx((0.75 + 0.75 + 0) / 3)
    assert silhouette(distances, np.array([1, 1, 1])) is None


@pytest.mark.parametrize("kinds", [[0, 0, 1, 1, 1], [0, 1, 1, 2, 2], [0, 0, 0, 0, 0]])
def test_its_settings_give_every_group_one_adapter_of_its_own(kinds: list[int], tiny_llama: Path) -> None:
    """In the model that the settings build: rows of one group are one, with all weight on a skill of its own."""
    from core.models.loading import load_base
    from core.training.wishes import build_wished

    found = group_tasks(NAMES, planted(kinds, 0.7, 0.05), len(set(kinds)))
    config = change_config(RunConfig(base_model=str(tiny_llama)), found.settings())
    assert check_wishes(config, NAMES) == []
    assert len(read_wishes(config, NAMES).groups()) == sum(len(group) > 1 for group in found.groups)
    model = build_wished(load_base(str(tiny_llama)), config, NAMES)
    rows = model.allocation()
    assert np.isin(rows, (0.0, 1.0)).all()
    used = {name: tuple(rows[0, place]) for place, name in enumerate(NAMES)}
    assert len(set(used.values())) == len(found.groups)
    assert all(len({used[name] for name in group}) == 1 for group in found.groups)


def test_the_command_groups_a_run_and_a_merge_alike(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = str(run_dir.parents[3])
    assert main(["group", run_dir.name, "--groups", "2", "--workspace", workspace, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert sorted(name for group in value["groups"] for name in group) == sorted(value["tasks"])
    assert value["settings"]["adapter.num_common_skills"] == 2
    assert main(["group", run_dir.name, "--groups", "2", "--workspace", workspace]) == 0
    told = capsys.readouterr().out
    assert "silhouette" in told
    assert "python -m core train PROJECT --method poly --set adapter.num_common_skills=" in told
    assert main(["group", run_dir.name, "--task", value["tasks"][0], "--workspace", workspace]) == 2
    assert "too few to group" in capsys.readouterr().err

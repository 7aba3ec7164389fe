"""The Skills screen draws what every method of the registry has to show, however few kinds of skills it has."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.shell.redraw import spread
from app.skills.contribution_panel import ContributionPanel
from app.skills.evidence_panel import EvidencePanel
from app.skills.screen import Skills
from core.adapters.registry import METHODS
from core.adapters.skill import Skill
from core.chat.loading import LoadedRun
from core.models.building import build_modular
from core.models.loading import load_base
from core.runs.folder import RunFolder
from core.training.config import RunConfig, config_to_yaml
from tests.app.panels import build_panel
from tests.app.test_skills_screen import TASKS, cell, fields, made


def weighed(skills: list[Skill], can_switch: bool) -> dict[str, Any]:
    """evidence.json as `core.training.evidence` writes it, for a method with these skills."""
    count, has_common = len(TASKS), any(skill.task is None for skill in skills)
    mine = [[can_switch and skill.task in (None, t) for skill in skills] for t in range(count)]
    kinds = {"common": has_common, "private": any(skill.task is not None for skill in skills)}

    def told(part: Any) -> dict[str, Any]:
        found = {"cells": [[part(0.3) if here else None for here in row] for row in mine]}
        found |= {f"without_{k}": [part(0.4) if can_switch and v else None] * count for k, v in kinds.items()}
        return found | {"borrowed": [[None if o == t else part(0.2) for o in range(count)] for t in range(count)]}

    own = {"own": [1.0] * count, "base": [3.0] * count, "rows": [16] * count, "places": [[0, 1]] * count}
    rows = {"row_changes": told(lambda value: [value, value + 0.1]), "pull": None}
    return {"tasks": list(TASKS), "skills": [skill.name for skill in skills], **own, **told(cell), **rows}


def _name_of(component: Any) -> str:
    return str(component.elem_id or id(component))


@pytest.mark.parametrize("method", METHODS.names())
def test_every_panel_draws_every_method(method: str, tmp_path: Path, tiny_llama: Path) -> None:
    context, selection, run = made(tmp_path)
    model = build_modular(load_base(str(tiny_llama)), method, None, len(TASKS))
    skills = model.adapter.skills()
    (run / "config.yaml").write_text(config_to_yaml(RunConfig(method=method)), encoding="utf-8")
    (run / "allocation.json").write_text(json.dumps(model.allocation_table()), encoding="utf-8")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    for task in record["tasks"]:
        task |= {"num_train": 20, "num_validation": 16, "num_test": 20, "metric": "accuracy"}
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (run / "data" / "tasks.json").write_text("[]", encoding="utf-8")
    evidence = weighed(skills, model.adapter.can_switch_off)
    (run / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    screen, alone = build_panel(Skills, context), len(skills) == 1
    shown = {id(context.selection): selection}
    assert context.redraws
    for parts in context.redraws.values():
        for part in parts:
            drawn = part.handler(*(shown.get(id(field), field.value) for field in part.inputs))
            updates = dict(zip(map(_name_of, part.outputs), spread(drawn, part.outputs), strict=True))
            for name in {"skills-what-if", "skills-layer", "skills-view"} & set(updates):
                assert updates[name]["visible"] != alone  # of one adapter for all there is nothing to mix
    for layer in (0, 1):
        for colours in ("weights", "lean"):
            map_of = screen.draw_heatmap(context, selection, layer, 0, 1, colours, "both", "", "")
            assert ("All tasks share one adapter" in map_of[screen.title]) == alone
            assert not (alone and map_of[screen.heatmap])
    if alone or all(skill.task is not None for skill in skills):
        loaded = SimpleNamespace(model=model, folder=RunFolder(run))
        assert LoadedRun.skill_weights(loaded, {0: 1.0}) == ()  # no layer in which tasks differ most


@pytest.mark.parametrize("method", ["lora_library", "adalora", "taps"])
def test_a_button_that_is_named_is_there(method: str, tmp_path: Path) -> None:
    context, selection, run = made(tmp_path)
    (run / "config.yaml").write_text(config_to_yaml(RunConfig(method=method)), encoding="utf-8")
    table = {"layers": ["m.0.q"], "skills": [{"name": "adapter 1", "kind": "common", "task": None}]}
    (run / "allocation.json").write_text(json.dumps({**table, "weights": [[[1.0]] * 3]}), encoding="utf-8")
    (run / "evidence.json").unlink()
    RunFolder(run).write_done({"state": "succeeded", "ended": 1.0, "failure": None, "files": {}})
    evidence, share = (
        build_panel(EvidencePanel, context, fields()),
        build_panel(ContributionPanel, context, fields()),
    )
    assert "“Measure what the skills do” below" in evidence.draw(context, selection)
    assert share.draw(context, selection, "", "")[share.measure.start]["visible"] is True

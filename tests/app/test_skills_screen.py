"""The Skills screen on a run made by hand: one selection, true pictures, wishes that reach Train."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
import pytest

from app.shell.context import Context
from app.shell.selection import Selection
from app.skills.contribution_panel import ContributionPanel
from app.skills.evidence_panel import EvidencePanel
from app.skills.other_run_panel import describe_change
from app.skills.rows_panel import RowsPanel
from app.skills.screen import Skills, describe_gate
from app.skills.similarity_panel import ALLOCATION, PULL, SimilarityPanel
from app.skills.task_panel import word_profile
from app.skills.view_panel import ViewPanel
from app.skills.what_if_panel import change_words, freeze_skill, keep_words, wish
from core.insight.task_groups import MOST_ROWS
from core.runs.folder import RunFolder
from core.runs.skill_names import name_skill
from core.training.config import RunConfig, config_to_yaml
from core.workspace import Workspace
from tests.app.panels import build_panel

TASKS = ("mails", "bills", "news")


def cell(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def made(tmp_path: Path, tasks: tuple[str, ...] = TASKS) -> tuple[Context, Selection, Path]:
    """Two common skills and a private one a task, two layers; without common skills everything is lost."""
    workspace, count = Workspace(tmp_path), len(tasks)
    project = workspace.create_project("Desk")
    run = project.runs_dir / "r20260101-000000-aaaaaaaa"
    (run / "adapter").mkdir(parents=True)
    (run / "data").mkdir()
    listed = [{"index": i, "task_id": f"t{i}", "name": name} for i, name in enumerate(tasks)]
    (run / "run.json").write_text(
        json.dumps({"run_id": run.name, "name": "Run", "tasks": listed}), encoding="utf-8"
    )
    (run / "config.yaml").write_text(config_to_yaml(RunConfig(bind_tasks="bills | news")), encoding="utf-8")
    common = np.random.default_rng(0).dirichlet([2.0, 2.0], (2, count))
    weights = np.concatenate([common, np.repeat(np.eye(count)[None], 2, 0)], -1)
    skills = [{"name": f"common {i}", "kind": "common", "task": None} for i in (1, 2)]
    skills += [{"name": f"private {i + 1}", "kind": "private", "task": i} for i in range(count)]
    table = {"layers": ["m.0.q", "m.1.q"], "skills": skills, "weights": weights.tolist()}
    (run / "allocation.json").write_text(json.dumps(table), encoding="utf-8")
    cells = [[cell(0.1), cell(-0.2), *(cell(0.3) if i == t else None for i in range(count))] for t in range(count)]
    rows = [
        [[0.4, 0.1], [-0.2, 0.0], *([0.3, 0.2] if i == t else None for i in range(count))] for t in range(count)
    ]
    others = [[None if i == t else cell(0.5) for i in range(count)] for t in range(count)]
    evidence = {
        "tasks": list(tasks),
        "skills": [skill["name"] for skill in skills],
        "rows": [16] * count,
        "own": [1.0] * count,
        "base": [9.0] * count,
        "cells": cells,
        "without_common": [cell(4.5)] * count,
        "without_private": [cell(0.3)] * count,
        "borrowed": others,
        "places": [[0, 1]] * count,
        "row_changes": {
            "cells": rows,
            "without_common": [[4.0, 5.0]] * count,
            "without_private": [[0.3, 0.3]] * count,
            "borrowed": [[None if i == t else [0.5, 0.6] for i in range(count)] for t in range(count)],
        },
    }
    (run / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    text = "".join(json.dumps({"prompt": f"<b>text {i}</b>", "target": f"answer {i}"}) + "\n" for i in range(2))
    (run / "data" / "0.validation.jsonl").write_text(text, encoding="utf-8")
    return Context(workspace), Selection(project_id=project.project_id, run_id=run.name), run


def parts_of(count: int) -> dict[str, Any]:
    sizes = {name: [[1.0, 2.0]] * count for name in ("common", "private", "base")}
    return {"tasks": TASKS[:count], "layers": ["m.0.q", "m.1.q"], "parts": sizes, "similarity": None}


def fields() -> list[Any]:
    return [gr.Dropdown(), gr.Textbox()]


def test_a_loss_of_everything_does_not_flatten_the_colours_of_single_skills(tmp_path: Path) -> None:
    context, selection, _ = made(tmp_path)
    panel = build_panel(EvidencePanel, context, fields())
    figure = json.loads(panel.draw_pictures(context, selection, "", "")[panel.effects])
    single, totals = figure["layout"]["coloraxis"], figure["layout"]["coloraxis2"]
    assert single["cmax"] < 25 < 95 < totals["cmax"]
    assert figure["data"][1]["x"][:2] == figure["data"][0]["x"]  # the strip stands behind the skills
    assert all(row[:2] == [None, None] for row in figure["data"][1]["z"])


def test_shares_are_drawn_on_zero_to_one_and_correlations_on_minus_one_to_one(tmp_path: Path) -> None:
    context, selection, _ = made(tmp_path)
    evidence, near = build_panel(EvidencePanel, context, fields()), build_panel(SimilarityPanel, context, fields())
    pairs = json.loads(evidence.draw_pictures(context, selection, "", "")[evidence.pairs])
    assert (pairs["layout"]["coloraxis"]["cmin"], pairs["layout"]["coloraxis"]["cmax"]) == (0, 1)
    drawn = json.loads(near.draw(context, selection, ALLOCATION, "", "")[near.plot])
    assert (drawn["layout"]["coloraxis"]["cmin"], drawn["layout"]["coloraxis"]["cmax"]) == (-1, 1)


def test_which_tasks_pull_the_same_way_stands_beside_its_level_of_chance(tmp_path: Path) -> None:
    """Until the run has ended it waits; a run of an older version offers the button that measures it."""
    context, selection, run = made(tmp_path)
    near, share = build_panel(SimilarityPanel, context, fields()), build_panel(ContributionPanel, context, fields())

    def offers() -> bool:
        return bool(share.draw(context, selection, "", "")[share.measure.start]["visible"])

    assert "at the end of the run" in near.draw(context, selection, PULL, "", "")[near.said]
    config = RunFolder(run).read_config()
    RunFolder(run).write_config(replace(config, weigh_skills=False))
    assert "told not to measure" in near.draw(context, selection, PULL, "", "")[near.said]
    RunFolder(run).write_config(config)
    assert not offers()
    RunFolder(run).write_done({"state": "succeeded", "ended": 1.0, "failure": None, "files": {}})
    missing = near.draw(context, selection, PULL, "", "")
    assert missing[near.plot] == ""
    assert "Not measured" in missing[near.said]
    assert offers()
    path = run / "evidence.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    pulls = [[[1.0, 0.6, 0.0], [0.6, 1.0, 0.1], [0.0, 0.1, 1.0]]] * 5
    record["pull"] = {"tasks": [0, 1, 2], "rows": 16, "cosines": pulls}
    path.write_text(json.dumps(record), encoding="utf-8")
    os.utime(path, (1, 1))  # another file than the one that was read
    shown = near.draw(context, selection, PULL, "", "")
    assert "pull the common skills the same way" in shown[near.said]
    assert "0.60" in shown[near.said]
    assert "a pair is told above" in shown[near.said]
    assert 0.6 in np.array(json.loads(shown[near.plot])["data"][0]["z"]).round(6)
    (run / "contributions.json").write_text(json.dumps(parts_of(3)), encoding="utf-8")
    assert not offers()
    path.write_text(json.dumps({**record, "pull": None}), encoding="utf-8")
    os.utime(path, (2, 2))
    assert "cannot be measured" in near.draw(context, selection, PULL, "", "")[near.said]
    assert not offers()


def test_noise_of_few_steps_is_not_put_into_words() -> None:
    """No task of a gate and no pair of two runs is named for what chance moves."""
    change = pd.DataFrame([[0.0, 0.9], [0.9, 0.0]], index=["mails", "bills"], columns=["mails", "bills"])
    assert describe_change(change, [[], []]).key == "says.runs_chance"
    assert describe_change(change, [[], None]).key == "says.runs_untold", "of one allocation for the whole model"
    assert describe_change(change, [[], [("a", "b", 0.9)]]).key == "says.runs_moved"
    assert describe_gate(pd.Series({"mails": 95.0, "bills": 93.0})).key == "says.gate_own_alike"
    assert describe_gate(pd.Series({"mails": 95.0, "bills": 60.0})).values["task"] == "bills"


def test_two_tasks_are_not_called_opposite(tmp_path: Path) -> None:
    """Around their mean one is always -1 to the other, whatever was learned: that is no picture."""
    context, selection, _ = made(tmp_path, TASKS[:2])
    near = build_panel(SimilarityPanel, context, fields())
    shown = near.draw(context, selection, ALLOCATION, "", "")
    assert shown[near.plot] == ""
    assert "three tasks" in shown[near.said]


def test_the_map_shows_common_skills_of_one_layer_and_no_block_of_ones_and_zeros(tmp_path: Path) -> None:
    context, selection, _ = made(tmp_path)
    screen = build_panel(Skills, context)
    shown = screen.draw_heatmap(context, selection, 0, 0, 1, "weights", "both", "", "")
    figure = json.loads(shown[screen.heatmap])
    assert figure["data"][0]["x"] == ["common 1", "common 2"]
    heading, _, fold = shown[screen.title].partition("<details")
    assert "block 1 of 2, attention queries" in heading or "block 2 of 2, attention queries" in heading
    assert "m." not in heading
    assert "<code>m." in fold


def test_a_click_chooses_task_and_skill_and_shows_the_rows_behind_the_cell(tmp_path: Path) -> None:
    context, selection, _ = made(tmp_path)
    panel = build_panel(RowsPanel, context)
    chosen = panel.choose(context, selection, SimpleNamespace(row="mails", column="common 1"))
    assert chosen[panel.task] == "mails"
    assert chosen[panel.skill]["value"] == "common 1"
    told = panel.draw(context, selection, "mails", "common 1")
    assert told.index("answer 0") < told.index("answer 1")  # the more worsened row first
    assert "&lt;b&gt;text 0" in told
    assert "more than chance" in told
    borrowed = panel.choose(context, selection, SimpleNamespace(row="mails", column="row:news"))
    assert "news" in panel.draw(context, selection, "mails", borrowed[panel.skill]["value"])
    group = panel.choose(context, selection, SimpleNamespace(row="mails +7", column="common 1"))
    assert group[panel.task] == gr.skip()


def test_only_sliders_that_were_moved_change_something(tmp_path: Path) -> None:
    context, selection, run = made(tmp_path)
    (run / "data" / "tasks.json").write_text("[]", encoding="utf-8")
    words = change_words(context, selection, "mails", "", 30, "", 0.5, 1, 0, *[1] * 6)
    assert words == ["what-if", run.name, "--task=mails", "--rows=30", "--skill=common 2=0", "--skill=private=0.5"]
    kept = keep_words(context, selection, "mails", "news", 30, "", 1, *[1] * 8, " Mine ")
    assert kept[-2:] == ["--row-of=news", "--keep=Mine"]


@pytest.mark.parametrize(
    ("kind", "task", "said"),
    [
        ("apart", "mails", {"keep_apart": "mails | bills"}),
        ("bound", "mails", {"bind_tasks": "bills | news; mails | bills"}),
        ("apart", "news", {"keep_apart": "news | bills", "bind_tasks": ""}),  # they were bound before
    ],
)
def test_a_wish_opens_train_with_the_settings_of_the_run_and_what_was_wished_before(
    tmp_path: Path, kind: str, task: str, said: dict[str, str]
) -> None:
    context, selection, _ = made(tmp_path)
    asked: list[Any] = []
    context.go_to = lambda *place, **preset: asked.append((place[1], preset)) or {}  # type: ignore[method-assign]
    context.selection, context.tabs = gr.State(), gr.Tabs()
    wish(context, selection, task, "bills", kind=kind)
    assert asked == [("train", {"changes": said, "of_run": True})]


def test_freezing_a_skill_opens_train_with_the_skill_as_the_method_calls_it(tmp_path: Path) -> None:
    context, selection, run = made(tmp_path)
    name_skill(run, "common 2", "dates")
    (run / "frozen").mkdir()
    kept = {"run": "r0", "skill": "common 1", "place": 0, "name": "", "base_model": "starter", "fits": {}}
    (run / "frozen" / "frozen.json").write_text(json.dumps([kept]), encoding="utf-8")
    asked: list[Any] = []
    context.go_to = lambda *place, **preset: asked.append((place[1], preset)) or {}  # type: ignore[method-assign]
    context.selection, context.tabs = gr.State(), gr.Tabs()
    freeze_skill(context, selection, "dates")
    wished = {"freeze_skills": f"{run.name} | common 1; {run.name} | common 2"}
    assert asked == [("train", {"changes": wished, "of_run": True})]
    panel = build_panel(EvidencePanel, context, fields())
    assert "was taken over from run r0 and was not trained" in panel.draw(context, selection)


def test_fields_for_many_tasks_appear_only_with_many_tasks(tmp_path: Path) -> None:
    few, chosen, _ = made(tmp_path / "few")
    panel = build_panel(ViewPanel, few)
    assert panel.draw(few, chosen, None)[panel.row]["visible"] is False
    many, chosen, _ = made(tmp_path / "many", tuple(f"task {i}" for i in range(MOST_ROWS + 20)))
    panel, evidence = build_panel(ViewPanel, many), build_panel(EvidencePanel, many, fields())
    assert panel.draw(many, chosen, None)[panel.row]["visible"] is True
    drawn = json.loads(evidence.draw_pictures(many, chosen, "", "task 5")[evidence.effects])
    assert drawn["data"][0]["y"][0].startswith("task 5")
    assert len(drawn["data"][0]["y"]) == 11
    assert evidence.draw_pictures(many, chosen, "", "no such task")[evidence.effects] == ""


@pytest.mark.parametrize(
    ("columns", "has_common", "said"),
    [
        ({"common 1": [1.0, 0.0]}, True, "mixes the common skills"),
        ({"private 1": [1.0, 0.0]}, False, "0: it is the base model's"),
        ({"private 1.1": [0.3, 0.0], "private 1.2": [0.7, 1.0]}, False, "its private skills"),
    ],
)
def test_numbers_of_the_layers_are_named_for_what_they_are(
    columns: dict[str, list[float]], has_common: bool, said: str
) -> None:
    assert said in word_profile(pd.DataFrame(columns), has_common)

"""The plan: three levels over one config, undo of what replaces it, goal cards that say only what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from app.drawing.forms import read_yaml
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import word_method
from app.texts.language import in_language
from app.train import plan_views
from app.train.plan import Plan
from app.train.plan_views import brought_view, goal_cards
from core.adapters.registry import METHODS
from core.base.errors import TaskloomError
from core.messages.locales import LANGUAGES
from core.training.config import RunConfig, change_config, config_to_yaml
from core.training.goals import GoalFigures, config_for_goal, read_domain_figures, read_goal_figures
from core.workspace import Workspace
from tests.staged_runs import stages, write_stage


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Context, Plan]:
    context = Context(Workspace(tmp_path_factory.mktemp("home")))
    with gr.Blocks() as context.page:
        context.selection = gr.State(Selection())
        with gr.Tabs() as context.tabs, gr.Tab():
            plan = Plan(context)
    return context, plan


def test_a_goal_can_be_undone(built: tuple[Context, Plan]) -> None:
    context, plan = built
    mine = config_to_yaml(change_config(RunConfig(), {"batch_size": 3}))
    shown = plan.use_goal(context, Selection(), mine, [], SimpleNamespace(id="best"))
    assert shown[plan.past] == [mine]
    assert shown[plan.undo]["visible"]
    assert shown[plan.config] == config_to_yaml(
        config_for_goal("best", change_config(RunConfig(), {"batch_size": 3}))
    )
    shown = plan.go_back(context, Selection(), shown[plan.config], shown[plan.past])
    assert (shown[plan.past], shown[plan.config], shown[plan.undo]["visible"]) == ([], mine, False)


def test_a_redraw_keeps_start_off_while_a_field_is_wrong(built: tuple[Context, Plan]) -> None:
    context, plan = built
    text = config_to_yaml(RunConfig())
    held = plan.use_field(context, Selection(), text, {}, -3, key=":batch_size")[plan.held]
    assert set(plan.draw(context, Selection(), text, held)) == {plan.goals}
    assert "interactive" in plan.draw(context, Selection(), text, {})[plan.start]


def test_a_wrong_yaml_loses_nothing_and_a_right_one_can_be_undone(built: tuple[Context, Plan]) -> None:
    context, plan = built
    mine = config_to_yaml(RunConfig())
    with pytest.raises(TaskloomError):
        plan.use_yaml(context, Selection(), mine, [], "batch_size: [")
    shown = plan.use_yaml(context, Selection(), mine, [], "batch_size: 5")
    assert shown[plan.past] == [mine]
    assert "batch_size: 5" in shown[plan.config]


def test_choosing_the_same_goal_again_is_nothing_to_undo(built: tuple[Context, Plan]) -> None:
    context, plan = built
    text = config_to_yaml(config_for_goal("quick"))
    assert plan.use_goal(context, Selection(), text, [], SimpleNamespace(id="quick"))[plan.past] == []


def test_a_wrong_field_is_held_until_it_is_right(built: tuple[Context, Plan]) -> None:
    """Start stays off while a field is wrong, whatever else is edited, and no edit is lost."""
    context, plan = built
    mine = config_to_yaml(RunConfig())
    shown = plan.use_field(context, Selection(), mine, {}, -1, key=":batch_size")
    assert shown[plan.held] == {":batch_size": -1}
    assert not shown[plan.start]["interactive"]
    assert set(shown) == {plan.held, plan.ready, plan.start}
    shown = plan.use_field(context, Selection(), mine, shown[plan.held], 7, key=":seed")
    assert (set(shown[plan.held]), shown[plan.start]["interactive"]) == ({":batch_size", ":seed"}, False)
    shown = plan.use_field(context, Selection(), mine, shown[plan.held], 3, key=":batch_size")
    assert shown[plan.held] == {}
    assert shown[plan.config] == config_to_yaml(change_config(RunConfig(), {"batch_size": 3, "seed": 7}))


def test_another_method_shows_its_own_settings(built: tuple[Context, Plan]) -> None:
    context, plan = built
    shown = plan.use_field(context, Selection(), config_to_yaml(RunConfig()), {}, "lora", key=":method", whole=True)
    assert shown[plan.config] == config_to_yaml(change_config(RunConfig(), {"method": "lora"}))
    values = {field.key: shown[field.widget] for field in plan.fields}
    assert values[":method"] == "lora"
    assert values["lora:adapter.rank"] == change_config(RunConfig(), {"method": "lora"}).adapter.rank


def test_levels_show_more_of_the_same(built: tuple[Context, Plan]) -> None:
    context, plan = built
    parts = (plan.simple, plan.detailed, plan.expert)
    drawn = {level: plan.show_level(context, level) for level in ("simple", "detailed", "yaml")}
    shown = {level: [updates[part]["visible"] for part in parts] for level, updates in drawn.items()}
    assert shown == {"simple": [True, False, False], "detailed": [True, True, False], "yaml": [False, False, True]}


def test_goal_cards_say_what_was_measured_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_views, "read_goal_figures", dict)
    monkeypatch.setattr(plan_views, "read_domain_figures", dict)
    assert [card["meta"] for card in goal_cards(RunConfig())] == ["", "", ""]
    monkeypatch.setattr(plan_views, "read_goal_figures", lambda: {"quick": GoalFigures(61.0, 0.42, 0.04, 0.42)})
    quick, balanced, _ = (card["meta"] for card in goal_cards(RunConfig()))
    assert "61 s" in quick
    assert "mean score 42, no better than the best guesses with 42; untouched: 4." in quick
    monkeypatch.setattr(plan_views, "read_goal_figures", lambda: {"quick": GoalFigures(61.0, 0.42, 0.04, 0.3)})
    assert "mean score 42, where the best guesses have 30" in goal_cards(RunConfig())[0]["meta"]
    assert balanced == ""


def test_figures_come_from_the_study_file(tmp_path) -> None:
    study = tmp_path / "study.json"
    assert read_goal_figures(study) == {}
    found = {"seconds": 60, "score": 0.5, "base": 0.1, "guess": 0.2, "cores": 2}
    study = tmp_path / "goals.json"
    study.write_text(json.dumps({"other": [], "goals": {"quick": found, "unknown": found}}), encoding="utf-8")
    assert read_goal_figures(study) == {"quick": GoalFigures(60.0, 0.5, 0.1, 0.2)}
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"goals": {"quick": {"seconds": "fast"}}}), encoding="utf-8")
    assert read_goal_figures(broken) == {}


def test_methods_are_named_in_the_language(built: tuple[Context, Plan]) -> None:
    _, plan = built
    field = next(field for field in plan.fields if field.name == "method")
    for language in LANGUAGES:
        made = dict(zip(built[0].words.components, built[0].words.updates(language), strict=True))
        assert made[field.widget]["choices"] == [
            (in_language(language, word_method, m.name), m.name) for m in METHODS if not m.takes_library
        ]
    assert all(word_method(m.name) == m.title for m in METHODS)
    assert in_language("zh", word_method, "lora") != word_method("lora")
    assert in_language("zh", word_method, "of tomorrow") == "of tomorrow"


def test_the_buttons_of_equal_size_set_the_rank_and_can_be_undone(
    built: tuple[Context, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, plan = built
    place = Selection(project_id=context.workspace.create_project("eight").project_id)
    monkeypatch.setattr("app.train.plan.list_tasks", lambda _: [None] * 8)
    mine = config_to_yaml(change_config(RunConfig(), {"method": "lora", "adapter.rank": 3}))
    for way, rank in (("active", 8), ("total", 22)):
        drawn = plan.use_size(context, place, mine, [], way=way)
        text = drawn[plan.config]
        assert read_yaml(text).adapter.rank == rank
        assert (drawn[plan.past], drawn[plan.undo]["visible"]) == ([mine], True)
        assert plan.use_size(context, place, text, [], way=way)[plan.past] == []  # already so: nothing to undo


@pytest.mark.parametrize(("method", "shown"), [("cpoly", True), ("lora", True), ("ia3", False), ("mta", False)])
def test_the_buttons_stand_only_where_the_size_is_a_rank(
    built: tuple[Context, Plan], method: str, shown: bool
) -> None:
    context, plan = built
    config = change_config(RunConfig(), {"method": method})
    assert plan._shown(context, Selection(), config)[plan.equal_row]["visible"] is shown


def test_a_jump_brings_changes_that_can_be_undone(built: tuple[Context, Plan]) -> None:
    context, plan = built
    mine = config_to_yaml(change_config(RunConfig(), {"batch_size": 3}))
    shown = plan.use_wish(context, Selection(), mine, [], {"changes": {"max_tokens": 768}, "of_run": True})
    assert read_yaml(shown[plan.config]) == change_config(RunConfig(), {"batch_size": 3, "max_tokens": 768})
    assert (shown[plan.past], shown[plan.undo]["visible"]) == ([mine], True)
    assert "(max_tokens) 768 instead of 512" in shown[plan.brought]
    assert plan.use_field(context, Selection(), shown[plan.config], {}, 4, key=":batch_size")[plan.brought] == ""
    with pytest.raises(TaskloomError):
        plan.use_wish(context, Selection(), mine, [], {"changes": {"no_setting": 1}})


def test_a_step_that_changes_nothing_blames_the_base_model_only_for_its_length(tmp_path: Path) -> None:
    write_stage(next(s for s in stages() if s.name == "promising"), tmp_path / "r1")
    config = RunConfig()
    kept = brought_view(config, config, tmp_path / "r1", {"keep_apart": "a > b"})
    assert "already" in kept
    assert "base model" not in kept
    assert "larger base model" in brought_view(config, config, tmp_path / "r1", {"max_tokens": 512})


def test_a_page_that_is_opened_again_has_the_plan_it_had(built: tuple[Context, Plan]) -> None:
    context, plan = built
    shown = plan.use_goal(context, Selection(), plan.config.value, [], SimpleNamespace(id="best"))
    config = read_yaml(shown[plan.saved])
    assert config == config_for_goal("best", read_yaml(plan.config.value))
    again = plan.reopen(context, shown[plan.saved])
    assert again[plan.config] == again[plan.reopened] == shown[plan.config]
    field = next(field for field in plan.fields if field.name == "epochs")
    assert again[field.widget] == config.epochs != RunConfig().epochs
    for lost in ("", None, "epochs: none", "no: setting", 3):
        first = plan.reopen(context, lost)
        assert plan.config not in first
        assert set(first) == {field.widget for field in plan.fields if field.info.optional}


def test_best_is_measured_and_not_worse_than_balanced() -> None:
    found = read_domain_figures()
    assert found["best"].score >= found["balanced"].score
    assert found["best"].domains == 4
    assert config_for_goal("best").keep_best_by == "score"
    card = next(card for card in goal_cards(RunConfig()) if card["id"] == "best")
    assert f"{100 * found['best'].score:.0f}, no better than the best guesses with" in card["meta"]


def test_without_measured_domains_a_card_claims_nothing(tmp_path) -> None:
    assert read_domain_figures(tmp_path / "none.json") == {}
    half = tmp_path / "half.json"
    half.write_text(json.dumps({"rows_a_task": {"train": 1, "exam": 1}, "runs": []}), encoding="utf-8")
    assert read_domain_figures(half) == {}

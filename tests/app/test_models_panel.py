"""The base models on the Train screen: what is shown, advised, used and removed; nothing of it is a visitor's."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from app.shell.context import Context
from app.shell.permissions import shared_problems
from app.shell.selection import Selection
from app.texts import say
from app.texts.language import in_language
from app.train.models_panel import ModelsPanel, add_words, advice_view, get_words, offers_table, store_place
from core.__main__ import main
from core.base.errors import ModelError
from core.insight.jobs import _command
from core.models.advising import LATIN, OTHER, advise_base, foreign_share
from core.models.offers import list_offers
from core.models.store import list_stored, stored_folder
from core.runs.creation import create_run
from core.runs.model_users import runs_on_model
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.training.config import RunConfig, config_to_yaml
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.tiny_models import build_tiny_llama


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A workspace with one task, and a base model of the user's own called mine."""
    monkeypatch.setenv("TASKLOOM_HOME", str(tmp_path / "home"))
    workspace = Workspace(tmp_path / "home")
    project = workspace.create_project("Desk")
    rows = [{"text": f"message number {i}", "label": ("yes", "no")[i % 2]} for i in range(40)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    add_task(project, path, TaskRequest(name="rows"))
    model = build_tiny_llama(tmp_path / "llama", layers=1)
    assert main(["model", "add", str(model), "--name", "mine", "--json"]) == 0
    return Context(workspace)


def chosen(context: Context) -> Selection:
    [project] = context.workspace.list_projects()
    return Selection(project_id=project.project_id)


def test_the_table_says_where_what_and_which_hash(context):
    shown = offers_table(list_offers())
    assert "mine" in shown
    assert "Apache-2.0" in shown
    assert "to be fetched" in shown
    assert "待获取" in in_language("zh", offers_table, list_offers())


def test_a_folder_of_the_user_s_is_known_by_its_numbers(context):
    [mine] = [offer for offer in list_offers() if offer.name == "mine"]
    assert len(mine.weights_sha256) == 64
    assert mine.source == "folder"


def test_models_that_are_here_can_be_chosen_and_others_fetched(context):
    panel = build_panel(ModelsPanel, context, gr.State(""), gr.Dropdown())
    shown = panel.draw(context, chosen(context))
    assert {"starter", "mine"} <= set(shown[panel.chosen]["choices"])
    assert "smollm2-135m" in shown[panel.wanted]["choices"]


def test_a_folder_of_an_earlier_run_can_be_chosen_again(context, tmp_path):
    [project] = context.workspace.list_projects()
    folder = build_tiny_llama(tmp_path / "elsewhere", layers=1)
    for base in (str(folder), "starter", "mine"):
        create_run(project, RunConfig(base_model=base, num_threads=1))
    panel = build_panel(ModelsPanel, context, gr.State(""), gr.Dropdown())
    shown = panel.draw(context, chosen(context))
    choices = shown[panel.chosen]["choices"]
    assert choices.count("starter") == choices.count("mine") == 1
    offered = {value: label for label, value in shown[panel.field]["choices"]}
    assert {"starter", "smollm2-135m", "mine", str(folder)} <= set(offered)
    assert offered["mine"].startswith("mine")
    in_chinese = in_language("zh", panel.draw, context, chosen(context))[panel.field]["choices"]
    assert [label for label, value in in_chinese if value == "starter"] == [in_language("zh", say, "model.starter")]
    assert choices[-1] == str(folder)
    assert str(stored_folder("mine")) not in choices
    folder.rename(tmp_path / "gone")
    assert str(folder) not in panel.draw(context, chosen(context))[panel.chosen]["choices"]
    after = panel.use_it(context, chosen(context), "mine")[context.selection]
    assert dict(after.preset.values) == {"changes": {"base_model": "mine"}}


def test_the_advice_names_a_reason_and_only_times_that_are_known(context):
    [project] = context.workspace.list_projects()
    told = advice_view(project, RunConfig(max_steps=10), list_offers())
    assert "smollm2-135m" in told
    assert "not on this machine yet" in told
    assert "mine: about" in told
    assert "smollm2-135m: " not in told
    panel = build_panel(ModelsPanel, context, gr.State(""), gr.Dropdown())
    drawn = panel.draw_advice(context, chosen(context), config_to_yaml(RunConfig()))
    advised = drawn[panel.advised]
    assert panel.keep_advice(context, chosen(context).touched(), True, advised) == {}
    elsewhere = Selection(project_id=context.workspace.create_project("Other").project_id)
    for opened in (True, False):  # what was advised for one project never stands in another
        kept = panel.keep_advice(context, elsewhere, opened, advised)
        assert kept == {panel.advice: "", panel.advised: "", panel.due: elsewhere if opened else None}
    nothing = panel.draw_advice(context, Selection(), config_to_yaml(RunConfig()))
    assert "With tasks" in nothing[panel.advice]


def test_letters_decide_the_advice():
    assert foreign_share(["Is 2 + 2 = 4?", "ÄÖ ñ"]) == 0
    assert foreign_share(["12 %", ""]) == 0
    assert foreign_share(["你好 ab"]) == 0.5
    assert advise_base(["the α value of the test was measured in each of the groups"], []).reason == LATIN
    found = advise_base(["Это отзыв положительный?"], [])
    assert (found.reason, found.name) == (OTHER, "gemma-3-270m")


def test_a_model_that_runs_stand_on_is_not_removed(context, capsys):
    [project] = context.workspace.list_projects()
    folder = stored_folder("mine")
    run = create_run(project, RunConfig(base_model="mine", max_steps=2))
    assert run.read_config().base_model == str(folder)
    assert runs_on_model(context.workspace, "mine") == [run.run_id]
    panel = build_panel(ModelsPanel, context, gr.State(""), gr.Dropdown())
    with pytest.raises(ModelError, match="1 run stands on it"):
        panel.remove_it(context, chosen(context), "mine")
    assert main(["model", "remove", "mine"]) == 2
    assert "--anyway" in capsys.readouterr().err
    assert main(["model", "remove", "mine", "--anyway"]) == 0
    assert list_stored() == []
    assert folder.is_dir()  # a folder of the user's stays


def test_removing_says_what_stays(context):
    panel = build_panel(ModelsPanel, context, gr.State(""), gr.Dropdown())
    shown = panel.remove_it(context, chosen(context), "mine")
    assert "llama" in shown[panel.said]
    with pytest.raises(ModelError, match="no base model called"):
        panel.remove_it(context, chosen(context), "starter")


def test_a_shared_page_changes_nothing_in_the_store(context):
    shared = Context(context.workspace, shared=True)
    panel = build_panel(ModelsPanel, shared, gr.State(""), gr.Dropdown())
    assert not hasattr(panel, "wanted")
    assert store_place(shared, Selection()) is None
    panel.remove_it(shared, Selection(), "mine")
    assert [record.name for record in list_stored()] == ["mine"]
    assert shared_problems(shared, RunConfig(base_model="mine")) == []
    assert shared_problems(shared, RunConfig(base_model=str(stored_folder("mine")))) == []
    [problem] = shared_problems(shared, RunConfig(base_model="someone/else"))
    assert problem.field == "base_model"
    assert str(stored_folder("mine")) not in problem.message


def test_what_was_typed_is_one_word_of_the_command(tmp_path):
    with pytest.raises(ModelError, match="Nothing was given"):
        add_words(None, None, " ", None)
    words = add_words(None, None, " --name evil ", None)
    assert _command(words, tmp_path)[-2:] == ("--", "--name evil")
    assert _command(get_words(None, None, "smollm2-135m", True), tmp_path)[4:7] == (
        "model",
        "get",
        "--accept-terms",
    )
    assert "--json" in _command(["evaluate", "r1"], tmp_path)

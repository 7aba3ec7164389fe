"""Where a run is started: seen only where there is a choice, worded with what the engine knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.frame.api import Api
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts.language import speaking
from app.train import run_actions
from app.train.consent_row import NOBODY, ConsentRow
from app.train.plan_views import check_plan
from app.train.where_panel import WherePanel
from core.base.errors import RunError
from core.models.known_models import STARTER
from core.runs.engine_terms import engine_terms
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS
from core.runs.states import RunStatus
from core.runs.where import FILE, Engine
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.training.config import RunConfig
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.runs.fake_engine import FakeEngine

ONE = "far: {launcher: fake, hours: 2}\n"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    LAUNCHERS.register("fake", FakeEngine())
    yield Context(Workspace(tmp_path))
    LAUNCHERS.remove("fake")


def test_nothing_is_seen_while_there_is_only_this_machine(context: Context) -> None:
    panel = build_panel(WherePanel, context)
    shown = panel.draw(context, Selection())
    assert not shown[panel.choice]["visible"]
    assert shown[panel.told] == ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_engine_is_offered_with_price_limit_and_queue(context: Context, language: str) -> None:
    (context.workspace.root / FILE).write_text(ONE, encoding="utf-8")
    panel = build_panel(WherePanel, context)
    with speaking(language):
        shown = panel.draw(context, Selection(language=language, engine="far"))
        assert shown[panel.choice]["visible"]
        assert shown[panel.choice]["value"] == "far"
        assert [name for _, name in shown[panel.choice]["choices"]] == ["local", "far"]
        chosen = panel.tell(context, Selection(language=language), "far")
        told = chosen[panel.told]
        assert chosen[context.selection].engine == "far"
        assert "0.80" in told
        assert ("If the base model is a folder" if language == "en" else "一个文件夹") in told
        assert "1.60" in told
        assert ("leave this machine" if language == "en" else "离开本机") in told
        assert panel.tell(context, Selection(), "local")[panel.told] == ""


@pytest.mark.parametrize("text", ["far: 3", "other: {launcher: fake}\n"])
def test_a_chosen_engine_that_cannot_be_found_stays_chosen_and_is_named(
    context: Context, tmp_path: Path, text: str
) -> None:
    """Start and the Ready card ask for the same engine: nothing starts here because of a half-written file."""
    file = context.workspace.root / FILE
    file.write_text(text, encoding="utf-8")
    panel, chosen = build_panel(WherePanel, context), Selection(engine="far")
    shown = panel.draw(context, chosen)
    assert shown[panel.choice]["visible"]
    assert shown[panel.choice]["value"] == "far"
    assert "engines.yaml" in shown[panel.told]
    project = context.workspace.create_project("Desk")
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"word {i},{'ab'[i % 2]}\n" for i in range(60)), encoding="utf-8")
    add_task(project, rows, TaskRequest(name="letters"))
    state = check_plan(context, chosen.with_project(project.project_id), RunConfig())
    assert [(p.field, p.severity) for p in state.problems] == [("engine", "error")]
    assert "engines.yaml" in state.problems[0].message + state.problems[0].hint
    told = panel.tell(context, Selection(), "far")
    assert told[context.selection].engine == ""
    assert "engines.yaml" in told[panel.told]
    assert panel.tell(context, chosen, "local")[context.selection].engine == "local"
    file.write_text(ONE, encoding="utf-8")
    assert "0.80" in panel.draw(context, chosen)[panel.told]


def test_a_visitor_sees_only_what_is_for_visitors(context: Context) -> None:
    (context.workspace.root / FILE).write_text(ONE, encoding="utf-8")
    panel = build_panel(WherePanel, context)
    assert not panel.draw(context, Selection(owner="ann"))[panel.choice]["visible"]


@pytest.mark.usefixtures("context")
def test_a_base_model_that_is_a_folder_is_told_to_go_along_where_rows_are_copied(tiny_llama: Path) -> None:
    def keys(launcher: str, base_model: str) -> list[str]:
        return [one.key for one in engine_terms(Engine("far", launcher), str, base_model=base_model)]

    assert keys("fake", str(tiny_llama))[:2] == ["where.leaves", "where.model"]
    assert keys("fake", STARTER)[:2] == ["where.leaves", "where.price"]
    assert keys("slurm", str(tiny_llama))[0] == "where.reads"
    assert "where.model" not in keys("slurm", str(tiny_llama))


@pytest.mark.parametrize("name", ["resume", "stop", "mend"])
def test_what_starts_a_run_there_once_more_asks_in_the_words_of_the_first_start(
    context: Context, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (context.workspace.root / FILE).write_text(ONE, encoding="utf-8")
    project = context.workspace.create_project("Mine")
    folder = RunFolder(project.runs_dir / "r1")
    folder.path.mkdir(parents=True)
    folder.write_run({"name": "Run 1", "tasks": [], "on": "far"})
    folder.write_config(RunConfig())
    folder.write_status(RunStatus(state="interrupted"))
    done: list[RunFolder] = []
    monkeypatch.setitem(run_actions.ACTS, name, done.append)
    row, seen = build_panel(ConsentRow, context), Selection(project_id=project.project_id, run_id="r1")
    asked = row.press(context, seen, name=name)
    assert asked[row.box]["visible"]
    first = build_panel(WherePanel, context).tell(context, Selection(), "far")
    price = next(told for told in first.values() if "0.80" in str(told))
    assert "At most $1.60 each time it is started or resumed." in str(price)
    assert "At most $1.60 each time it is started or resumed." in asked[row.told]
    with speaking("zh"):
        assert "离开本机" in row.draw(context, seen, asked[row.wish])[row.told]
    assert row.draw(context, seen.with_run("r2"), asked[row.wish])[row.wish] == NOBODY
    row.grant(context, seen.with_run("r2"), asked[row.wish])  # another run is chosen meanwhile
    if name == "stop":
        with pytest.raises(RunError, match="Nothing was started"):
            Api(context).stop("r1")  # a program cannot agree
    assert done == []
    assert not row.grant(context, seen, asked[row.wish])[row.box]["visible"]
    folder.write_run({"name": "Run 1", "tasks": []})  # on this machine nothing is asked
    assert not row.press(context, seen, name=name)[row.box]["visible"]
    assert [made.run_id for made in done] == ["r1", "r1"]

"""The assembled page: a new tab is one line, every text follows the language, and owners never meet."""

from __future__ import annotations

import types

import gradio as gr
import pytest

from app.drawing.curves import Curves
from app.drawing.run_markup import readiness
from app.frame import workbench
from app.frame.glossary import WORDS, glossary_view
from app.frame.job_bar import Bar, JobBar
from app.grow.screen import Grow
from app.home.screen import Home
from app.results.screen import Results
from app.share.screen import Share
from app.shell import way_on
from app.shell.context import Context, Poll, run_polls
from app.shell.permissions import shared_problems
from app.shell.selection import Selection
from app.shell.way_on import go_on
from app.skills.screen import Skills
from app.tasks.screen import Tasks
from app.texts import TEXTS, say
from app.texts.language import in_language, speaking
from app.texts.words import Key, Words
from app.train.history_panel import HistoryPanel
from app.train.plan_views import check_plan
from app.train.screen import RunPanel
from app.train.start_run import start
from app.try_it.screen import TryIt
from core.base.errors import RunError, SettingError, WorkspaceError
from core.runs.folder import RunFolder
from core.runs.states import RunStatus
from core.training.config import RunConfig, change_config, config_to_yaml
from core.workspace import Workspace
from tests.app.panels import build_panel

FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
def context(tmp_path) -> Context:
    return Context(Workspace(tmp_path), shared=True)


@pytest.mark.parametrize(("shared", "said"), [(True, "serves this page"), (False, "your data stays here unless")])
def test_where_data_stays_is_said_for_the_page_that_is_open(context: Context, shared: bool, said: str) -> None:
    page = Context(context.workspace, shared=shared)
    home = build_panel(Home, page)
    assert said in home.draw(page, Selection(owner=FIRST))[home.intro]


def test_a_new_tab_is_one_file_and_one_line(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    added = types.SimpleNamespace(TITLE="tab.home", build=lambda _: gr.Markdown("added", elem_id="added"))
    monkeypatch.setattr(workbench, "TABS", (*workbench.TABS, added))
    page = workbench.build_workbench(context)
    assert any(getattr(block, "elem_id", None) == "added" for block in page.blocks.values())


def test_no_endpoint_is_offered_to_programs(context: Context) -> None:
    page = workbench.build_workbench(context)
    assert [fn.name for fn in page.fns.values() if fn.api_visibility != "private"] == []


def test_every_text_on_the_page_follows_the_language(context: Context) -> None:
    """A component that shows one of our English texts and is not followed would stay English."""
    page = workbench.build_workbench(context)
    followed = {id(component) for component in context.words.components}
    ours = {text for text in TEXTS["en"].values() if len(text) > 3} - {say("app.title"), "YAML"}
    left = [
        (type(block).__name__, text)
        for block in page.blocks.values()
        for text in (getattr(block, "label", None), getattr(block, "value", None))
        if isinstance(text, str) and text in ours and id(block) not in followed
    ]
    assert left == []
    english, chinese = (context.words.updates(language) for language in ("en", "zh"))
    same = [a for a, b in zip(english, chinese, strict=True) if a == b]
    assert len(same) < 0.1 * len(english)


def test_one_owner_sees_nothing_of_another(context: Context) -> None:
    mine, theirs = Selection(owner=FIRST), Selection(owner=SECOND)
    home = build_panel(Home, context)
    chosen = home.create_project(context, mine, "Mine")[context.selection]
    assert context.project(chosen) is not None
    stolen = Selection(owner=SECOND, project_id=chosen.project_id, task_id="t", run_id="r")
    assert context.project(stolen) is None
    assert context.projects(theirs) == []
    with pytest.raises(WorkspaceError):
        context.open_project(theirs, chosen.project_id)
    with pytest.raises(WorkspaceError):
        start(context, stolen, "", "token")
    with pytest.raises(WorkspaceError):
        home.remove_project(context, stolen, True)
    assert context.workspace.get_project("Mine", FIRST).project_id == chosen.project_id


def test_a_run_of_another_owner_is_not_found(context: Context) -> None:
    project = context.workspace.create_project("Mine", FIRST)
    run = project.runs_dir / "r20260101-000000-aaaaaaaa"
    (run / "adapter").mkdir(parents=True)
    assert context.trained_run(Selection(owner=FIRST, run_id=run.name)) == run.resolve()
    assert context.trained_run(Selection(owner=SECOND, run_id=run.name)) is None
    assert context.run_dir(Selection(owner=FIRST, run_id="../../x")) is None


def test_a_project_opens_on_the_newest_run_of_a_person(context: Context) -> None:
    project = context.workspace.create_project("Mine", FIRST)
    runs = (
        ("r20260101-000000-aaaaaaaa", None),
        ("r20260102-000000-aaaaaaaa", None),
        ("r20260103-000000-aaaaaaaa", "leaveout:r20260102-000000-aaaaaaaa"),
    )
    for number, (run_id, part_of) in enumerate(runs, start=1):
        folder = RunFolder(project.runs_dir / run_id)
        folder.path.mkdir(parents=True)
        folder.write_run({"name": f"Run {number}", "tasks": [], "part_of": part_of})
        folder.write_status(RunStatus(state="cancelled"))
    opened = context.open_project(Selection(owner=FIRST), project.project_id)
    assert opened.run_id == "r20260102-000000-aaaaaaaa"
    history = build_panel(HistoryPanel, context)
    listed = {card["id"]: card["meta"] for card in history.draw(context, opened, "", False)[history.runs]}
    assert list(listed) == [run_id for run_id, _ in reversed(runs)]  # the parts can be chosen too
    assert [say("run.part_of_leaveout") in meta for meta in listed.values()] == [True, False, False]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_screen_says_what_to_do_while_there_is_nothing(context: Context, language: str) -> None:
    nobody = Selection(owner=FIRST, language=language)
    with speaking(language):
        tasks = build_panel(Tasks, context)
        assert say("tasks.need_project") in tasks.draw(context, nobody)[tasks.intro]
        panel = build_panel(RunPanel, context)
        assert say("run.none_title") in panel.draw(context, nobody, Curves())[panel.progress]
        grow, share = build_panel(Grow, context), build_panel(Share, context)
        assert say("grow.none_title") in grow.draw(context, nobody)[grow.head]
        results, skills = build_panel(Results, context), build_panel(Skills, context)
        assert say("results.none_title") in results.draw(context, nobody, None)[results.head]
        assert say("skills.none_title") in skills.draw(context, nobody)[skills.head]
        assert say("share.none_title") in share.draw(context, nobody)[share.head]
        try_it = build_panel(TryIt, context)
        assert say("try.none_title") in try_it.draw(context, nobody, None, [], None)[try_it.head]
        for screen in (results, skills, share, grow):
            assert (
                'data-id="home"'
                in screen.draw(context, nobody, *([None] if screen is results else []))[screen.head]
            )
    state = check_plan(context, nobody, RunConfig())
    assert [p.severity for p in state.problems] == ["error"]
    assert list(state.facts) == []
    assert [fix.screen for fix in state.fixes[0]] == ["home"]  # where a project is made


def test_an_empty_screen_leads_to_what_comes_first(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Selection(owner=FIRST)
    project = context.workspace.create_project("Mine", FIRST)
    empty_project = nobody.with_project(project.project_id)
    opened = build_panel(Home, context).open_sample(context, nobody)[context.selection]
    skills = build_panel(Skills, context)
    wanted = {"home": (nobody, "home"), "tasks": (empty_project, "tasks"), "train": (opened, "train")}
    for step, (seen, screen) in wanted.items():
        head = skills.draw(context, seen)[skills.head]
        assert f'data-id="{step}"' in head
        assert say(f"onward.{step}") in head
        click = types.SimpleNamespace(id=step, act="go")
        assert go_on(context, seen, click)[context.tabs] == gr.update(selected=f"tab.{screen}")
    monkeypatch.setattr(way_on, "list_summaries", lambda _: [RunStatus(state="running")])
    assert say("onward.watch") in skills.draw(context, opened)[skills.head]
    assert go_on(context, opened, types.SimpleNamespace(id="nowhere")) == {}
    grow = build_panel(Grow, context)  # has a button of its own for training
    assert "data-id" not in grow.draw(context, opened)[grow.head]


def test_a_plan_that_is_ready_says_what_will_happen(context: Context) -> None:
    opened = build_panel(Home, context).open_sample(context, Selection(owner=FIRST))[context.selection]
    state = check_plan(context, opened, RunConfig())
    assert state.ready
    assert len(state.facts) >= 4
    assert len(state.details) >= 2
    assert 'data-ready="yes"' in readiness(state)


def test_the_sample_is_loaded_once_and_opened_again(context: Context) -> None:
    home = build_panel(Home, context)
    first = home.open_sample(context, Selection(owner=FIRST))[context.selection]
    again = home.open_sample(context, Selection(owner=FIRST, language="zh"))[context.selection]
    assert first.project_id == again.project_id
    assert len(context.projects(first)) == 1


def test_polls_share_one_event_and_stay_silent_together() -> None:
    silent = Poll(lambda a: gr.skip(), ["a"], ["x", "y"])
    loud = Poll(lambda b, c: b + c, ["b", "c"], ["z"])
    assert run_polls([silent, silent], "", 1, 2) == gr.skip()
    assert run_polls([silent, loud], "", 1, 2, 3) == [gr.skip(), gr.skip(), 5]


def test_a_screen_is_polled_while_it_is_open() -> None:
    here, there = Poll(lambda a: a, ["a"], ["x"], "tab.train"), Poll(lambda b: b, ["b"], ["y"], "tab.results")
    assert run_polls([here, there], "tab.results", 1, 2) == [gr.skip(), 2]
    assert run_polls([here, there], "", 1, 2) == gr.skip()


def test_a_run_that_ends_lets_the_open_screen_read_anew(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    bar, selection, running = build_panel(JobBar, context), Selection(), Bar("line", (("r1", "running"),))
    assert bar.poll(context, selection, Bar("", ())) == gr.skip()
    assert context.selection not in bar.poll(context, selection, None)  # the first look
    shown = bar.poll(context, selection, running)
    assert (shown[bar.bar], shown[bar.seen].states, shown[context.selection]) == ("", (), selection.moved())


def test_words_follow_the_language_in_choices_and_labels() -> None:
    with gr.Blocks():
        words = Words()
        radio = words(gr.Radio, label=Key("plan.level"), choices=[(Key("level.simple"), "simple")], value="simple")
    assert radio.label == say("plan.level")
    chinese = words.updates("zh")[0]
    assert chinese["label"] == in_language("zh", say, "plan.level")
    assert chinese["choices"] == [(in_language("zh", say, "level.simple"), "simple")]


def test_the_glossary_explains_every_word_in_both_languages() -> None:
    for language in ("en", "zh"):
        assert in_language(language, glossary_view).count("<dt>") == len(WORDS)


@pytest.mark.parametrize("changes", [{"base_model": "/etc"}, {"report_to": "wandb"}, {"num_processes": 8}])
def test_a_shared_page_refuses_what_ones_own_machine_may(context: Context, changes: dict) -> None:
    opened = build_panel(Home, context).open_sample(context, Selection(owner=FIRST))[context.selection]
    config = change_config(RunConfig(), changes)
    assert [p.field for p in check_plan(context, opened, config).problems] == list(changes)
    with pytest.raises(SettingError):
        start(context, opened, config_to_yaml(config), "token")
    assert list(context.require_project(opened).runs_dir.iterdir()) == []
    assert shared_problems(Context(context.workspace), config) == []


def test_a_visitor_has_one_run_at_a_time(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = build_panel(Home, context).open_sample(context, Selection(owner=FIRST))[context.selection]
    busy = types.SimpleNamespace(state="running", started=None, ended=None)
    monkeypatch.setattr("core.runs.quotas.list_summaries", lambda project: [busy])
    with pytest.raises(RunError, match="at work"):
        start(context, opened, config_to_yaml(RunConfig()), "token")

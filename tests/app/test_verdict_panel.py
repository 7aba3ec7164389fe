"""The verdict cards of Results on staged runs: words and tones, and that every button leads where it says."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from app.drawing.run_markup import word_mean
from app.results.forgotten_panel import ForgottenPanel
from app.results.screen import draw_scores, find_scores
from app.results.verdict_panel import TONES, VerdictPanel, count_verdicts, find_verdicts
from app.share.warnings import warnings_view
from app.shell.context import Context
from app.shell.selection import Selection
from app.tasks.health_panel import HealthPanel
from app.tasks.rows_panel import RowsPanel
from app.texts.language import in_language
from core.base.files import write_json_atomic
from core.insight.verdict_rules import STEPS
from core.insight.verdicts import Verdict, by_harm, read_verdicts
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.summaries import summarise_run
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.staged_runs import Stage, stages, write_stage

RUN = "r20260101-000000-aaaaaaaa"
STAGES = {stage.name: stage for stage in stages()}
SCREEN_OF = {
    "more_rows": "tasks",
    "fix_data": "tasks",
    "allow_longer": "train",
    "train_longer": "train",
    "try_it": "try_it",
}


def place_of(stage: Stage, tmp_path: Path) -> tuple[Context, Selection]:
    """A project whose only task bears the stage's name, and the staged run in it."""
    project = Workspace(tmp_path / "home").create_project("Desk")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"mail {i}", "label": "ab"[i % 2]}) + "\n" for i in range(40)))
    add_task(project, rows, TaskRequest(name=stage.name))
    write_stage(stage, project.runs_dir / RUN)
    return Context(Workspace(tmp_path / "home")), Selection(project_id=project.project_id, run_id=RUN)


def wired_panel(context: Context) -> tuple[VerdictPanel, gr.Accordion]:
    """The panel, and the fold of the exam."""
    panel = build_panel(VerdictPanel, context)
    with context.page:
        fold = gr.Accordion()
        panel.wire(context, fold)
    return panel, fold


def shown_card(place: tuple[Context, Selection], language: str = "en") -> dict[str, object]:
    panel = build_panel(VerdictPanel, place[0])
    return in_language(language, panel.draw, *place)[panel.cards][0]


@pytest.mark.parametrize("name", STAGES)
def test_a_staged_run_shows_its_verdict_and_its_button_leads_there(name: str, tmp_path: Path) -> None:
    stage = STAGES[name]
    place = place_of(stage, tmp_path)
    context, selection = place
    card = shown_card(place)
    assert (card["title"], card["tone"]) == (name, TONES[stage.verdict])
    (button,) = card["actions"]  # type: ignore[misc]
    assert (button["id"], button["act"]) == (name, stage.step)
    assert button["label"] in button["hint"]
    assert shown_card(place, "zh")["text"] != card["text"]
    panel, fold = wired_panel(context)
    led = panel.go(context, selection, SimpleNamespace(id=name, act=button["act"]))  # type: ignore[arg-type]
    if stage.step == "examine":
        assert led == {fold: gr.update(open=True)}
        return
    assert led[context.tabs]["selected"] == f"tab.{SCREEN_OF[stage.step]}"
    brought = dict(led[context.selection].preset.values)
    task_id = led[context.selection].task_id
    wanted = {
        "more_rows": {"rows": True},
        "fix_data": {"health": True},
        "allow_longer": {"changes": {"max_tokens": 1024}, "of_run": True},
        "train_longer": {"changes": {"epochs": 6.0}, "of_run": True},
        "try_it": {"task": name},
    }
    assert brought == wanted[stage.step]
    assert bool(task_id) is (SCREEN_OF[stage.step] == "tasks")


def test_a_step_that_nobody_offers_leads_nowhere(tmp_path: Path) -> None:
    context, selection = place_of(STAGES["good"], tmp_path)
    panel, _ = wired_panel(context)
    led = panel.go(context, selection, SimpleNamespace(id="good", act="act"))  # type: ignore[arg-type]
    assert list(led) == [context.selection]


@pytest.mark.parametrize(("name", "up"), [("below guessing", False), ("collapsed", False), ("good", True)])
def test_nothing_is_green_below_guessing(name: str, up: bool, tmp_path: Path) -> None:
    """Also where the untouched model scores nothing at all."""
    context, selection = place_of(STAGES[name], tmp_path)
    shown = draw_scores(context, selection, None)
    assert ('class="up"' in shown) is up
    score = find_scores(context, selection)[0]
    assert html.escape(f"{100 * score.gain.value:+.1f}") in shown  # type: ignore[union-attr]


@pytest.mark.parametrize("name", STAGES)
def test_no_table_says_nan_or_is_sure_of_few_rows(name: str, tmp_path: Path) -> None:
    shown = draw_scores(*place_of(STAGES[name], tmp_path), None)
    assert "nan" not in shown
    assert "None" not in shown
    if 0 < len(STAGES[name].exam) < 20:
        assert 'class="up"' not in shown
        assert "[100.0, 100.0]" not in shown


def judged(verdict: str, task: str) -> Verdict:
    return Verdict(task, verdict, "ready", Sentence("verdict.ready"), "try_it")


def test_many_tasks_are_counted_and_the_worst_come_first() -> None:
    found = [judged("ready", f"t{i}") for i in range(6)] + [judged("broken", "bad"), judged("not_yet", "poor")]
    assert [v.task for v in by_harm(found)][:2] == ["bad", "poor"]
    assert [v.task for v in by_harm(found[4:])] == ["bad", "poor", "t4", "t5"]  # and so do few
    counts = count_verdicts(found)
    assert "ready to use: 6" in counts
    assert "promising" not in counts
    assert count_verdicts(found[:1]) == ""


def test_without_an_exam_there_is_no_card(tmp_path: Path) -> None:
    context, selection = place_of(STAGES["good"], tmp_path)
    (context.run_dir(selection) / "results.json").unlink()  # type: ignore[operator]
    panel = build_panel(VerdictPanel, context)
    assert panel.draw(context, selection) == {panel.counts: "", panel.cards: []}
    assert find_verdicts(None) == []
    assert set(SCREEN_OF) == set(STEPS) - {"examine"}


def test_the_tasks_screen_opens_what_a_verdict_asks_for(tmp_path: Path) -> None:
    context, selection = place_of(STAGES["good"], tmp_path)
    health = build_panel(lambda built: HealthPanel(built, [gr.State(""), gr.State(64)]), context)
    assert health.bring(context, selection, {"rows": True}) == {}
    led = health.bring(context, selection, {"health": True})
    assert (led[health.fold]["open"], led[health.opened], led[health.due]) == (True, True, selection)
    rows = build_panel(RowsPanel, context)
    assert rows.bring(context, selection, {"health": True}, "", "") == {}
    shown = rows.bring(context, selection, {"rows": True}, "", "")
    assert shown[rows.fold]["open"] is True
    assert shown[rows.page]["total"] == 40


def test_share_repeats_that_a_task_is_broken_and_is_silent_about_a_good_one(tmp_path: Path) -> None:
    for stage, told in (("collapsed", True), ("good", False)):
        context, selection = place_of(STAGES[stage], tmp_path / stage)
        run_dir = context.run_dir(selection)
        assert run_dir is not None
        (verdict,) = read_verdicts(run_dir)
        shown = warnings_view(run_dir)
        assert (verdict.task in shown and "broken" in shown) is told
        assert bool(shown) is told


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_forgotten_is_shown_with_the_lost_answers(language: str, tmp_path: Path) -> None:
    context, selection = place_of(STAGES["good"], tmp_path)
    panel = build_panel(ForgottenPanel, context)
    assert panel.draw(context, selection)[panel.view] == ""
    questions = [
        {"language": "en", "question": f"q<{i}>", "right": ["a"], "base": "a", "base_right": True}
        | {"tuned": [{"task": "good", "text": f"b<{i}>", "right": i > 3}]}
        for i in range(10)
    ]
    losses = [{"task": "good", "loss": 3.4, "change": 0.4, "low": 0.3, "high": 0.5}]
    record = {"version": 1, "base_loss": 3.0, "tasks": losses, "questions": questions}
    write_json_atomic(context.run_dir(selection) / "forgetting.json", record)  # type: ignore[operator]
    shown = in_language(language, panel.draw, context, selection)[panel.view]
    assert shown.count('class="warn"') == 2
    assert shown.count("b&lt;") == 4
    assert "b<" not in shown
    few = [{**asked, "base_right": i < 2} for i, asked in enumerate(questions)]
    open_loss = [{**losses[0], "low": -0.05, "high": 0.85}]
    record |= {"tasks": open_loss, "questions": few}  # two known answers, both lost; text perhaps worse
    write_json_atomic(context.run_dir(selection) / "forgetting.json", record)  # type: ignore[operator]
    shown = in_language(language, panel.draw, context, selection)[panel.view]
    assert shown.count('class="info"') == 2
    assert 'class="ok"' not in shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tiny exam", "too few exam rows to say"),
        ("below guessing", "below the best guesses'"),
        ("noisy gain", "may be chance"),
        ("good", "(best guesses "),
    ],
)
def test_a_mean_is_said_with_what_it_lacks(name: str, said: str, tmp_path: Path) -> None:
    run_dir = write_stage(STAGES[name], tmp_path / "run")
    write_json_atomic(run_dir / "DONE", {"state": "succeeded"})
    told = word_mean(summarise_run(RunFolder(run_dir)))
    assert said in told
    assert re.match(r"mean score [\d.]+ \[[\d.]+, [\d.]+\]", told)

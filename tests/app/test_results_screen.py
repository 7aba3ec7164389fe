"""The Results screen without a browser: scores in points, the right row corrected, how sure the detection is."""

from __future__ import annotations

import html
import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from app.results.answer_browser import AnswerBrowser
from app.results.detector_panel import SPEC, DetectorPanel, detector_words
from app.results.report_panel import report_words
from app.results.screen import draw_comparison, draw_scores
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts.language import in_language
from core.base.files import write_json_atomic
from core.chat.detecting import DetectorReport
from core.evaluation.intervals import Score
from core.evaluation.results import build_results
from core.insight.jobs import job_dir
from core.insight.report import ReportWords, build_report
from core.messages import Sentence, word
from core.runs.folder import RunFolder
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.dataset import TaskDataset, render_prompt
from core.tasks.store import list_tasks, read_rows, task_dir
from core.workspace import Project, Workspace
from tests.app.panels import build_panel

RUNS = ("r20260101-000000-aaaaaaaa", "r20260101-000001-bbbbbbbb")


def examined_run(project: Project, run_id: str, right: int) -> None:
    """A run over the project's tasks of which so many exam answers of each are right, the base model's none."""
    run_dir, specs = project.runs_dir / run_id, list_tasks(project)
    (run_dir / "predictions").mkdir(parents=True)
    (run_dir / "adapter").mkdir()
    for index, task in enumerate(specs):
        rows = list(read_rows(task_dir(project, task.task_id), "test"))
        records = [
            {
                "row": i,
                "line": line,
                "prompt": render_prompt(task, row),
                "target": row["label"],
                "base": "no idea",
                "tuned": row["label"] if i < right else "no idea",
            }
            for i, (line, row) in enumerate(rows)
        ]
        text = "".join(json.dumps(record) + "\n" for record in records)
        (run_dir / "predictions" / f"{index}.jsonl").write_text(text, encoding="utf-8")
    write_json_atomic(
        run_dir / "results.json", build_results(TaskDataset(tuple(specs), {}), run_dir / "predictions")
    )
    tasks = [
        {"index": i, "task_id": s.task_id, "name": s.name, "metric": s.metric, "kind": s.kind}
        for i, s in enumerate(specs)
    ]
    write_json_atomic(run_dir / "run.json", {"run_id": run_id, "name": run_id[-1], "tasks": tasks})
    (run_dir / "config.yaml").write_text("seed: 0\n", encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> tuple[Context, Selection]:
    project = Workspace(tmp_path / "home").create_project("Desk")
    for name in ("calls", "mails"):
        rows = [{"text": f"{name} number {i}", "label": ("yes", "no")[i % 2]} for i in range(60)]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        add_task(project, path, TaskRequest(name=name))
    for run_id, right in zip(RUNS, (3, 6), strict=True):
        examined_run(project, run_id, right)
    return Context(Workspace(tmp_path / "home")), Selection(project_id=project.project_id, run_id=RUNS[1])


def test_scores_are_points_of_100_and_no_gain_is_shown_that_was_not_measured(
    place: tuple[Context, Selection],
) -> None:
    context, selection = place
    shown = html.unescape(draw_scores(context, selection, None))
    assert "100.0 <span" in shown
    assert "–" in shown  # this run has no practice rows to guess from
    assert "▲" not in shown
    assert "accuracy: how many answers are right." in shown
    assert "Averaged over 2 tasks the score went from the untouched model's 0.0 to 100.0 (95 %" in shown


def test_the_report_speaks_as_the_screens(place: tuple[Context, Selection]) -> None:
    """Metrics, method and skills by the names that the screens give them, in the same language."""
    context, selection = place
    run_dir = context.run_dir(selection)
    (run_dir / "run.json").write_text(
        json.dumps(
            {
                **json.loads((run_dir / "run.json").read_text(encoding="utf-8")),
                "created": 0,
                "method": "lora",
                "base_model": "starter",
            }
        ),
        encoding="utf-8",
    )
    pages = {
        language: in_language(language, lambda: build_report(run_dir, report_words())) for language in ("en", "zh")
    }
    for language, metric, method in (("en", "accuracy", "LoRA (shared)"), ("zh", "准确率", "LoRA（共享）")):
        assert f"<td>{metric}</td>" in pages[language]
        assert word(Sentence("reason.exam_small", {"n": 6, "few": 20}), language) in pages[language]
        assert method in pages[language]
    assert "accuracy" not in pages["zh"]
    plain = build_report(run_dir, ReportWords())  # the command line's own
    assert "<td>Accuracy</td>" in plain
    for heading in ("untouched model", "trained model"):  # as the screen calls them
        assert f">{heading}</th>" in plain
        assert f">{heading}</th>" in pages["en"]


def test_a_comparison_has_the_sign_of_the_table(place: tuple[Context, Selection]) -> None:
    """Chosen run minus the other one, in the column beside the scores and in the table below."""
    context, selection = place
    assert "▲ +50.0" in draw_scores(context, selection, RUNS[0])
    below = draw_comparison(context, selection, RUNS[0])
    assert "b minus a" in below
    assert "+50.0" in below


def test_the_form_corrects_the_row_it_is_about(place: tuple[Context, Selection]) -> None:
    """Whatever task or run is looked at when Save is pressed."""
    context, selection = place
    project = context.require_project(selection)
    event = SimpleNamespace(id="1", act="correct")
    browser = build_panel(lambda built: AnswerBrowser(built, gr.Dropdown()), context)
    form = browser.form
    chosen = browser.act(context, selection, ("calls", "all", "", None, 0), event)[form.chosen]  # type: ignore[arg-type]
    assert chosen == (RUNS[1], "calls", 1)
    assert form.draw(context, selection, chosen, "calls") == gr.skip()
    for other in (
        form.draw(context, selection, chosen, "mails"),
        form.draw(context, selection, (), "calls"),
        form.draw(context, selection.with_run(RUNS[0]), chosen, "calls"),
    ):
        assert other["visible"] is False
    stale = form.correct(context, selection.with_run(RUNS[0]), chosen, "maybe", "exam")
    assert stale == {form.done: ""}
    before = {task.name: list(read_rows(task_dir(project, task.task_id), "test")) for task in list_tasks(project)}
    shown = form.correct(context, selection, chosen, "maybe", "exam")
    after = shown[context.selection]
    assert "calls" in shown[form.done]
    assert after.version > selection.version
    now = {task.name: list(read_rows(task_dir(project, task.task_id), "test")) for task in list_tasks(project)}
    assert now["mails"] == before["mails"]
    assert [row["label"] for _, row in now["calls"]].count("maybe") == 1


def test_certainty_is_said_and_drawn(place: tuple[Context, Selection]) -> None:
    context, selection = place
    panel = build_panel(DetectorPanel, context)
    assert panel.draw_about(context, selection)[panel.box]["visible"] is True
    assert detector_words(context, selection) == ["detect", RUNS[1]]
    assert panel.draw(context, selection) == {panel.said: "", panel.plot: ""}
    report = DetectorReport(Score(0.9, 0.8, 0.95, 20), 0.5, 0.08, ((0.55, 0.5, 4), (0.98, 0.88, 16)))
    folder = job_dir(context.run_dir(selection), SPEC.kind)  # type: ignore[arg-type]
    folder.mkdir(parents=True)
    write_json_atomic(folder / "launch.json", {"pid": 1, "create_time": 0.0, "began": 0.0})
    write_json_atomic(folder / "out.json", asdict(report))
    shown = panel.draw(context, selection)
    says, figure = shown[panel.said], shown[panel.plot]
    assert "right for 90.0 % of 20 exam texts" in says
    assert "89 % on average, but right in 90.0 %" in says  # eight points off: not to be believed
    found = json.loads(figure)["data"][1]
    assert (found["x"], found["y"]) == ([0.55, 0.98], [0.5, 0.88])
    assert found["marker"]["size"][0] < found["marker"]["size"][1]
    honest = DetectorReport(report.accuracy, 0.5, 0.01, report.bins)
    write_json_atomic(folder / "out.json", asdict(honest))
    assert "可信" in in_language("zh", panel.draw, context, selection)[panel.said]
    record = RunFolder(context.run_dir(selection)).read_run()  # type: ignore[arg-type]
    write_json_atomic(context.run_dir(selection) / "run.json", {**record, "tasks": record["tasks"][:1]})  # type: ignore[operator]
    assert panel.draw_about(context, selection)[panel.box]["visible"] is False

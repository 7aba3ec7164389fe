"""What is worth mending in all tasks: worst first, with buttons that mend, and badges with their number."""

from __future__ import annotations

import json
import random
import types
from contextlib import nullcontext
from pathlib import Path

import gradio as gr
import pytest

from app.drawing.markup import esc
from app.shell.context import Context
from app.shell.outcomes import Outcomes
from app.shell.selection import Selection
from app.tasks import health_panel
from app.tasks.harm_panel import HarmPanel, look_at_all, worst_of
from app.tasks.health_panel import HealthPanel, draw_failure, most_read
from app.tasks.screen import Tasks
from app.texts import say, word_problem
from core.base.errors import TaskFileError, TaskloomError
from core.models.known_models import STARTER
from core.runs.ready import ready_report
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.health.report import health_report
from core.tasks.spec import SPLITS
from core.tasks.store import list_tasks, read_rows, task_dir
from core.training.config import RunConfig
from core.workspace import Project, Workspace
from tests.app.panels import build_panel

LOOK = (STARTER, 512)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Context, Selection, Project]:
    context = Context(Workspace(tmp_path / "home"))
    project = context.workspace.create_project("Desk")
    rows = [f"mail number {i} about a card,{'refund' if i % 2 else 'loan'}" for i in range(60)]
    (tmp_path / "good.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    (tmp_path / "bad.csv").write_text("\n".join(["text,label", *rows, *rows[:7]]) + "\n", encoding="utf-8")
    for name in ("good", "bad"):
        add_task(project, tmp_path / f"{name}.csv")
    return context, Selection(project_id=project.project_id), project


def test_the_worst_stands_first_and_its_button_mends_it(place: tuple[Context, Selection, Project]) -> None:
    context, here, project = place
    panel, bad = build_panel(HarmPanel, context), list_tasks(project)[1]
    shown = panel.draw(context, here, *LOOK, Outcomes())
    assert shown[panel.harms] == []
    assert say("health.looking") in shown[panel.title]  # nobody has looked: nothing is called healthy
    assert shown[panel.due] == here
    look_at_all(context, here, *LOOK, Outcomes())
    shown = panel.draw(context, here, *LOOK, Outcomes())
    assert shown[panel.due] is None
    repeated = next(c for c in shown[panel.harms] if c["id"] == f"{bad.task_id}:drop_duplicates")
    assert "7" in repeated["text"]
    tones = [c["tone"] for c in shown[panel.harms]]
    assert tones == sorted(tones, key=["bad", "warn"].index)

    rows = sum(
        1 for split in ("train", "validation", "test") for _ in read_rows(task_dir(project, bad.task_id), split)
    )
    after = panel.mend(context, here, types.SimpleNamespace(id=repeated["id"], act="act"))
    left = sum(
        1 for split in ("train", "validation", "test") for _ in read_rows(task_dir(project, bad.task_id), split)
    )
    assert left == rows - 7
    assert after.version > here.version
    assert panel.draw(context, here, *LOOK, Outcomes())[panel.due] == here  # its rows are others now
    opened = panel.mend(context, here, types.SimpleNamespace(id=repeated["id"], act="open"))
    assert opened.task_id == bad.task_id


@pytest.mark.parametrize("error", [TaskFileError("file.took_too_long", file="bad", seconds=3), OSError("disk")])
def test_a_look_that_failed_is_said_and_tried_again(
    place: tuple[Context, Selection, Project], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    context, here, _ = place

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(context.health, "look", fail)
    panel, failed = build_panel(HarmPanel, context), Outcomes()
    foreseen = isinstance(error, TaskloomError)
    with nullcontext() if foreseen else pytest.raises(OSError, match="disk"):
        look_at_all(context, here, *LOOK, failed)
    shown = panel.draw(context, here, *LOOK, failed)
    why = word_problem(error) if isinstance(error, TaskloomError) else say("health.not_looked")
    assert esc(why) in shown[panel.title]
    assert say("health.looking") not in shown[panel.title]
    again = panel.draw(context, here.touched(), *LOOK, failed)
    assert say("health.looking") in again[panel.title]
    assert again[panel.due] == here.touched()
    monkeypatch.setattr(health_panel, "health_isolated", fail)
    rows = build_panel(lambda built: HealthPanel(built, [gr.State(), gr.State()]), context)
    if foreseen:
        assert esc(why) in rows.draw(context, here, True, *LOOK)[rows.head]
    assert esc(say("health.not_looked")) in draw_failure(context, here)


def test_a_card_says_the_worst_of_its_task_with_its_number(place: tuple[Context, Selection, Project]) -> None:
    context, here, project = place
    screen = build_panel(Tasks, context)
    assert [c["badge"] for c in screen.draw_cards(context, here, *LOOK)[screen.listed]] == ["", ""]
    look_at_all(context, here, *LOOK, Outcomes())
    good, bad = list_tasks(project)
    health = context.health.find(project, bad, most_read(*LOOK))
    worst = next(f for f in health.findings if f.severity != "info")
    cards = screen.draw_cards(context, here, *LOOK)[screen.listed]
    assert cards[1]["badge"] == say(f"health.{worst.severity}")
    assert str(worst.count) in cards[1]["text"]
    assert worst_of(None) == {}
    fine = types.SimpleNamespace(findings=[types.SimpleNamespace(severity="info")])
    assert worst_of(fine) == {"badge": say("harms.fine"), "tone": "good"}
    assert context.health.find(project, good, most_read(STARTER, 64)) is None  # another limit, another look


def test_what_is_wrong_with_a_task_that_the_next_run_does_without_stops_nobody(
    place: tuple[Context, Selection, Project],
) -> None:
    """Its card keeps what was found, without red; the list of what to mend does without it, and says so."""
    context, here, project = place
    screen, panel = build_panel(Tasks, context), build_panel(HarmPanel, context)
    look_at_all(context, here, *LOOK, Outcomes())
    bad = list_tasks(project)[1]
    before = screen.draw_cards(context, here, *LOOK)[screen.listed][1]
    for name in (bad.name, bad.task_id):
        card = screen.draw_cards(context, here, *LOOK, [name])[screen.listed][1]
        assert (card["badge"], card["tone"]) == (say("harms.left_out"), "")
        assert card["text"] == before["text"] != ""
        shown = panel.draw(context, here, *LOOK, Outcomes(), [name])
        assert not [c for c in shown[panel.harms] if c["id"].startswith(bad.task_id)]
        assert say("harms.without", n=1) in shown[panel.title]
    assert [c for c in panel.draw(context, here, *LOOK, Outcomes())[panel.harms] if c["id"].startswith(bad.task_id)]


def test_what_the_ready_card_warns_of_is_no_healthy_task(tmp_path: Path) -> None:
    """One rule for both: by its rows alone a task is not called healthy where Ready foretells "not yet"."""
    draw = random.Random(4)
    words = [a + b for a in ("ma", "to", "ri", "bel", "kun", "sar") for b in ("da", "no", "ps", "lim", "ot", "gre")]
    rows = [(f"{' '.join(draw.sample(words, 9))} {i}", ("loan", "refund")[i % 2]) for i in range(120)]
    practice, check, exam = rows[:60], rows[60:80], rows[80:]
    other = [(text, "loan" if label == "refund" else "refund") for text, label in practice[:6]]
    parts = {
        "": (practice, check, exam),
        "few_exam": (practice, check, exam[:19]),
        "no_exam": (practice, check, []),
        "few_train": (practice[:19], check, exam),
        "no_validation": (practice, [], exam),
        "leaky": (practice, check, [*exam[:36], *practice[:4]]),
        "contradicting": ([*practice, *other], check, exam),
        "unseen": (practice, check, [*exam[:36], *((text, "praise") for text, _ in exam[36:])]),
    }
    project = Workspace(tmp_path / "home").create_project("Rules")
    for name, splits in parts.items():
        fill_task(project, tmp_path, name or "good", splits)
    problems = ready_report(project, RunConfig(max_tokens=512)).problems
    told = {name or "good": [p.key for p in problems if p.field == (name or "good")] for name in parts}
    assert told == {name or "good": [f"check.{name}"] if name else [] for name in parts}
    healthy = [task.name for task in health_report(project).tasks if worst_of(task)["tone"] == "good"]
    assert healthy == ["good"]


def fill_task(project: Project, folder: Path, name: str, splits: tuple[list[tuple[str, str]], ...]) -> None:
    """A task with these rows in its splits, past the import, which takes leaks out by itself."""
    path = folder / "rows.csv"
    path.write_text("\n".join(["text,label", *(f"{text},{label}" for text, label in splits[0])]), encoding="utf-8")
    spec = add_task(project, path, TaskRequest(name=name, inputs=("text",), targets=("label",)))
    for split, rows in zip(SPLITS, splits, strict=True):
        lines = [{"line": i, "row": {"text": text, "label": label}} for i, (text, label) in enumerate(rows, 1)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (task_dir(project, spec.task_id) / f"{split}.jsonl").write_text(text, encoding="utf-8")


def test_another_visitor_asks_for_nothing(place: tuple[Context, Selection, Project]) -> None:
    context, here, project = place
    look_at_all(context, here.with_owner("b" * 32), *LOOK, Outcomes())
    assert context.health.find(project, list_tasks(project)[0], most_read(*LOOK)) is None
    look_at_all(context, None, *LOOK, Outcomes())


def test_saving_is_said_beside_the_button(place: tuple[Context, Selection, Project]) -> None:
    from app.tasks.task_editor import Editor
    from app.tasks.task_fields import EDITED

    context, here, project = place
    editor = build_panel(Editor, context)
    spec = list_tasks(project)[0]
    drawn = editor.draw(context, here, *LOOK)
    given = [value["value"] if isinstance(value, dict) else value for value in (drawn[f] for f in editor.fields)]
    given[EDITED.index("name")] = "Mails"
    shown = editor.save_fields(context, here, False, *given)
    assert say("tasks.saved") in shown[editor.saved]
    assert next(t.name for t in list_tasks(project) if t.task_id == spec.task_id) == "Mails"

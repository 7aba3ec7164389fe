"""What is wrong with a task's rows before a run is spent on them: findings, fixes with undo, the labels."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.context import Context
from app.durations import word_count
from app.markup import esc, facts, note, part, table
from app.selection import Selection
from app.texts import say, word_error
from app.widgets import card, cards
from app.words import Key
from core.tasks.fixes import apply_fix
from core.tasks.health import Finding, health_report
from core.tasks.importing import list_tasks
from core.tasks.spec import TaskSpec
from core.tasks.versions import list_versions, undo_change

TONES = {"error": "bad", "warning": "warn", "info": ""}
MOST_LABELS = 40
MOST_LINES = 8
SAMPLE_CHARS = 90


class HealthPanel:
    """A fold; the rows are looked at when it is opened, since large tasks take seconds."""

    def __init__(self, context: Context) -> None:
        words, selection = context.words, context.selection
        self.opened = gr.State(False)
        with words(gr.Accordion, label=Key("health.title"), open=False, elem_id="task-health") as fold:
            head = gr.HTML(elem_id="health-head")
            findings = cards("health-findings", "rows")
            undo = words(gr.Button, Key("health.undo"), visible=False, size="sm", elem_id="health-undo")
            labels = gr.HTML(elem_id="health-labels")
        drawn = [head, findings, undo, labels]
        context.on(fold.expand, open_health, [selection], [self.opened, *drawn])
        context.on(fold.collapse, lambda _: False, [], self.opened)
        context.on_selection(draw_health, drawn, [self.opened])
        context.on(findings.click, mend, [selection], selection)
        context.on(undo.click, take_back, [selection], selection)


def open_health(context: Context, selection: Selection) -> list[Any]:
    return [True, *draw_health(context, selection, True)]


def draw_health(context: Context, selection: Selection, opened: bool) -> list[Any]:
    """-> heading, findings, Undo button, labels with samples. A closed fold costs nothing."""
    spec, language = chosen_task(context, selection), selection.language
    if not opened or spec is None:
        return ["", [], gr.update(visible=False), ""]
    project = context.require_project(selection)
    health = health_report(project, [spec.task_id]).tasks[0]
    head = "" if health.findings else note(say(language, "health.fine"))
    undo = bool(list_versions(project, spec.task_id))
    shown = [_finding_card(number, finding, language) for number, finding in enumerate(health.findings)]
    return [
        _lengths(health.statistics, language) + head,
        shown,
        gr.update(visible=undo),
        _labels(health.statistics, language),
    ]


def mend(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    """Applies the fix of a finding; all screens read the task again."""
    spec = chosen_task(context, selection)
    if spec is not None and event.act == "act":
        done = apply_fix(context.require_project(selection), spec.task_id, str(event.id))
        said = say(selection.language, "health.fixed", n=done.count)
        exam = say(selection.language, "health.fixed_exam", n=done.exam) if done.exam else ""
        gr.Info(f"{said} {exam}".strip(), duration=6)
    return selection.touched()


def take_back(context: Context, selection: Selection) -> Selection:
    """Brings back the rows from before the latest change."""
    spec = chosen_task(context, selection)
    if spec is not None:
        undo_change(context.require_project(selection), spec.task_id)
    return selection.touched()


def chosen_task(context: Context, selection: Selection) -> TaskSpec | None:
    """The chosen task of the open project, its first one while none is chosen."""
    project = context.project(selection)
    specs = list_tasks(project) if project else []
    return next((spec for spec in specs if spec.task_id == selection.task_id), specs[0] if specs else None)


def _finding_card(number: int, finding: Finding, language: str) -> dict[str, Any]:
    message, hint = word_error(language, finding.key, {"count": finding.count, **finding.values})
    lines = ", ".join(str(line) for _, line in finding.places[:MOST_LINES])
    more = " …" if len(finding.places) > MOST_LINES else ""
    return card(
        finding.fix or f"none-{number}",
        message,
        text=hint,
        meta=say(language, "health.lines", lines=lines + more) if lines else "",
        badge=say(language, f"health.{finding.severity}"),
        tone=TONES[finding.severity],
        action=say(language, f"fix.{finding.fix}") if finding.fix else "",
        still=True,
    )


def _lengths(statistics: dict[str, Any], language: str) -> str:
    pairs = []
    for name in ("input_tokens", "answer_tokens"):
        lengths = statistics.get(name)
        if lengths:
            said = say(
                language,
                "health.tokens",
                median=word_count(lengths["median"]),
                largest=word_count(lengths["largest"]),
            )
            pairs.append((say(language, f"health.{name}"), said))
    languages = statistics.get("languages") or {}
    known = [name for name in languages if name != "unknown"]
    pairs.append((say(language, "health.spoken"), ", ".join(known)))
    return facts(pairs)


def _labels(statistics: dict[str, Any], language: str) -> str:
    """Every answer of a classification with its practice rows and three samples."""
    labels = statistics.get("labels") or []
    if not labels:
        return ""
    rows = [
        [
            f"<b>{esc(entry['label'])}</b>",
            word_count(entry["train"]),
            "<br>".join(esc(" ".join(sample.split())[:SAMPLE_CHARS]) for sample in entry["samples"]),
        ]
        for entry in labels[:MOST_LABELS]
    ]
    headers = [say(language, f"health.{name}") for name in ("label", "practice", "samples")]
    return part(say(language, "health.labels")) + table(headers, rows, numeric=(1,))

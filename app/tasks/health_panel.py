"""What is wrong with a task's rows before a run is spent on them: findings, fixes with undo, the labels."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.durations import word_count
from app.drawing.figures import to_json
from app.drawing.markup import badge, download_link, esc, facts, note, part, table
from app.drawing.widgets import card, cards, plot
from app.shell.context import Context
from app.shell.notices import tell
from app.shell.selection import Selection
from app.tasks.task_figures import lengths_figure
from app.texts import listing, say, word_error, word_names, word_whole
from app.texts.words import Key
from core.base.errors import ModelError
from core.models.seeing import length_limit
from core.tasks.changing.add_task import list_tasks
from core.tasks.changing.exporting import export_health
from core.tasks.changing.in_child import fix_apart, undo_apart
from core.tasks.changing.isolation import health_isolated
from core.tasks.changing.versions import list_versions
from core.tasks.cuts import LengthLimit
from core.tasks.health.report import Finding, HealthReport
from core.tasks.spec import TaskSpec
from core.workspace import Project

DEFAULT_LIMIT = 512

TONES = {"error": "bad", "warning": "warn", "info": ""}
MOST_LABELS = 40
MOST_LINES = 8
SAMPLE_CHARS = 90


class HealthPanel:
    """A fold; the rows are looked at when it is opened, in a process of their own, since large tasks take seconds.

    `look` are the components with the base model and the length limit that tokens are counted for.
    """

    def __init__(self, context: Context, look: list[Any]) -> None:
        words, selection = context.words, context.selection
        self.opened, self.due = gr.State(False), gr.State(None)
        with words(gr.Accordion, label=Key("health.title"), open=False, elem_id="task-health") as fold:
            head = gr.HTML(elem_id="health-head")
            findings = cards("health-findings", "rows")
            undo = words(gr.Button, Key("health.undo"), visible=False, size="sm", elem_id="health-undo")
            lengths = plot("health-lengths")
            labels = gr.HTML(elem_id="health-labels")
            everything = words(gr.Button, Key("health.all"), size="sm", elem_id="health-all")
            between = gr.HTML(elem_id="health-between")
        drawn = [head, findings, undo, lengths, labels, between]
        context.on(fold.expand, open_health, [selection, *look], [self.opened, *drawn])
        context.on(fold.collapse, lambda _: False, [], self.opened)
        context.on_selection(ask_health, [self.due, *drawn], [self.opened])
        context.on(self.due.change, draw_health, [selection, self.opened, *look], drawn, show_progress="hidden")
        context.on(findings.click, mend, [selection], selection)
        context.on(undo.click, take_back, [selection], selection)
        context.on(everything.click, draw_all, [selection, *look], between, show_progress="full")


def open_health(context: Context, selection: Selection, model: str, limit: float | None) -> list[Any]:
    return [True, *draw_health(context, selection, True, model, limit)]


def ask_health(context: Context, selection: Selection, opened: bool) -> list[Any]:
    """-> for what the findings are due, and nothing until they are there: the rows take seconds, and the rest of
    the screen does not wait for them. Closed is free."""
    spec, cleared = chosen_task(context, selection), [[], gr.update(visible=False), "", "", ""]
    if not opened or spec is None:
        return [None, "", *cleared]
    return [selection, note(say("health.looking")), *cleared]


def draw_health(context: Context, selection: Selection, opened: bool, model: str, limit: float | None) -> list[Any]:
    """-> heading, findings, Undo button, lengths, labels with samples, no table of all tasks. Closed is free."""
    spec = chosen_task(context, selection)
    if not opened or spec is None:
        return ["", [], gr.update(visible=False), "", "", ""]
    project = context.require_project(selection)
    report = _checked(project, [spec.task_id], model, limit)
    health = report.tasks[0]
    head = "" if health.findings else note(say("health.fine"))
    undo = bool(list_versions(project, spec.task_id))
    shown = [_finding_card(number, finding) for number, finding in enumerate(health.findings)]
    return [
        _lengths(health.statistics) + head + (_report_link(report) if shown else ""),
        shown,
        gr.update(visible=undo),
        to_json(lengths_figure(health.statistics, int(limit or DEFAULT_LIMIT))),
        _labels(health.statistics),
        "",
    ]


def draw_all(context: Context, selection: Selection, model: str, limit: float | None) -> str:
    """All tasks of the project and what lies between them, as one table with a file."""
    project = context.project(selection)
    if project is None:
        return ""
    report = _checked(project, None, model, limit)
    found = [(t.name, f) for t in report.tasks for f in t.findings]
    found += [(say("health.between"), f) for f in report.across]
    rows = [[esc(name), *_finding_cells(finding)] for name, finding in found]
    heads = [say(f"health.{name}") for name in ("task", "weight", "finding")]
    shown = table(heads, rows) if rows else note(say("health.fine"))
    return part(say("health.all_title")) + shown + _report_link(report)


def _finding_cells(f: Finding) -> list[str]:
    said = word_whole(f.key, {"count": f.count, **f.values})
    return [badge(say(f"health.{f.severity}"), TONES[f.severity]), esc(said)]


def _checked(project: Project, names: list[str] | None, model: str, limit: float | None) -> HealthReport:
    """Tokens are the base model's own where its files are on this machine, else estimated."""
    most = int(limit or DEFAULT_LIMIT)
    try:
        measured = length_limit(model, most)
    except ModelError:
        measured = LengthLimit(most, model)
    return health_isolated(project, names, measured)


def _report_link(report: HealthReport) -> str:
    text = export_health(report, word_error).decode("utf-8-sig")
    return download_link("health.csv", text, say("health.file"))


def mend(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    """Applies the fix of a finding; all screens read the task again."""
    spec = chosen_task(context, selection)
    if spec is not None and event.act == "act":
        done = fix_apart(context.require_project(selection), spec.task_id, str(event.id))
        said = say("health.fixed", n=done.count)
        exam = say("health.fixed_exam", n=done.exam) if done.exam else ""
        tell(f"{said} {exam}".strip(), 6)
    return selection.touched()


def take_back(context: Context, selection: Selection) -> Selection:
    """Brings back the rows from before the latest change."""
    spec = chosen_task(context, selection)
    if spec is not None:
        undo_apart(context.require_project(selection), spec.task_id)
    return selection.touched()


def chosen_task(context: Context, selection: Selection) -> TaskSpec | None:
    """The chosen task of the open project, its first one while none is chosen."""
    project = context.project(selection)
    specs = list_tasks(project) if project else []
    return next((spec for spec in specs if spec.task_id == selection.task_id), specs[0] if specs else None)


def _finding_card(number: int, finding: Finding) -> dict[str, Any]:
    message, hint = word_error(finding.key, {"count": finding.count, **finding.values})
    lines = ", ".join(str(line) for _, line in finding.places[:MOST_LINES])
    more = " …" if len(finding.places) > MOST_LINES else ""
    return card(
        finding.fix or f"none-{number}",
        message,
        text=hint,
        meta=say("health.lines", lines=lines + more) if lines else "",
        badge=say(f"health.{finding.severity}"),
        tone=TONES[finding.severity],
        action=say(f"fix.{finding.fix}") if finding.fix else "",
        still=True,
    )


def _lengths(statistics: dict[str, Any]) -> str:
    pairs = []
    for name in ("input_tokens", "answer_tokens"):
        lengths = statistics.get(name)
        if lengths:
            said = say(
                "health.tokens", median=word_count(lengths["median"]), largest=word_count(lengths["largest"])
            )
            pairs.append((say(f"health.{name}"), said))
    languages = statistics.get("languages") or {}
    known = [word_names("languages", name) for name in languages if name != "unknown"]
    pairs.append((say("health.spoken"), listing(known)))
    return facts(pairs)


def _start_of(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SAMPLE_CHARS else f"{plain[:SAMPLE_CHARS].rsplit(' ', 1)[0]} …"


def _labels(statistics: dict[str, Any]) -> str:
    """Every answer of a classification with its practice rows and three samples."""
    labels = statistics.get("labels") or []
    if not labels:
        return ""
    rows = [
        [
            f"<b>{esc(entry['label'])}</b>",
            word_count(entry["train"]),
            "<br>".join(esc(_start_of(sample)) for sample in entry["samples"]),
        ]
        for entry in labels[:MOST_LABELS]
    ]
    headers = [say(f"health.{name}") for name in ("label", "practice", "samples")]
    return part(say("health.labels")) + table(headers, rows, numeric=(1,))

"""What is wrong with a task's rows before a run is spent on them: findings, fixes, the labels."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.durations import word_count
from app.drawing.figures import to_json
from app.drawing.markup import badge, bullets, download_link, esc, facts, note, part, table
from app.drawing.widgets import card, cards, plot, way_to
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.notices import tell
from app.shell.outcomes import Slow, wire_slow
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.tasks.task_figures import lengths_figure
from app.tasks.task_markup import counted_for
from app.texts import listing, say, word_error, word_names, word_problem, word_whole
from app.texts.words import Key
from core.base.errors import ModelError, TaskloomError
from core.models.seeing import length_limit
from core.tasks.changing.exporting import export_health
from core.tasks.changing.in_child import fix_in_child, undo_in_child
from core.tasks.changing.isolation import health_isolated
from core.tasks.cuts import LengthLimit
from core.tasks.health.report import Finding, HealthReport, harm_of
from core.tasks.spec import TaskSpec
from core.tasks.store import list_tasks
from core.workspace import Project

DEFAULT_LIMIT = 512

TONES = {"error": "bad", "warning": "warn", "info": ""}
MOST_LABELS = 40
MOST_LINES = 8
SAMPLE_CHARS = 90


class HealthPanel:
    """A fold; the rows are looked at when it is opened, in a process of their own, since large tasks take seconds.

    `look` are the states with the base model and the length limit that tokens are counted for: those of the plan.
    """

    def __init__(self, context: Context, look: list[Any]) -> None:
        words = context.words
        self.opened, self.due, self.led = gr.State(False), gr.State(None), way_to("task-health")
        with words(gr.Accordion, label=Key("health.title"), open=False, elem_id="task-health") as self.fold:
            self.head = gr.HTML(elem_id="health-head")
            self.findings = cards("health-findings", "rows")
            self.lengths = plot("health-lengths")
            self.labels = gr.HTML(elem_id="health-labels")
            self.everything = words(gr.Button, Key("health.all"), size="sm", elem_id="health-all")
            self.between = gr.HTML(elem_id="health-between")
        self._wire(context, look)

    def _wire(self, context: Context, look: list[Any]) -> None:
        selection, drawn = context.selection, list(self._nothing())
        given, quiet = [selection, self.opened, *look], {"show_progress": "hidden"}
        context.on(self.fold.expand, self.open, [selection, *look], [self.opened, *drawn])
        context.on(self.fold.collapse, lambda _: False, [], self.opened)
        context.on_selection(self.ask, [self.due, *drawn], [self.opened])
        context.on_preset(self.bring, [self.fold, self.opened, self.due, self.head, self.led])
        for asked in (self.due, *look):
            looked = context.on(asked.change, self.draw, given, drawn, **quiet)
            context.on(looked.failure, draw_failure, [selection], self.head, **quiet)
        wire_making(context, self.findings.click, Making(mend), ([], [selection]), show_progress="minimal")
        wire_slow(context, self.everything.click, Slow(draw_all, about=data_of), look, self.between)

    def _nothing(self) -> Shown:
        return {self.head: "", self.findings: [], self.lengths: "", self.labels: "", self.between: ""}

    def open(self, context: Context, selection: Selection, model: str, limit: float | None) -> Shown:
        return {self.opened: True, **self.draw(context, selection, True, model, limit)}

    def ask(self, context: Context, selection: Selection, opened: bool) -> Shown:
        """For what the findings are due, and nothing until they are there: the rows take seconds, and the rest of
        the screen does not wait for them. Closed is free."""
        if not opened or chosen_task(context, selection) is None:
            return {**self._nothing(), self.due: None}
        return {**self._nothing(), self.due: selection, self.head: note(say("health.looking"))}

    def bring(self, context: Context, selection: Selection, values: dict[str, Any]) -> Shown:
        """Another screen leads here to mend the data of a task: `health=True`."""
        if not values.get("health") or chosen_task(context, selection) is None:
            return {}
        due = {self.due: selection, self.head: note(say("health.looking"))}
        return {self.fold: gr.update(open=True), self.opened: True, **due, self.led: str(selection.version)}

    def draw(self, context: Context, selection: Selection, opened: bool, model: str, limit: float | None) -> Shown:
        """Findings, lengths, labels with samples, and no table of all tasks. Closed is free."""
        spec = chosen_task(context, selection)
        if not opened or spec is None:
            return self._nothing()
        project = context.require_project(selection)
        try:
            report = _checked(project, [spec.task_id], model, limit)
        except TaskloomError as error:
            return {**self._nothing(), self.head: bullets([("bad", word_problem(error))])}
        health = report.tasks[0]
        head = "" if health.findings else note(say("health.fine"))
        found = [_finding_card(number, finding) for number, finding in enumerate(health.findings)]
        return {
            self.head: _lengths(health.statistics) + head + (_report_link(report) if found else ""),
            self.findings: found,
            self.lengths: to_json(lengths_figure(health.statistics)),
            self.labels: _labels(health.statistics),
            self.between: "",
        }


def draw_failure(_: Context, selection: Selection) -> str:
    """After an error that nobody foresaw: nothing is being looked at any more."""
    return bullets([("bad", say("health.not_looked"))])


def data_of(_: Context, selection: Selection) -> tuple[str, int]:
    """The open project and task as they are shown; a redraw empties what was asked before it."""
    return selection.project_id, selection.version


def draw_all(context: Context, selection: Selection, model: str, limit: float | None) -> str:
    """All tasks of the project and what lies between them, as one table with a file."""
    project = context.project(selection)
    if project is None:
        return ""
    report = _checked(project, None, model, limit)
    found = [(t.name, f) for t in report.tasks for f in t.findings]
    found += [(say("health.between"), f) for f in report.across]
    found.sort(key=lambda pair: harm_of(pair[1]))
    rows = [[esc(name), *_finding_cells(finding)] for name, finding in found]
    heads = [say(f"health.{name}") for name in ("task", "weight", "finding")]
    shown = table(heads, rows) if rows else note(say("health.fine"))
    return part(say("health.all_title")) + shown + _report_link(report)


def _finding_cells(f: Finding) -> list[str]:
    said = word_whole(f.key, {"count": f.count, **f.values})
    return [badge(say(f"health.{f.severity}"), TONES[f.severity]), esc(said)]


def _checked(project: Project, names: list[str] | None, model: str, limit: float | None) -> HealthReport:
    return health_isolated(project, names, most_read(model, limit))


def most_read(model: str, limit: float | None) -> LengthLimit:
    """Tokens are the base model's own where its files are on this machine, else estimated."""
    most = int(limit or DEFAULT_LIMIT)
    try:
        return length_limit(model, most)
    except ModelError:
        return LengthLimit(most, model)


def _report_link(report: HealthReport) -> str:
    text = export_health(report, word_error).decode("utf-8-sig")
    return download_link("health.csv", text, say("health.file"))


def mend(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    """Applies the fix of a finding; all screens read the task again."""
    spec = chosen_task(context, selection)
    if spec is not None and event.act == "act":
        mend_task(context.require_project(selection), spec.task_id, str(event.id))
    return selection.touched()


def mend_task(project: Project, task_id: str, fix: str) -> None:
    """Applies a fix and says how many rows it changed."""
    done = fix_in_child(project, task_id, fix)
    said = say("health.fixed", n=done.count)
    exam = say("health.fixed_exam", n=done.exam) if done.exam else ""
    tell(f"{said} {exam}".strip(), 6)


def take_back(context: Context, selection: Selection) -> Selection:
    """Brings back the rows from before the latest change."""
    spec = chosen_task(context, selection)
    if spec is not None:
        undo_in_child(context.require_project(selection), spec.task_id)
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
    long = statistics.get("too_long")
    if long:
        counts = {name: word_count(long[name]) for name in ("cut", "left_out", "rows")}
        key = "health.long_about" if long["estimated"] else "health.long_rows"
        pairs.append((counted_for(long["model"], long["limit"]), say(key, **counts)))
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

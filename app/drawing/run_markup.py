"""A run in words and small HTML: its state, its progress, its row in the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.drawing.durations import word_count, word_moment, word_range, word_score, word_seconds
from app.drawing.markup import badge, bar, bullets, esc, facts
from app.drawing.widgets import card
from app.texts import clauses, say, word_method, word_problem, word_value, word_whole
from core.base.errors import Problem
from core.runs.rerun import Remedy
from core.runs.states import STAGES, RunStatus
from core.runs.summaries import RunSummary
from core.training.config import RunConfig, config_to_dict

TONES = {
    "succeeded": "good",
    "failed": "bad",
    "interrupted": "warn",
    "stalled": "warn",
    "running": "busy",
    "starting": "busy",
    "stopping": "busy",
    "queued": "busy",
}


def word_state(status: RunStatus) -> str:
    if status.state == "succeeded" and status.stopped_early:
        return say("state.stopped_early")
    return say(f"state.{status.state}")


def word_stage(stage: str | None) -> str:
    return say(f"stage.{stage}") if stage in STAGES else ""


def word_message(status: RunStatus) -> str:
    if not status.message_key:
        return ""
    return word_whole(status.message_key, status.message_values)


def word_eta(status: RunStatus) -> str:
    if not status.is_live:
        return ""
    if status.eta_range_s:
        return word_range(*status.eta_range_s)
    return word_seconds(status.eta_s) if status.eta_s is not None else say("run.eta_unknown")


def state_badge(status: RunStatus) -> str:
    return badge(word_state(status), TONES.get(status.state, ""))


def job_bar(place: str, name: str, status: RunStatus) -> str:
    """One line for every screen: which run works, what it does, how far it is, how long it takes; the name opens
    its `place`, "screen/project/run"."""
    known = bool(status.eta_range_s) or status.eta_s is not None
    eta = say("run.eta", eta=word_eta(status)) if known else word_eta(status)
    return _job_line(place, name, (state_badge(status), word_stage(status.stage), eta), status)


def work_bar(place: str, name: str, said: str, share: float | None, eta_s: float | None = None) -> str:
    """As `job_bar`, for what is no run; `share` is None where nobody knows how far it is."""
    eta = "" if eta_s is None else say("job.eta", time=word_seconds(eta_s))
    status = RunStatus("running", progress=share or 0.0)
    return _job_line(place, name, (badge(said, "busy"), "", eta), status if share is not None else None)


def _job_line(place: str, name: str, told: tuple[str, str, str], status: RunStatus | None) -> str:
    """Badge, name, stage, bar, share, time; without a status the bar only moves."""
    head, stage, eta = told
    how_far = bar(1.0, "busy", say("run.progress"), known=False) if status is None else _bar(status)
    share = "" if status is None else f"{status.progress:.0%}"
    return (
        f'<div class="job">{head}'
        f'<button type="button" class="job-name" data-place="{esc(place)}">{esc(name)}</button>'
        f'<span class="job-stage">{esc(stage)}</span>{how_far}'
        f'<span class="n">{share}</span>'
        f'<span class="job-eta">{esc(eta)}</span></div>'
    )


def word_remedy(remedy: Remedy, config: RunConfig, label: Callable[[str], str]) -> str:
    """What the button of a failed run would do: which settings change to what, and from where it goes on."""
    values = config_to_dict(config)
    changes = clauses(
        (
            f"{label(name)}: {word_value(name, values.get(name))} → {word_value(name, value)}"
            for name, value in remedy.changes.items()
        )
    )
    start = "run.remedy_begin" if remedy.from_step is None else "run.remedy_step"
    where = say(start, step=word_count(remedy.from_step or 0))
    key = "run.remedy" if changes else "run.remedy_again"
    return say(key, changes=changes, where=where)


def progress_panel(name: str, status: RunStatus, remedy: str = "") -> str:
    """The whole picture of one run: state, phase, bar, numbers, and what happened in words."""
    pairs = [
        (say("run.phase"), word_stage(status.stage) if status.is_live else ""),
        (
            say("run.step"),
            f"{word_count(status.step)} / {word_count(status.total_steps)}" if status.total_steps else "",
        ),
        (say("run.eta_label"), word_eta(status)),
        (say("run.speed"), _speed(status)),
        (say("run.place"), str(status.queue_place or "")),
        (say("run.took"), _took(status)),
    ]
    message = "" if status.message_key == "run.training" else word_message(status)
    tone = "bad" if status.state == "failed" else "warn" if status.state in ("interrupted", "stalled") else "info"
    lines = [(tone, message)] if message else []
    if status.state == "stalled" and status.stalled_s:
        lines.append(("warn", say("run.stalled_for", time=word_seconds(status.stalled_s))))
    if remedy:
        lines.append(("info", remedy))
    return (
        f'<div class="progress" data-state="{esc(status.state)}"><b>{esc(name)}</b> {state_badge(status)}'
        f"{_bar(status)}{facts(pairs)}{bullets(lines) if lines else ''}</div>"
    )


def run_card(run: RunSummary, active: bool) -> dict[str, Any]:
    """One run in the history: name, state, method and model, tasks, when, and its mean score."""
    tasks = say("run.tasks", n=len(run.tasks))
    parts = [word_method(run.method), Path(run.base_model).name, tasks]
    if run.tuned is not None:
        parts.append(say("run.mean", score=word_score(run.tuned)))
    if run.part_of:
        parts.append(say(f"run.part_of_{run.part_of.partition(':')[0]}"))
    parts += [word_moment(run.created or 0), run.notes[:120]]
    status = RunStatus(state=run.state, stopped_early=run.stopped_early)
    return card(
        run.run_id,
        ("★ " if run.starred else "") + run.name,
        meta=" · ".join(part for part in parts if part),
        active=active,
        badge=word_state(status),
        tone=TONES.get(run.state, ""),
    )


def readiness(problems: Sequence[Problem], facts_now: Sequence[str]) -> str:
    """The Ready card: everything that stops a run, everything to know, and what will happen."""
    errors = [p for p in problems if p.severity == "error"]
    items = [("bad", word_problem(p)) for p in errors]
    items += [("warn", word_problem(p)) for p in problems if p.severity != "error"]
    items += [("ok", text) for text in facts_now]
    title = say("plan.not_ready" if errors else "plan.ready")
    state = "no" if errors else "yes"
    head = badge(title, "bad" if errors else "good")
    return f'<div class="progress" data-ready="{state}">{head}{bullets(items)}</div>'


def score_cell(score: dict[str, Any] | None) -> str:
    """Value with its 95 % interval."""
    if not score:
        return "–"
    low, high = score.get("low"), score.get("high")
    interval = f' <span class="dim">[{word_score(low)}, {word_score(high)}]</span>' if low is not None else ""
    return f"{word_score(score['value'])}{interval}"


def _bar(status: RunStatus) -> str:
    tone = "bad" if status.state == "failed" else "busy" if status.is_live else ""
    return bar(1.0 if status.state == "succeeded" else status.progress, tone, say("run.progress"))


def _speed(status: RunStatus) -> str:
    if not status.is_live or not status.tokens_per_s:
        return ""
    return say("run.tokens_per_s", n=word_count(round(status.tokens_per_s)))


def _took(status: RunStatus) -> str:
    return word_seconds(status.ended - status.started) if status.ended and status.started else ""

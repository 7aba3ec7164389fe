"""A run in words and small HTML: its state, its progress, its row in the history."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.drawing.durations import word_count, word_moment, word_range, word_score, word_seconds
from app.drawing.markup import badge, bar, bullets, esc, facts
from app.drawing.widgets import card
from app.texts import clauses, say, word_method, word_problem, word_value, word_whole
from core.base.errors import Problem
from core.runs.plan_fixes import PlanFix
from core.runs.rerun import Remedy
from core.runs.states import STAGES, RunStatus
from core.runs.summaries import BELOW, FEW_ROWS, OPEN, RunSummary
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
    "pending": "busy",
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


def progress_panel(
    name: str, status: RunStatus, remedy: str = "", predicted: tuple[float, float] | None = None
) -> str:
    """The whole picture of one run: state, phase, bar, numbers, and what happened in words. `predicted`: seconds of
    the whole run as they were expected before the start; the first steps tell more."""
    pairs = [
        (say("run.phase"), word_stage(status.stage) if status.is_live else ""),
        (
            say("run.step"),
            f"{word_count(status.step)} / {word_count(status.total_steps)}" if status.total_steps else "",
        ),
        (say("run.eta_label"), word_eta(status)),
        (say("run.expected"), word_range(*predicted) if predicted and status.is_live else ""),
        (say("run.in_all"), _in_all(status)),
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
    parts = [word_method(run.method), Path(run.base_model).name, tasks] if run.method else []
    if run.tuned is not None:
        parts.append(word_mean(run))
    if run.part_of:
        parts.append(say(f"run.part_of_{run.part_of.partition(':')[0]}"))
    parts += [word_moment(run.created or 0), run.notes[:120]]
    status = RunStatus(state=run.state, stopped_early=run.stopped_early)
    return card(
        run.run_id,
        ("★ " if run.starred else "") + run.name,
        meta=" · ".join(part for part in parts if part),
        active=active,
        text=_damage(run),
        badge=say("damage.badge") if run.damaged else word_state(status),
        tone="bad" if run.damaged else TONES.get(run.state, ""),
    )


def word_mean(run: RunSummary) -> str:
    """The mean of its exam with its interval, beside what the best guesses score where that is known of all tasks,
    and what keeps it from being a success."""
    told = run.standing if run.standing in (BELOW, OPEN, FEW_ROWS) else ""
    key = ("run.mean" if run.guess is None else "run.mean_guess") + (f"_{told}" if told else "")
    score = score_cell({"value": run.tuned, "low": run.low, "high": run.high}, plain=True)
    return say(key, score=score, guess=word_score(run.guess))


def _damage(run: RunSummary) -> str:
    return word_whole("run.damaged", {"name": run.name, "file": ", ".join(run.damaged)}) if run.damaged else ""


@dataclass(frozen=True)
class PlanState:
    """What a plan says of itself: `problems` with the remedies of each (`fixes`, in the same order), what will
    happen in plain sentences (`details` for who asks), and whether it can start but should be looked at first."""

    problems: Sequence[Problem]
    facts: Sequence[str] = ()
    fixes: Sequence[Sequence[PlanFix]] = ()
    doubtful: bool = False
    details: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)


def readiness(plan: PlanState) -> str:
    """The Ready card: everything that stops a run, everything to know with its remedies as buttons (data-act "fix"
    with settings, or the name of a screen with a task), and what will happen."""
    fixes = [*plan.fixes, *[()] * len(plan.problems)]
    pairs = sorted(zip(plan.problems, fixes, strict=False), key=lambda pair: pair[0].severity != "error")
    items = [_problem_item(problem, found) for problem, found in pairs]
    items += [f'<li class="ok">{esc(text)}</li>' for text in plan.facts]
    details = bullets(("ok", text) for text in plan.details)
    more = f"<details><summary>{esc(say('plan.details'))}</summary>{details}</details>"
    key, tone = ("plan.doubtful", "warn") if plan.doubtful else ("plan.ready", "good")
    if not plan.ready:
        key, tone = "plan.not_ready", "bad"
    state, look = "yes" if plan.ready else "no", ' data-doubtful="1"' if plan.doubtful else ""
    head = f'{badge(say(key), tone)}<ul class="list">{"".join(items)}</ul>{more if plan.details else ""}'
    return f'<div class="progress" data-ready="{state}"{look}>{head}</div>'


def _problem_item(problem: Problem, fixes: Sequence[PlanFix]) -> str:
    tone = "bad" if problem.severity == "error" else "warn"
    buttons = "".join(_fix_button(fix) for fix in fixes)
    row = f'<span class="fixes">{buttons}</span>' if buttons else ""
    return f'<li class="{tone}">{esc(word_problem(problem))}{row}</li>'


def _fix_button(fix: PlanFix) -> str:
    act, value = (fix.screen, fix.task) if fix.screen else ("fix", json.dumps(fix.changes, ensure_ascii=False))
    price = f' <span class="dim">{esc(say("plan.fix_price", price=fix.price))}</span>' if fix.price else ""
    text = esc(word_whole(fix.key, fix.values))
    return f'<button type="button" class="fix" data-act="{esc(act)}" data-id="{esc(value)}">{text}{price}</button>'


def score_cell(score: dict[str, Any] | None, plain: bool = False) -> str:
    """Value with its 95 % interval; `plain`: as text."""
    if not score:
        return "–"
    low, high = score.get("low"), score.get("high")
    interval = f"[{word_score(low)}, {word_score(high)}]" if low is not None else ""
    if interval and not plain:
        interval = f'<span class="dim">{interval}</span>'
    return f"{word_score(score['value'])} {interval}".rstrip()


def _bar(status: RunStatus) -> str:
    tone = "bad" if status.state == "failed" else "busy" if status.is_live else ""
    return bar(1.0 if status.state == "succeeded" else status.progress, tone, say("run.progress"))


def _speed(status: RunStatus) -> str:
    if not status.is_live or not status.tokens_per_s:
        return ""
    return say("run.tokens_per_s", n=word_count(round(status.tokens_per_s)))


def _in_all(status: RunStatus) -> str:
    """Of a run at work whose pace is known: from its start to the end of its exam."""
    if not status.is_live or not status.eta_range_s or not status.started:
        return ""
    gone = max(0.0, (status.updated or status.started) - status.started)
    return word_range(*(gone + left for left in status.eta_range_s))


def _took(status: RunStatus) -> str:
    return word_seconds(status.ended - status.started) if status.ended and status.started else ""

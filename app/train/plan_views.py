"""What a plan says of itself: goal cards, what speaks against starting, what will happen in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.drawing.durations import word_count, word_memory, word_range, word_seconds
from app.drawing.forms import differences
from app.drawing.markup import esc
from app.drawing.model_offers import model_offers, model_title
from app.drawing.run_markup import PlanState
from app.drawing.widgets import card
from app.shell.context import Context
from app.shell.permissions import shared_problems
from app.shell.selection import Selection
from app.texts import TEXTS, clauses, listing, name_setting, say, say_or, word_method, word_value, word_whole
from app.texts.language import current_language
from app.texts.words import Key
from core.adapters.registry import METHODS
from core.base.errors import Problem, SettingError
from core.models.known_models import CATALOGUE
from core.runs.device_lease import holder_values
from core.runs.folder import RunFolder
from core.runs.launchers import LOCAL
from core.runs.plan_fixes import PlanFix
from core.runs.ready import ReadyReport, ready_report
from core.runs.where import HERE, Engine, find_engine
from core.tasks.store import list_tasks
from core.training.config import RunConfig
from core.training.equal_size import plan_size
from core.training.goals import GOALS, goal_of, read_domain_figures, read_goal_figures
from core.training.method_figures import describe_figures


def goal_cards(config: RunConfig) -> list[dict[str, Any]]:
    chosen = goal_of(config)
    return [
        card(
            goal.name,
            _goal_text(goal.name, "title", goal.title),
            active=goal.name == chosen,
            text=_goal_text(goal.name, "summary", goal.summary),
            meta=_measured(goal.name),
        )
        for goal in GOALS
    ]


def _measured(name: str) -> str:
    """What was measured for a goal, each with its size and beside what guessing gets, in words where that is more;
    nothing while it was not measured."""
    said, found, domains = [], read_goal_figures().get(name), read_domain_figures().get(name)
    if found is not None:
        told = {"time": word_seconds(found.seconds), "base": f"{100 * found.base:.0f}"}
        said.append(say("goal.measured", reached=_reached(found.score, found.guess), **told))
    if domains is not None:
        size = {"tasks": domains.tasks, "domains": domains.domains, "rows": domains.rows, "exam": domains.exam_rows}
        said.append(say("goal.measured_domains", reached=_reached(domains.score, domains.guess), **size))
    return ("" if current_language() == "zh" else " ").join(said)


def _reached(score: float, guess: float) -> str:
    """A mean score against the best guesses', as rounded as both are shown."""
    shown = {"score": f"{100 * score:.0f}", "guess": f"{100 * guess:.0f}"}
    is_above = round(100 * score) > round(100 * guess)
    return say("goal.reached" if is_above else "goal.reached_below", **shown)


def brought_view(before: RunConfig, after: RunConfig, run_dir: Path | None, asked: Iterable[str] = ()) -> str:
    """What a step of another screen has set, and what it was: of the run whose settings it took (`run_dir`), else
    of the plan. `asked`: the settings it set, changed or not."""
    changed = [
        say(
            "plan.brought_one",
            setting=name_setting(name.removeprefix("adapter.")),
            value=_told(new),
            before=_told(old),
        )
        for name, old, new in differences(after, before)
    ]
    if run_dir is None:
        said = say("plan.brought", changes=clauses(changed)) if changed else ""
    else:
        run = RunFolder(run_dir).read_run()["name"]
        same = "plan.brought_limit" if "max_tokens" in asked else "plan.brought_same"
        key = "plan.brought_run" if changed else same
        said = say(key, run=run, changes=clauses(changed)) if changed else say(key, run=run)
    return f'<p class="note told">{esc(said)}</p>' if said else ""


def _told(value: Any) -> str:
    """A setting's value to be read: 6.0 is 6, no wish is a dash."""
    if value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    return listing(map(str, value)) or "–" if isinstance(value, list | tuple) else word_value("", value)


def check_plan(context: Context, selection: Selection, config: RunConfig) -> PlanState:
    """Everything that speaks against starting with its remedies, and what will happen in plain sentences."""
    project = context.project(selection)
    if project is None or not list_tasks(project):
        fix = PlanFix("fix.add_tasks", screen="tasks" if project else "home")
        return PlanState([Problem("tasks", "check.no_tasks")], fixes=[(fix,)])
    refused = shared_problems(context, config)
    if refused:
        return PlanState(refused)
    try:
        engine = find_engine(context.workspace.root, selection.engine or LOCAL, selection.owner)
    except SettingError as error:  # Start asks for it too, and would say the same
        return PlanState([Problem("engine", error.key, error.values)])
    report = ready_report(project, config, engine=engine)
    if not report.ready:
        return PlanState(report.problems, fixes=report.fixes)
    return PlanState(
        report.problems, _facts(report, engine), report.fixes, report.doubtful, _details(report, config)
    )


def _facts(report: ReadyReport, engine: Engine) -> list[str]:
    """Tasks, time, steps, memory, and who is first in the queue; of another engine, that it is not known."""
    steps = word_count(sum(report.steps.values()))
    said = [say("plan.fact_tasks", n=len(report.shares), examples=word_count(report.examples))]
    if report.capped:
        said.append(say("plan.fact_capped", **report.capped))
    if report.seconds:
        keys = {"rehearsal": "plan.fact_rehearsed", "experience": "plan.fact_experience"}
        key = keys.get(report.source, "plan.fact_time")
        said.append(say(key, time=word_range(*report.seconds)))
    said.append(say("plan.fact_stages" if len(report.steps) > 1 else "plan.fact_stage", steps=steps))
    if engine != HERE:
        said.append(say("plan.fact_elsewhere", engine=engine.name))
    if report.memory_mb:
        low, high = (word_memory(mb) for mb in report.memory_mb)
        said.append(say("plan.fact_memory", low=low, high=high, device=report.device))
    if report.device_holder:
        name = holder_values(report.device_holder)["name"]
        said.append(say("plan.fact_queue" if name else "plan.fact_queue_other", name=name))
    return said


def _details(report: ReadyReport, config: RunConfig) -> list[str]:
    """Method and model, each task's share, and how large the adapter is."""
    method, tasks = METHODS.get(config.method), len(report.shares)
    known = next((m for m in CATALOGUE if m.model_id == config.base_model), None)
    model = Path(config.base_model).name if known is None else model_title(known)
    said = [say("plan.fact_method", method=word_method(method.name), model=model)]
    said += [word_whole(sentence.key, sentence.values) for sentence in describe_figures(method.name)]
    if tasks > 1:
        said.append(_mixture_fact(report))
    size, reference = plan_size(config, tasks), plan_size(RunConfig(), tasks)
    if size and reference:
        values = {"active": size.active, "total": size.total, "others": f"{reference.active}, {reference.total}"}
        said.append(say("plan.fact_size", **values))
    return said


def _mixture_fact(report: ReadyReport) -> str:
    """Each task's share of the rows drawn, and how often the whole run goes through its rows."""
    parts = [
        say("plan.fact_share", task=task, share=f"{100 * share:.0f}", passes=f"{report.passes[task]:.1f}")
        for task, share in report.shares.items()
    ]
    return say("plan.fact_mixture", listed=clauses(parts))


def _goal_text(name: str, part: str, english: str) -> str:
    """Goals of core are worded in `texts`; a goal added later shows its English wording until it is translated."""
    return say_or(f"goal.{name}.{part}", english)


def setting_offers(name: str) -> list[Any]:
    """Known values of settings that are free text in a config."""
    if name == "base_model":
        return model_offers()
    if name == "method":
        names = [method.name for method in METHODS if not method.takes_library]
        return [(Key(k) if (k := f"method.{n}") in TEXTS["en"] else METHODS.get(n).title, n) for n in names]
    return []

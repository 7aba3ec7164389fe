"""What a page that many visitors share refuses: models off the list, reports to elsewhere, a second run at once."""

from __future__ import annotations

from app.context import Context
from app.selection import Selection
from core.errors import Problem, RunError, SettingError
from core.models.catalogue import CATALOGUE
from core.runs.states import LIVE
from core.runs.summaries import list_summaries
from core.training.config import RunConfig

SHARED_CHOICES = {
    "base_model": tuple(model.model_id for model in CATALOGUE),
    "report_to": ("none",),
    "num_processes": (1,),
}


def shared_problems(context: Context, config: RunConfig) -> list[Problem]:
    """Settings that one's own machine may have and a shared page may not; none on one's own machine."""
    if not context.shared:
        return []
    return [
        Problem(name, "setting.choice", {"name": name, "value": getattr(config, name), "choices": _listed(choices)})
        for name, choices in SHARED_CHOICES.items()
        if getattr(config, name) not in choices
    ]


def require_shared_rules(context: Context, selection: Selection, config: RunConfig) -> None:
    """Checked again when a run starts, since a request need not come from our form.

    Raises:
        SettingError: a setting that a shared page refuses. RunError: this visitor has a run at work already.
    """
    for problem in shared_problems(context, config):
        raise SettingError(problem.key, **problem.values)
    if not context.shared:
        return
    for project in context.projects(selection):
        for run in list_summaries(project):
            if run.state in LIVE:
                raise RunError("run.already_started", name=run.name, state=run.state)


def _listed(choices: tuple[object, ...]) -> str:
    return ", ".join(str(choice) for choice in choices)

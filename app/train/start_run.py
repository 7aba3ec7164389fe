"""Starting a run from the plan; the Train screen and the guided tour press the same button."""

from __future__ import annotations

from app.drawing.forms import read_yaml
from app.shell.context import Context
from app.shell.permissions import counting, shared_config
from app.shell.selection import Selection
from core.runs.launching import begin_run, find_begun

# On a narrow page the run stands below the plan. Twice: what is drawn meanwhile moves it.
SHOW_RUN = """() => {
  const show = () => {
    const run = document.getElementById('run-progress'), place = run?.getBoundingClientRect();
    if (place && (place.top < 0 || place.bottom > window.innerHeight - 90)) run.scrollIntoView({block: 'start'});
  };
  show(); setTimeout(show, 700);
}"""


def start(context: Context, selection: Selection, text: str, token: str, where: str | None = None) -> Selection:
    """Makes a run from the plan and starts it, on the engine `where`. The token makes a second click of the same
    Start harmless."""
    project = context.require_project(selection)
    with counting(context, selection):
        folder = find_begun(project, token) if token else None
        if folder is None:  # else the share was taken by the first click already
            config = shared_config(context, selection, read_yaml(text))
            folder = begin_run(project, config, token or None, on=where)
    return selection.with_run(folder.run_id)

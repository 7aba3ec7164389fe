"""What the buttons of a run do, and which of them start it once more on another engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.drawing.durations import word_seconds
from app.shell.context import Context
from app.shell.permissions import counting, require_shared_resume
from app.shell.selection import Selection
from app.texts import say, word_whole
from core.runs.engine_terms import engine_begun, engine_terms
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run, kill_run, resume_run, stop_run
from core.runs.rerun import mend_run
from core.runs.where import HERE

ACTS: dict[str, Callable[[RunFolder], Any]] = {
    "stop": stop_run,
    "kill": kill_run,
    "cancel": cancel_run,
    "resume": resume_run,
    "mend": mend_run,
}


def act(context: Context, selection: Selection, *, name: str) -> Selection:
    """One of ACTS on the chosen run; the screens read it again. What is new becomes the chosen run."""
    run_dir = context.run_dir(selection)
    if run_dir is None:
        return selection.touched()
    if name in ("resume", "mend"):
        with counting(context, selection):
            require_shared_resume(context, selection, RunFolder(run_dir))
            made = ACTS[name](RunFolder(run_dir))
    else:
        made = ACTS[name](RunFolder(run_dir))
    return selection.with_run(made.run_id) if isinstance(made, RunFolder) else selection.touched()


def terms_of_act(context: Context, selection: Selection, name: str) -> str:
    """What a start on the run's engine means, in the words of the first start, and the question; "" where the
    button starts nothing there.

    Raises:
        SettingError: the run's engine is not there any more.
    """
    run_dir = context.run_dir(selection)
    if run_dir is None:
        return ""
    folder = RunFolder(run_dir)
    engine = engine_begun(folder, name)
    if engine == HERE:  # also where the run's settings cannot be read: a damaged run can be ended
        return ""
    terms = engine_terms(engine, word_seconds, base_model=folder.read_config().base_model)
    said = [word_whole(one.key, one.values) for one in terms]
    return " ".join([*said, say("run.consent", engine=engine.name)]) if said else ""

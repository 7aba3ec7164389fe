"""Whether a question that trains a run again can be asked of it, before anything is trained. Torch-free, for the
buttons too."""

from __future__ import annotations

from core.base.errors import RunError
from core.runs.folder import RunFolder

Answers = dict[tuple[int, str], str]  # (row, right answer) -> answer


def require_examined(folder: RunFolder) -> None:
    """Raises:
    RunError: the run has no adapter, was not made by a training of its own, or has no exam to compare with."""
    if not folder.adapter_dir.is_dir():
        raise RunError("serving.no_adapter", run=folder.run_id)
    if made_of := _made_without_training(folder):
        raise RunError("insight.not_trained", run=folder.run_id, sources=made_of)
    if folder.read_results() is None:
        raise RunError("insight.no_results", run=folder.run_id)


def require_several_tasks(folder: RunFolder) -> None:
    """Raises:
    RunError: as `require_examined`, or the run has a single task, of which none can be left out."""
    require_examined(folder)
    if len(folder.read_task_records()) < 2:
        raise RunError("insight.one_task", run=folder.run_id)


def exam_answers(folder: RunFolder) -> dict[str, Answers]:
    """The tuned answers of a run by task."""
    found = {}
    for task in folder.read_run()["tasks"]:
        records = folder.read_predictions(int(task["index"]))
        found[str(task["name"])] = {(int(r["row"]), r["target"]): r["tuned"] for r in records if "tuned" in r}
    return found


def _made_without_training(folder: RunFolder) -> str:
    """The runs that a merge, a variant or a grown run was made from, which a training would not make again; ""
    where it was trained since."""
    run = {} if folder.record_path.exists() else folder.read_run()
    found = [*run.get("merged_from", []), run.get("varied_from"), run.get("grown_from")]
    return ", ".join(str(source) for source in found if source)

"""From an ended run to a new one: the same again, with changes, or with the remedy for its failure."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.base.errors import RunError, WorkspaceError
from core.base.files import new_id, write_json_atomic
from core.base.folders import whole_folder
from core.base.lines import whole_lines
from core.base.settings import SAME_RESULT, STILL_FITS, describe_settings
from core.runs.creation import require_ready
from core.runs.folder import RunFolder
from core.runs.frozen import keep_frozen
from core.runs.launching import start_run
from core.runs.liveness import run_state
from core.runs.states import DRAFT, FAILED, INTERRUPTED, RunStatus
from core.tasks.dataset import load_saved_dataset
from core.training.config import RunConfig, change_config, config_to_dict
from core.training.failures import remedy_changes
from core.training.manifest import find_checkpoint, list_checkpoints, read_state, settings_hash, write_state
from core.training.plan import rows_at_once

# Failures that may be gone at the next try with the same settings.
PASSING = frozenset({"disk_full", "hardware", "model", "killed", "unknown"})


@dataclass(frozen=True)
class Remedy:
    """What may cure a failed run: `changes` of settings (name -> value; {}: only once more), going on after
    `from_step` steps of training (None: from the beginning). `failure` names the class."""

    failure: str
    changes: dict[str, Any]
    from_step: int | None


def find_remedy(folder: RunFolder, status: RunStatus | None = None) -> Remedy | None:
    """The remedy of a failed run; None when it did not fail, or its tasks or settings must be mended by hand.

    Every remedy goes on from the newest good checkpoint. Failures of the disk, of a card or of a download pass;
    those of memory and of the loss come back without other settings.
    """
    status = status or run_state(folder)
    if status.state != FAILED or status.failure is None:
        return None
    changes = remedy_changes(status.failure, folder.read_config(), _num_tasks(folder))
    if not changes and status.failure not in PASSING:
        return None
    checkpoints = list_checkpoints(folder.checkpoints_dir)
    return Remedy(status.failure, changes, _step_of(checkpoints[0]) if checkpoints else None)


def mend_run(folder: RunFolder) -> RunFolder:
    """Starts a new run with the remedy for the failure of this one.

    Raises:
        RunError: there is no remedy, or the new settings are not ready.
    """
    remedy = find_remedy(folder)
    if remedy is None:
        raise RunError("run.no_remedy", name=folder.run_id, state=run_state(folder).state)
    again = run_again(folder, remedy.changes)
    start_run(again)
    return again


def _num_tasks(folder: RunFolder) -> int:
    """Of its frozen tasks those with practice rows."""
    return sum(1 for task in folder.read_run()["tasks"] if task.get("num_train", 1))


def _step_of(checkpoint: Path) -> int:
    """step-00000120[-end] -> 120"""
    return int(checkpoint.name.split("-")[1])


def run_again(folder: RunFolder, changes: dict[str, Any] | None = None, from_checkpoint: bool = True) -> RunFolder:
    """A new run (draft) on the same frozen tasks with changed settings; the old one stays as it is.

    With `from_checkpoint` it goes on from the newest good checkpoint of a failed or interrupted run, when that
    still fits the changes.

    Raises:
        RunError: the old run is still at work, or the new settings are not ready. SettingError: a wrong change.
    """
    status = run_state(folder)
    if status.is_live:
        raise RunError("run.still_live", name=folder.run_id, state=status.state)
    old, config = folder.read_config(), change_config(folder.read_config(), changes or {})
    dataset = load_saved_dataset(folder.data_dir)
    expected = require_ready(config, dataset, folder.path.parent, folder, folder.read_run().get("on", "") != "")
    run_id = new_id("r")
    place = folder.path.with_name(run_id)
    try:
        with whole_folder(place) as building:
            _copy_run(folder, RunFolder(building), run_id, config)
            if expected is not None:
                write_json_atomic(RunFolder(building).prediction_path, expected)
            unfinished = status.state in (FAILED, INTERRUPTED)
            if from_checkpoint and unfinished and checkpoint_fits(old, config):
                _carry_checkpoint(folder, RunFolder(building), old, config)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(place), detail=error.strerror or "") from error
    return RunFolder(place)


def checkpoint_fits(old: RunConfig, new: RunConfig) -> bool:
    """Whether what was learned under the old settings goes on under the new ones: tensors, stage and steps mean the
    same."""
    fitting = {info.name for info in describe_settings(RunConfig) if info.changed in (SAME_RESULT, STILL_FITS)}
    return config_difference(old, new).keys() <= fitting


def config_difference(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Settings that differ: name (adapter settings as `adapter.<name>`) -> (first, second)."""
    flat = [_flat(first), _flat(second)]
    names = [name for name in {**flat[0], **flat[1]} if flat[0].get(name) != flat[1].get(name)]
    return {name: (flat[0].get(name), flat[1].get(name)) for name in names}


def _flat(config: RunConfig) -> dict[str, Any]:
    values = config_to_dict(config)
    nested = values.pop("adapter")
    return {**values, **{f"adapter.{name}": value for name, value in nested.items()}}


def _copy_run(old: RunFolder, new: RunFolder, run_id: str, config: RunConfig) -> None:
    shutil.copytree(old.data_dir, new.data_dir)
    new.write_config(config)
    run = old.read_run()
    now = time.time()
    new.write_run(
        {
            **run,
            "run_id": run_id,
            "created": now,
            "made_from": old.run_id,
            "part_of": None,
            "notes": "",
            "starred": False,
            "method": config.method,
            "base_model": config.base_model,
            "name": _next_name(run["name"]),
        }
    )
    new.write_status(RunStatus(state=DRAFT, created=now))
    keep_frozen(new, config, old)


def _next_name(name: str) -> str:
    """ "Run 3" -> "Run 3 (2)" -> "Run 3 (3)"."""
    stem, _, number = name.removesuffix(")").rpartition(" (")
    if stem and number.isdigit():
        return f"{stem} ({int(number) + 1})"
    return f"{name[:70]} (2)"


def _carry_checkpoint(old: RunFolder, new: RunFolder, before: RunConfig, after: RunConfig) -> None:
    """Copies the newest good checkpoint and fits its state to the new settings: the place in the data is kept when
    micro batches become smaller or larger."""
    found, _ = find_checkpoint(old.checkpoints_dir)
    if found is None:
        return
    copied = new.checkpoints_dir / found.name
    shutil.copytree(found, copied)
    state = read_state(copied)
    rows = [rows_at_once(config, _num_tasks(old)) for config in (before, after)]
    micro = state.micro * rows[0] // rows[1]
    write_state(copied, replace(state, settings_hash=settings_hash(after), micro=micro))
    _copy_snapshots(old, new)


def _copy_snapshots(old: RunFolder, new: RunFolder) -> None:
    if old.snapshot_lines_path.exists():
        lines = (f"{line}\n" for line in whole_lines(old.snapshot_lines_path))
        new.snapshot_lines_path.write_text("".join(lines), encoding="utf-8")
    if old.snapshots_path.exists():
        shutil.copy(old.snapshots_path, new.snapshots_path)

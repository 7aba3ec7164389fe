"""A run that trains where no disk is shared: its folder goes there and comes back by a storage bucket.

    <bucket>/taskloom/jobs/<launch>/run      what the job begins with: the run's folder without signs of life
                                   /model    the base model's files, when it is a folder and not a name
                                   /wishes   STOP, CANCEL, PAUSE
                                   /signs    status, events, heartbeat, log, curves: every few seconds, by the job
                                   /state    the newest checkpoint
                                   /result   everything of a run that has ended; DONE comes back last

`python -m core.runs.engines.bucket_job` is the job's command; the rest is for whoever started it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.base.errors import RunError, TaskloomError
from core.base.files import write_json_atomic
from core.base.processes import Order, start_beside
from core.runs.bucket_copy import BucketCopy, Unit, closed_files, ended_files
from core.runs.folder import RunFolder
from core.runs.launchers import far_command
from core.training.manifest import list_checkpoints

EXCHANGE_S = 10.0
ARRIVES_S = 180.0  # a mounted bucket shows new files some seconds late
LAST_TRIES_S = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0)  # before each try to send what came out
JOBS = "jobs"


def send_run(copy: BucketCopy, folder: RunFolder, launch_id: str) -> None:
    """What a job begins with, resumed ones from their newest checkpoint.

    Raises:
        OSError: the bucket cannot be written.
    """
    target = _target(copy, folder)
    hidden = {path.name for path in folder.worker_paths} | {folder.checkpoints_dir.name}
    files = [p for p in closed_files(folder.path) if p.relative_to(folder.path).parts[0] not in hidden]
    copy.send(Unit(f"{JOBS}/{launch_id}/run", target, (*files, *_newest_checkpoint(folder))))
    base = Path(folder.read_config().base_model)
    if base.is_dir():
        copy.send(Unit(f"{JOBS}/{launch_id}/model", f"models/{base.name}", closed_files(base), base))


def send_wishes(copy: BucketCopy, folder: RunFolder, launch_id: str) -> None:
    wishes = tuple(p for p in (folder.stop_path, folder.cancel_path, folder.pause_path) if p.exists())
    if wishes:
        copy.send(Unit(f"{JOBS}/{launch_id}/wishes", _target(copy, folder), wishes))


def bring_back(copy: BucketCopy, launch_id: str) -> bool:
    """What the job has said since the last time; -> whether what it saved is here, as far as there is any. The end
    comes last: nothing is missing when it is there."""
    brought = {part: copy.bring(f"{JOBS}/{launch_id}/{part}") for part in ("state", "signs", "result")}
    place = copy.root / JOBS / launch_id
    return all(brought[part] or not (place / part).exists() for part in ("state", "result"))


def clear(copy: BucketCopy, launch_id: str) -> None:
    """Removes what a run that has ended left in the bucket, as far as the bucket lets go of it."""
    copy.remove(f"{JOBS}/{launch_id}")


def main() -> int:
    """The job: fetches the run, trains it, and sends what it says and what comes out."""
    parser = argparse.ArgumentParser(prog="core.runs.engines.bucket_job", description=__doc__)
    for name in ("--bucket", "--home", "--run", "--launch"):
        parser.add_argument(name, required=True)
    chosen = parser.parse_args()
    copy = BucketCopy(Path(chosen.home), Path(chosen.bucket))
    folder = RunFolder(copy.workspace_dir / chosen.run)
    _fetch(copy, folder, chosen.launch)
    write_json_atomic(folder.launch_path, {"launch_id": chosen.launch})
    with open(folder.log_path, "ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    worker = start_beside(Order(far_command(folder, chosen.launch), folder.path))
    while worker.poll() is None:
        time.sleep(EXCHANGE_S)
        _tried(lambda: copy.bring(f"{JOBS}/{chosen.launch}/wishes"))
        _tried(lambda: _send_signs(copy, folder, chosen.launch))
    _send_end(copy, folder, chosen.launch)
    return worker.returncode


def _tried(step: Callable[[], object]) -> bool:
    """One exchange; a bucket that fails for a moment never ends a training: it is told in the log."""
    try:
        return step() is not False
    except (OSError, ValueError, TaskloomError) as error:
        print(f"the bucket does not answer: {error}", file=sys.stderr, flush=True)
        return False


def _send_end(copy: BucketCopy, folder: RunFolder, launch_id: str) -> None:
    """The last signs, then what came out, each until it has arrived or the tries are used up."""

    def send_result() -> bool:
        return copy.send(Unit(f"{JOBS}/{launch_id}/result", _target(copy, folder), _result(folder)))

    steps: list[Callable[[], object]] = [lambda: _send_signs(copy, folder, launch_id)]
    if folder.done_path.exists():
        steps.append(send_result)
    for wait_s in LAST_TRIES_S:
        time.sleep(wait_s)
        while steps and _tried(steps[0]):
            del steps[0]
        if not steps:
            return


def _fetch(copy: BucketCopy, folder: RunFolder, launch_id: str) -> None:
    """
    Raises:
        RunError: the run does not arrive.
    """
    end = time.monotonic() + ARRIVES_S
    _await(copy, f"{JOBS}/{launch_id}/run", end)
    base = Path(folder.read_config().base_model)
    if not base.is_absolute() or base.exists():
        return
    _await(copy, f"{JOBS}/{launch_id}/model", end)
    base.parent.mkdir(parents=True, exist_ok=True)  # where the settings name it: they are the run's, and stay
    base.symlink_to(copy.workspace_dir / "models" / base.name)


def _await(copy: BucketCopy, name: str, end: float) -> None:
    while True:
        with contextlib.suppress(OSError):  # a mount that is not ready yet
            if copy.bring(name):
                return
        if time.monotonic() > end:
            raise RunError("run.engine_refused", engine="bucket", detail=name)
        time.sleep(1.0)


def _send_signs(copy: BucketCopy, folder: RunFolder, launch_id: str) -> None:
    target = _target(copy, folder)
    seen = (folder.status_path, folder.events_path, folder.heartbeat_path, folder.log_path, folder.allocation_path)
    signs = tuple(p for p in (*seen, folder.snapshot_lines_path, folder.snapshots_path) if p.is_file())
    if saved := _newest_checkpoint(folder):
        copy.send(Unit(f"{JOBS}/{launch_id}/state", target, saved))
    if signs:
        copy.send(Unit(f"{JOBS}/{launch_id}/signs", target, signs))


def _result(folder: RunFolder) -> tuple[Path, ...]:
    """What training made; name, settings and rows are kept by whoever started the run."""
    kept = {folder.run_path.name, folder.config_path.name, folder.data_dir.name, folder.frozen_dir.name}
    return tuple(p for p in ended_files(folder) if p.relative_to(folder.path).parts[0] not in kept)


def _newest_checkpoint(folder: RunFolder) -> tuple[Path, ...]:
    found = list_checkpoints(folder.checkpoints_dir)
    return closed_files(found[0]) if found else ()


def _target(copy: BucketCopy, folder: RunFolder) -> str:
    return str(folder.path.resolve().relative_to(copy.workspace_dir))


if __name__ == "__main__":
    raise SystemExit(main())

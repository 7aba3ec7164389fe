"""A workspace that cannot be written, and a disk that is really full: both by a mount of their own (Linux)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.runs.launching import cancel_run
from core.runs.states import RunStatus
from core.runs.summaries import list_summaries
from core.workspace import Project
from tests.toy_project import build_toy_project, quick_run

ROOT = Path(__file__).resolve().parents[2]

READ_ONLY = """
import json, sys
from core.base.errors import TaskloomError
from core.runs.creation import create_run, list_runs
from core.runs.launching import resume_run, start_run, stop_run
from tests.watching import reconcile_runs
from core.runs.liveness import run_state
from core.runs.queueing import list_queue
from core.runs.summaries import list_summaries
from core.training.config import RunConfig, change_config
from core.workspace import Workspace

def refused(action, *arguments):
    try:
        action(*arguments)
    except TaskloomError as error:
        return error.key
    return "nothing was said"

workspace = Workspace(sys.argv[1])
project, = workspace.list_projects()
draft, dead, wished, ended = sorted(list_runs(project), key=lambda f: f.read_run()["name"])
config = dead.read_config()
print(json.dumps({
    "states": [run_state(f).state for f in (draft, dead, wished, ended)],
    "listed": [run.state for run in reversed(list_summaries(project))],
    "queue": list_queue(workspace.root),
    "reconciled": sorted(f.run_id for f in reconcile_runs(workspace)) == sorted([dead.run_id, wished.run_id]),
    "refused": [refused(start_run, draft), refused(resume_run, dead), refused(create_run, project, config)],
    "log": dead.read_log(),
}))
"""

FULL = """
import json, os, sys
from pathlib import Path
from core import worker
from core.runs.rerun import find_remedy, run_again
from core.runs.liveness import run_state
from core.training import stage
from core.training.manifest import find_checkpoint, read_state
from tests.toy_project import build_toy_project, quick_run

root = Path(sys.argv[1])
folder = quick_run(build_toy_project(root), Path(sys.argv[2]), exam_rows=2)
filler, save = root / "filler", stage.save_checkpoint

def save_on_a_full_disk(checkpoints_dir, name, checkpoint):
    if checkpoint.state.step == 8:
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"x" * 4096)
                    file.flush()
            except OSError:
                pass
    return save(checkpoints_dir, name, checkpoint)

def work(folder):
    # a process of its own, since its lock must go with it
    child = os.fork()
    if child == 0:
        try:
            os._exit(worker.main([str(folder.path)]))
        except BaseException:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

stage.save_checkpoint = save_on_a_full_disk
code = work(folder)
full = run_state(folder).state
filler.unlink()
stage.save_checkpoint = save
status = run_state(folder)
found, problems = find_checkpoint(folder.checkpoints_dir)
kept = read_state(found).step
if status.state == "failed":
    remedy = find_remedy(folder, status)
    assert (remedy.failure, remedy.changes, remedy.from_step) == ("disk_full", {}, 4), remedy
    folder = run_again(folder, remedy.changes)
end = work(folder)
events = folder.read_events()
print(json.dumps({
    "code": code, "full": full, "failure": status.failure, "kept": kept, "damaged": len(problems), "end": end,
    "resumed": [e["step"] for e in events if e["kind"] == "resume"],
    "ids": [e["id"] for e in events] == list(range(1, len(events) + 1)), "final": run_state(folder).state,
}))
"""


def in_a_namespace(mounts: str, script: str, *arguments: Path) -> dict[str, Any]:
    """Runs Python with mounts that nobody else sees, and returns the JSON value it printed last."""
    if shutil.which("unshare") is None:
        pytest.skip("mounts of one's own need Linux's unshare")
    command = f'{mounts} || exit 77; exec "$@"'
    words = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, "sh", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("this machine does not allow mounts of one's own")
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "ws").mkdir()
    return build_toy_project(tmp_path / "ws")


@pytest.mark.parametrize("listed_before", [True, False], ids=["known-registry", "no-registry"])
def test_a_read_only_workspace_is_read_and_refuses_in_words(
    project: Project, tiny_llama: Path, listed_before: bool
) -> None:
    draft, dead, wished, ended = (quick_run(project, tiny_llama) for _ in range(4))
    for folder in (dead, wished):
        folder.write_status(RunStatus(state="running", stage="stage1", step=3))
    wished.cancel_path.touch()
    dead.log_path.write_text("the last words", encoding="utf-8")
    ended_folder = ended
    cancel_run(ended_folder)
    if listed_before:
        shutil.copytree(draft.path, project.runs_dir / "copy")
        shutil.rmtree(project.runs_dir / "copy")
    else:
        (draft.workspace_dir / "runs.db").unlink(missing_ok=True)
    workspace = project.path.parents[1]
    mounts = f"mount --bind '{workspace}' '{workspace}' && mount -o remount,bind,ro '{workspace}'"
    told = in_a_namespace(mounts, READ_ONLY, workspace)
    assert told["states"] == ["draft", "interrupted", "cancelled", "cancelled"]
    assert sorted(told["listed"]) == sorted(told["states"])
    assert told["reconciled"]
    assert told["queue"] == []
    assert told["refused"] == ["workspace.read_only"] * 3
    assert told["log"] == "the last words"
    assert dead.read_status().state == "running"  # really nothing was written
    assert len(list_summaries(project)) == 4


def test_a_full_disk_ends_the_run_in_words_and_loses_nothing(tmp_path: Path, tiny_llama: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    told = in_a_namespace(f"mount -t tmpfs -o size=120m tmpfs '{disk}'", FULL, disk, tiny_llama)
    assert told["full"] in ("failed", "interrupted"), told
    assert told["failure"] in ("disk_full", None), told
    assert (told["kept"], told["damaged"]) == (4, 0)
    assert (told["end"], told["final"], told["resumed"]) == (0, "succeeded", [4]), told
    assert told["ids"]

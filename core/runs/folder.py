"""The run folder: the only channel between a worker and everybody who watches it.

config.yaml     the settings          run.json      name, tasks, notes, star, what it was made from
data/           frozen copy of tasks  status.json   the newest status (atomic replace)
events.jsonl    everything that happened, ids that only grow (see events.py)
heartbeat       touched every second  worker.lock   flock held while a worker lives; worker.log its output
launch.json     process id, its start time, command   STOP, CANCEL, PAUSE  wishes
adapter/        the trained adapter   checkpoints/  resumable states   frozen/ skills taken over
allocation.json, allocation_history.jsonl, results.json, predictions/<task index>.jsonl, record.json
contributions.json, flags.json, merge.json, probes/, jobs/   what was asked of it later
DONE            final marker; only its state is the truth about the end
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.errors import WorkspaceError
from core.base.files import naming, read_json, sync_files, write_json_atomic, write_text_atomic
from core.base.lines import read_records
from core.base.places import Place
from core.base.processes import boot_id
from core.base.records import checked_record, read_record
from core.runs.events import EventWriter, last_event_id, read_events
from core.runs.lock import is_locked, steady_clock
from core.runs.shapes import FinalMarker, Results, RunRecord
from core.runs.states import FAILED, RUNNING, SUCCEEDED, RunStatus
from core.tasks.dataset import load_saved_tasks
from core.tasks.spec import TaskSpec
from core.training.config import RunConfig, config_to_yaml, load_config

_FINAL_FIELDS = (
    "state",
    "failure",
    "ended",
    "stopped_early",
    "message_key",
    "message_values",
    "progress",
    "eta_s",
    "eta_range_s",
)


class RunFolder:
    """Names and readers of one run's files. Cheap to build; nothing is read before it is asked for.

    Raises:
        WorkspaceError: from the readers, when a file is damaged or missing.
    """

    config_path = Place("config.yaml")
    run_path = Place("run.json")
    status_path = Place("status.json")
    events_path = Place("events.jsonl")
    heartbeat_path = Place("heartbeat")
    lock_path = Place("worker.lock")
    log_path = Place("worker.log")
    launch_path = Place("launch.json")
    stop_path = Place("STOP")
    cancel_path = Place("CANCEL")
    pause_path = Place("PAUSE")
    done_path = Place("DONE")
    data_dir = Place("data")
    adapter_dir = Place("adapter")
    description_path = Place("adapter/adapter.json")
    weights_path = Place("adapter/adapter.safetensors")
    frozen_dir = Place("frozen")
    checkpoints_dir = Place("checkpoints")
    tracking_dir = Place("tracking")  # of a tracker that the settings ask for
    predictions_dir = Place("predictions")
    allocation_path = Place("allocation.json")
    snapshot_lines_path = Place("allocation_history.jsonl")
    snapshots_path = Place("allocation_history.f16")  # every layer, at the places the lines name
    results_path = Place("results.json")
    certainty_path = Place("certainty.json")
    router_path = Place("router.safetensors")  # finds the task of a text (core.chat.router)
    prediction_path = Place("prediction.json")
    record_path = Place("record.json")
    # What was asked of it later
    contributions_path = Place("contributions.json")
    evidence_path = Place("evidence.json")
    skill_names_path = Place("skill_names.json")
    forgetting_path = Place("forgetting.json")
    flags_path = Place("flags.json")
    merge_path = Place("merge.json")
    probes_dir = Place("probes")
    jobs_dir = Place("jobs")
    yardsticks_dir = Place("yardsticks")

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def frozen_path(self) -> Path:
        """Skills of earlier runs that this one takes over: where they come from."""
        return self.frozen_dir / "frozen.json"

    @property
    def frozen_weights_path(self) -> Path:
        return self.frozen_dir / "skills.safetensors"

    @property
    def skill_drafts_path(self) -> Path:
        """Drafts of names for skills that nobody has named."""
        return self.path / "skill_drafts.json"

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def worker_paths(self) -> tuple[Path, ...]:
        """What only a worker and those who watch it need: signs of life, its output, wishes."""
        signs = (self.heartbeat_path, self.lock_path, self.log_path, self.launch_path)
        return (*signs, self.stop_path, self.cancel_path, self.pause_path)

    @property
    def of_this_model(self) -> tuple[Path, ...]:
        """What is true of this trained model alone, or of how it was trained: nothing of it may stand in the folder
        of a model that was made from this one."""
        weights = (self.adapter_dir, self.checkpoints_dir, self.allocation_path, self.snapshot_lines_path)
        training = (self.snapshots_path, self.events_path, self.done_path, self.tracking_dir)
        expected = (self.prediction_path, self.record_path)
        exam = (self.predictions_dir, self.results_path, self.certainty_path, self.forgetting_path, self.flags_path)
        asked = (
            self.contributions_path,
            self.evidence_path,
            self.skill_drafts_path,
            self.probes_dir,
            self.jobs_dir,
        )
        return (*weights, *training, *expected, *exam, *asked, self.merge_path, *self.worker_paths)

    def rank_path(self, rank: int) -> Path:
        """What one of several processes says of itself."""
        return self.path / f"rank-{rank}.json"

    def probe_path(self, kind: str) -> Path:
        """Answers to a question of `core.asking` (knockout, transfer, look, ...)."""
        return self.probes_dir / f"{kind}.json"

    @property
    def workspace_dir(self) -> Path:
        """<workspace>/projects/<project>/runs/<run>: four steps up."""
        return self.path.resolve().parents[3]

    # What the run is
    def read_config(self) -> RunConfig:
        return load_config(self.config_path)

    def write_config(self, config: RunConfig) -> None:
        write_text_atomic(self.config_path, config_to_yaml(config))

    def read_run(self) -> dict[str, Any]:  # see `RunRecord`
        return {"name": self.run_id, **checked_record(RunRecord, self.run_path)}

    def read_name(self) -> str:
        """What a person calls the run; its id where run.json is damaged."""
        try:
            return str(self.read_run()["name"])
        except (WorkspaceError, OSError):
            return self.run_id

    def read_task_records(self) -> list[dict[str, Any]]:
        """The tasks in run.json, in the order of the allocation's rows."""
        return sorted(self.read_run()["tasks"], key=lambda task: int(task["index"]))

    def read_tasks(self) -> tuple[TaskSpec, ...]:
        """The tasks as they were frozen for the run."""
        return load_saved_tasks(self.data_dir)

    def write_run(self, run: dict[str, Any]) -> None:
        write_json_atomic(self.run_path, run)

    # What it is doing
    def read_status(self) -> RunStatus:
        """The status as the worker last wrote it; `core.runs.launching.run_state` also asks whether it lives.

        A damaged status says no more than that the run is at work, which whoever asks for its worker finds true or
        not; a damaged final marker is a failure in words, since it alone knows the end.
        """
        try:
            status = read_record(RunStatus, self.status_path)
        except FileNotFoundError:
            status = RunStatus()
        except WorkspaceError:
            status = RunStatus(state=RUNNING)
        try:
            done = self.read_done()
        except WorkspaceError:
            return self._as_damaged(status, self.done_path.name)
        if done is None:
            return status
        if missing := self._missing_files(done):
            return self._as_damaged(status, ", ".join(missing))
        status = replace(status, progress=1.0) if done["state"] == SUCCEEDED else status  # a merge has no steps
        return replace(status, **{name: done[name] for name in _FINAL_FIELDS if name in done})

    def _as_damaged(self, status: RunStatus, file: str) -> RunStatus:
        values = {"name": self.run_id, "file": file}
        return replace(status, state=FAILED, failure="data", message_key="run.damaged", message_values=values)

    def _missing_files(self, done: dict[str, Any]) -> list[str]:
        """Files that the final marker of a succeeded run lists and that are not there in that size."""
        missing = []
        for name, size in done.get("files", {}).items():
            path = self.path / name
            if name.startswith("adapter/") and (not path.exists() or path.stat().st_size != size):
                missing.append(name)
        return missing

    def write_status(self, status: RunStatus) -> None:
        write_json_atomic(self.status_path, replace(status, updated=time.time()).as_dict())

    def read_done(self) -> dict[str, Any] | None:
        """The final marker {state, failure, ended, message_key, ..., files}, or None while there is none."""
        return checked_record(FinalMarker, self.done_path) if self.done_path.exists() else None

    def write_done(self, values: dict[str, Any]) -> None:
        """Writes the final marker once; a second writer is refused, since the end of a run never changes."""
        temporary = self.path / f".DONE.{os.getpid()}"
        write_json_atomic(temporary, values)
        try:
            os.link(temporary, self.done_path)
            sync_files([self.done_path])
        except FileExistsError as error:
            raise WorkspaceError("run.ended", name=self.run_id, state=self.read_status().state) from error
        finally:
            temporary.unlink(missing_ok=True)

    def read_events(self, after_id: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """Events newer than the cursor `after_id`, oldest first; every event has id, time, kind."""
        return read_events(self.events_path, after_id, limit)

    def last_event_id(self) -> int:
        return last_event_id(self.events_path)

    def open_events(self) -> EventWriter:
        return EventWriter(self.events_path)

    def is_alive(self) -> bool:
        """Whether a worker (or its launcher) holds the run. The kernel frees the lock on any death."""
        return is_locked(self.lock_path)

    def beat(self, moved: float) -> None:
        """One heartbeat: wall time for people, the steady clock for comparing; `moved` is the steady time of the
        last progress (step, check, exam batch)."""
        beat = {"time": time.time(), "steady": steady_clock(), "moved": moved, "boot": boot_id()}
        self.heartbeat_path.write_text(json.dumps(beat), encoding="ascii")

    def heartbeat_ages(self) -> tuple[float, float]:
        """Seconds since the last heartbeat and since the last progress, immune to clock jumps; zeros without a
        readable heartbeat of this boot."""
        try:
            beat = json.loads(self.heartbeat_path.read_text(encoding="ascii"))
            if beat["boot"] != boot_id():
                return 0.0, 0.0
            steady, moved = float(beat["steady"]), float(beat["moved"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 0.0, 0.0
        now = steady_clock()
        return max(0.0, now - steady), max(0.0, now - moved)

    # What came out
    def read_results(self) -> dict[str, Any] | None:
        return checked_record(Results, self.results_path) if self.results_path.exists() else None

    def read_allocation(self) -> dict[str, Any] | None:
        if not self.allocation_path.exists():
            return None
        with naming(self.allocation_path):
            return {**read_json(self.allocation_path)}

    def read_snapshot_lines(self) -> list[dict[str, Any]]:
        """Snapshots {step, stage, weights (tasks x skills, mean over layers), ...} in the order they were taken."""
        return read_records(self.snapshot_lines_path)

    def answers_path(self, task_index: int) -> Path:
        return self.predictions_dir / f"{task_index}.jsonl"

    def read_predictions(self, task_index: int) -> list[dict[str, Any]]:
        """Exam answers of one task: {row, prompt, target, base, tuned}."""
        return read_records(self.answers_path(task_index))

    def read_log(self, num_lines: int = 200, max_bytes: int = 65_536) -> str:
        """The tail of the worker's output."""
        try:
            with open(self.log_path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - max_bytes))
                lines = file.read().decode("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-num_lines:])

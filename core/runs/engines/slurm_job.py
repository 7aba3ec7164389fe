"""The job of a run under Slurm; `main` submits one or an array (as JSON on its input) in a process of its own.

submitit writes the sbatch script and, in the job, calls `Errand`. What it pickles is an `Errand` of texts, into the
run's own folder (or the project's), and the job alone reads it there; the app never reads a pickle.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.processes import Order, start_beside
from core.runs.engines.slurm import DEFAULT_HOURS, DEFAULT_TRIES, MISSING
from core.runs.folder import RunFolder

POLL_S = 0.5
SAVE_S = 150.0  # between Slurm's warning and the end of a job's time: a step and a checkpoint
_SAVED_S = 10.0  # of these, what is left for handing the job back


@dataclass(frozen=True)
class Errand:
    """What a job does: it starts the run's worker and waits for it. When Slurm warns that the job is preempted or
    out of time, submitit calls `checkpoint` and hands the job back to the queue, where it begins once more."""

    run_dir: str
    command: tuple[str, ...]

    def __call__(self) -> int:
        folder = RunFolder(self.run_dir)
        with open(folder.log_path, "ab") as log:
            sys.stdout.flush()
            for stream in (1, 2):  # the worker's words and submitit's, in the one log
                os.dup2(log.fileno(), stream)
        worker = start_beside(Order(self.command, Path(self.run_dir)))
        while worker.poll() is None:  # asleep, so that a signal is heard
            time.sleep(POLL_S)
        return worker.returncode

    def checkpoint(self) -> Any:
        """The worker saves and leaves; the same errand goes on in the next job."""
        from submitit.helpers import DelayedSubmission

        folder = RunFolder(self.run_dir)
        folder.pause_path.touch()
        end = time.monotonic() + SAVE_S - _SAVED_S
        while folder.is_alive() and time.monotonic() < end:
            time.sleep(POLL_S)
        return DelayedSubmission(self)


def submit(given: dict[str, Any], cluster: str = "slurm") -> list[str]:
    """Hands runs to the cluster, several as one array -> the jobs' ids.

    Raises:
        submitit.core.utils.FailedJobError: sbatch refuses it. RuntimeError: this is no machine of a cluster.
    """
    import submitit

    wanted = given["settings"]
    tries = int(wanted.get("tries", DEFAULT_TRIES))
    executor = submitit.AutoExecutor(folder=given["place"], cluster=cluster, slurm_max_num_timeout=tries)
    parameters: dict[str, Any] = {
        "name": f"taskloom-{Path(given['errands'][0][0]).name}",
        "timeout_min": max(1, round(60 * float(wanted.get("hours", DEFAULT_HOURS)))),
        "cpus_per_task": int(wanted["cpus"]),
        "slurm_signal_delay_s": round(SAVE_S),
        "slurm_additional_parameters": {"requeue": True},
    }
    if wanted.get("at_once"):
        parameters["slurm_array_parallelism"] = int(wanted["at_once"])
    if wanted.get("gpus"):
        parameters["gpus_per_node"] = int(wanted["gpus"])
    if "memory_gb" in wanted:
        parameters["mem_gb"] = float(wanted["memory_gb"])
    if "setup" in wanted:
        parameters["slurm_setup"] = [str(wanted["setup"])]
    for name in ("partition", "account", "qos", "constraint"):
        if name in wanted:
            parameters[f"slurm_{name}"] = str(wanted[name])
    executor.update_parameters(**parameters)
    with executor.batch():
        jobs = [executor.submit(Errand(run_dir, tuple(command))) for run_dir, command in given["errands"]]
    return [str(job.job_id) for job in jobs]


def main() -> int:
    """Prints the ids of the jobs."""
    from importlib.util import find_spec

    if find_spec("submitit") is None:
        return MISSING
    print("\n".join(submit(json.load(sys.stdin))))
    return 0

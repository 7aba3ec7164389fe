"""A cluster under Slurm: every run is a job of its own, written by submitit, and begun again when preempted.

The run folder lies on a file system that the nodes share. Slurm's programs and submitit run in a child that sees no
token of the app, since sbatch hands its environment on to the job. The app reads nothing back but text.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.base.errors import RunError
from core.base.processes import Finished, Order, python, run_to_end
from core.runs.folder import RunFolder
from core.runs.launchers import Answer, Expected, Identity, LaunchOrder, far_command, for_processes

JOBS = ".slurm"  # in the run's folder: submitit's files of the jobs, never copied elsewhere
MISSING = 3  # exit code of a submission without submitit
SUBMIT_S, ASK_S = 60.0, 10.0
DEFAULT_HOURS, DEFAULT_TRIES, CPUS = 4.0, 5, 2
_SUBMIT = "import sys; from core.runs.engines import slurm_job; sys.exit(slurm_job.main())"
_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}
_UNKNOWN_JOB = ("invalid job id", "unknown job")


class SlurmLauncher:
    """Jobs of one cluster; `hours` is the limit of one job, `tries` how often a job that reached it goes on,
    `at_once` how many jobs of an array may work at the same time."""

    is_here = False
    joins = False
    settings: Mapping[str, type] = {
        "partition": str,
        "account": str,
        "qos": str,
        "constraint": str,
        "gpus": int,
        "cpus": int,
        "memory_gb": float,
        "hours": float,
        "tries": int,
        "at_once": int,
        "setup": str,
    }

    def submit(self, order: LaunchOrder) -> dict[str, Any]:
        """
        Raises:
            RunError: submitit is missing, sbatch refuses the job or does not answer.
        """
        return self.submit_all([order])[0]

    def submit_all(self, orders: Sequence[LaunchOrder]) -> list[dict[str, Any]]:
        """One job, or an array of them.

        Raises:
            RunError: as `submit`.
        """
        place = _jobs_of(orders)
        processes = max(order.folder.read_config().num_processes for order in orders)
        settings = {**orders[0].settings, **for_processes(orders[0].settings, processes, CPUS)}
        errands = [
            (str(order.folder.path.resolve()), far_command(order.folder, order.launch_id)) for order in orders
        ]
        given = {"errands": errands, "place": str(place), "settings": settings}
        done = _run(python("-c", _SUBMIT), SUBMIT_S, json.dumps(given))
        if done.code == MISSING:
            raise RunError("run.engine_missing", engine="Slurm", package="submitit")
        if done.code != 0:
            raise RunError("run.engine_refused", engine="Slurm", detail=_words(done))
        jobs = done.output.split()[-len(orders) :]
        return [{"job": job, "said_in": str(place)} for job in jobs]

    def alive(self, folder: RunFolder, launch: Identity) -> Answer:
        done = _run(("squeue", "-h", "-j", str(launch["job"]), "-o", "%T|%r"), ASK_S)
        if done.code != 0 and any(words in done.complaints.lower() for words in _UNKNOWN_JOB):
            return Answer("gone", detail=_ending(str(launch["job"])))
        if done.code != 0:
            return Answer("unknown", detail=_words(done))
        state, _, why = done.output.strip().partition("|")
        if not state:
            return Answer("gone", detail=_ending(str(launch["job"])))
        return Answer("pending", detail=why.strip()) if state in _WAITING else Answer("working")

    def cancel(self, folder: RunFolder, launch: Identity) -> None:
        done = _run(("scancel", str(launch["job"])), ASK_S)
        if done.code != 0 and not any(words in done.complaints.lower() for words in _UNKNOWN_JOB):
            raise RunError("run.engine_no_answer", engine="Slurm", detail=_words(done))

    def log(self, folder: RunFolder, launch: Identity, num_lines: int) -> str:
        """The worker's own words, and what Slurm said of a job that did not come to a worker."""
        said = [folder.read_log(num_lines)]
        place = Path(launch.get("said_in", folder.path / JOBS))
        for path in sorted(place.glob(f"{launch.get('job', '')}_*_log.*")):
            said.append(_tail(path))
        return "\n".join([line for part in said for line in part.splitlines()][-num_lines:])

    def expect(self, settings: Mapping[str, Any]) -> Expected:
        """How many jobs wait in the partition, the limit of a job, and how many may follow it."""
        part = ("-p", str(settings["partition"])) if "partition" in settings else ()
        done = _run(("squeue", "-h", "-r", "-t", "PENDING", "-o", "%i", *part), ASK_S)  # -r: arrays job by job
        if done.code != 0:
            raise RunError("run.engine_no_answer", engine="Slurm", detail=_words(done))
        limit = float(settings.get("hours", DEFAULT_HOURS)) * 3600
        tries = int(settings.get("tries", DEFAULT_TRIES))
        return Expected(waiting=len(done.output.split()), limit_s=limit, goes_on=tries)


def _jobs_of(orders: Sequence[LaunchOrder]) -> Path:
    """Where submitit keeps its files of jobs: in the run's folder; those of an array in the project's."""
    first = orders[0].folder.path.resolve()
    return first / JOBS if len(orders) == 1 else first.parents[1] / JOBS


def _run(command: tuple[str, ...], seconds: float, given: str = "") -> Finished:
    """One of Slurm's programs.

    Raises:
        RunError: it is not installed, or does not answer.
    """
    variables = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    try:
        return run_to_end(Order(command, variables=variables), seconds, given)
    except FileNotFoundError as error:
        raise RunError("run.engine_no_program", engine="Slurm", program=command[0]) from error
    except (OSError, TimeoutError) as error:
        raise RunError("run.engine_no_answer", engine="Slurm", detail=f"{command[0]}: {error}") from error


def _ending(job: str) -> str:
    """How the accounting, where there is one, says that a job ended, for example OUT_OF_MEMORY."""
    with contextlib.suppress(RunError):
        done = _run(("sacct", "-n", "-X", "-P", "-j", job, "-o", "State"), ASK_S)
        return done.output.strip().partition("\n")[0] if done.code == 0 else ""
    return ""


def _words(done: Finished) -> str:
    said = " ".join((done.complaints or done.output).split())
    return said[-300:] or str(done.code)


def _tail(path: Path, max_bytes: int = 8192) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - max_bytes))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""

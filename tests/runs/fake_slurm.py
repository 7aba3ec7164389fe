#!/usr/bin/env python3
"""The programs of Slurm over a folder of files: one script, called sbatch, squeue, scancel and so on.

Beside the script lie `jobs/N.json` ({script, pid, state}), `sbatch.txt` (the last script), `env.txt` (what sbatch
saw). While there is a file `hold`, jobs stay in the queue; while there is a file `broken`, nothing answers.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
JOBS = HERE / "jobs"


def read(job: str) -> dict:
    path = JOBS / f"{job}.json"
    if not path.exists():
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    return json.loads(path.read_text())


def write(job: str, values: dict) -> None:
    (JOBS / f"{job}.json").write_text(json.dumps(values))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def array_of(text: str) -> list[str]:
    """`#SBATCH --array=0-2%256` -> 0, 1, 2."""
    found = re.search(r"--array=0-([0-9]+)", text)
    return [str(n) for n in range(int(found.group(1)) + 1)] if found else []


def start(job: str, script: str) -> None:
    variables = {**os.environ, "SLURM_JOB_ID": job, "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1"}
    if "_" in job:
        whole, _, number = job.partition("_")
        count = len(array_of(Path(script).read_text()))
        variables |= {
            "SLURM_ARRAY_JOB_ID": whole,
            "SLURM_ARRAY_TASK_ID": number,
            "SLURM_ARRAY_TASK_COUNT": str(count),
        }
    variables |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    with open(HERE / f"{job}.out", "ab") as out:
        child = subprocess.Popen(
            ["bash", script],
            env=variables,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    write(job, {"script": script, "pid": child.pid, "state": "RUNNING"})


def sbatch(words: list[str]) -> None:
    script = next(word for word in words if not word.startswith("-"))
    if (HERE / "refuse").exists():
        sys.exit("sbatch: error: invalid partition specified: gpu")
    JOBS.mkdir(exist_ok=True)
    job = str(100 + len(list(JOBS.iterdir())))
    kept = str(HERE / f"{job}.sh")  # Slurm keeps a copy of its own; submitit moves the script
    text = Path(script).read_text()
    Path(kept).write_text(text)
    (HERE / "sbatch.txt").write_text(text)
    (HERE / "env.txt").write_text("\n".join(sorted(f"{k}={v}" for k, v in os.environ.items())))
    for one in [f"{job}_{number}" for number in array_of(text)] or [job]:
        write(one, {"script": kept, "pid": 0, "state": "PENDING"})
        if not (HERE / "hold").exists():
            start(one, kept)
    print(f"Submitted batch job {job}")


def squeue(words: list[str]) -> None:
    if "-j" in words:
        job = words[words.index("-j") + 1]
        found = read(job)
        if found["state"] == "PENDING":
            print("PENDING|Resources")
        elif lives(found["pid"]) or found["state"] == "REQUEUED":
            print(f"{'RUNNING' if lives(found['pid']) else 'REQUEUED'}|None")
        return
    waiting = {p.stem for p in JOBS.glob("*.json") if json.loads(p.read_text())["state"] == "PENDING"}
    print("\n".join(waiting if "-r" in words else {job.partition("_")[0] for job in waiting}))


def scancel(words: list[str]) -> None:
    found = read(words[0])
    write(words[0], {**found, "state": "CANCELLED"})
    step = HERE / f"{words[0]}.step"
    for group in (found["pid"], int(step.read_text()) if step.exists() else 0):
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(group, signal.SIGKILL)


def srun(words: list[str]) -> None:
    while words[0].startswith("-"):
        words = words[2:] if words[0] in ("--output", "--error", "--signal") else words[1:]
    os.setpgid(0, 0)  # a warning reaches the step and not the script
    (HERE / f"{os.environ['SLURM_JOB_ID']}.step").write_text(str(os.getpid()))
    os.execvp(words[0], words)


def scontrol(words: list[str]) -> None:
    """requeue JOB: it begins again when its process has left."""
    job = words[1]
    found = read(job)
    write(job, {**found, "state": "REQUEUED"})
    if os.fork() == 0:
        os.setsid()
        for descriptor in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        while lives(found["pid"]):
            time.sleep(0.1)
        start(job, found["script"])
        os._exit(0)


def sacct(words: list[str]) -> None:
    found = read(words[words.index("-j") + 1])
    print("OUT_OF_MEMORY" if (HERE / "memory").exists() else found["state"])


if __name__ == "__main__":
    if (HERE / "broken").exists():
        sys.exit("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    globals()[Path(sys.argv[0]).name](sys.argv[1:])

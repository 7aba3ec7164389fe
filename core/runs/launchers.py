"""Where a worker runs. `local` starts a process on this machine; a cluster engine or the Hub's Jobs is one more
file with one more registration, and a run names it in run.json (`launcher`).

A launcher gets the run folder and the descriptor of the run's lock, and returns what identifies the worker; that is
written to launch.json. The folder stays the only channel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import core
from core.base.errors import WorkspaceError
from core.base.registry import Registry
from core.runs.folder import RunFolder
from core.runs.lock import boot_id

Launcher = Callable[[RunFolder, int], dict[str, Any]]
LAUNCHERS: Registry[Launcher] = Registry("launcher")

# The worker sees these variables and no others: no tokens, no secrets of the app.
_PASSED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "HF_ENDPOINT",
        "TRANSFORMERS_OFFLINE",
        "XDG_CACHE_HOME",
        "CUDA_VISIBLE_DEVICES",
        "CUDA_HOME",
        "PYTORCH_ALLOC_CONF",
        "PYTORCH_CUDA_ALLOC_CONF",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "TASKLOOM_HOME",
        # Where trackers write to; their keys are not passed (wandb finds its own in ~/.netrc after `wandb login`).
        "TENSORBOARD_LOGGING_DIR",
        "TRACKIO_DIR",
        "WANDB_MODE",
        "WANDB_DIR",
        "WANDB_PROJECT",
        "WANDB_ENTITY",
        "WANDB_BASE_URL",
    }
)
_PASSED_BEGINNINGS = ("LC_", "NVIDIA_", "NCCL_", "GLOO_")


def launch_local(folder: RunFolder, lock: int) -> dict[str, Any]:
    """A detached process in a session of its own: output to the log file, never to a pipe; the lock is inherited.

    Raises:
        WorkspaceError: the log cannot be written or the process cannot be started.
    """
    command = worker_command(folder, lock)
    try:
        with open(folder.log_path, "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
                pass_fds=(lock,),
                env=worker_environment(),
                cwd=folder.path.resolve(),
            )
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(folder.path), detail=error.strerror or "") from error
    # Reaps the worker when it ends, so that it does not stay as a zombie of this app.
    threading.Thread(target=process.wait, daemon=True, name=f"reaper-{folder.run_id}").start()
    identity = {"pid": process.pid, "create_time": _create_time(process.pid), "boot": boot_id()}
    return {**identity, "command": command}


def worker_command(folder: RunFolder, lock: int) -> list[str]:
    """How a worker is started: an argument list, never a shell line; -P keeps the run folder off sys.path."""
    return [sys.executable, "-P", "-m", "core.worker", str(folder.path.resolve()), "--lock", str(lock)]


def worker_environment() -> dict[str, str]:
    """The reduced environment of a worker: what it needs to find Python, models and cards, and no token."""
    passed = {
        name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PASSED_BEGINNINGS)
    }
    root = str(Path(core.__file__).resolve().parents[1])
    path = passed.get("PYTHONPATH", "")
    passed["PYTHONPATH"] = f"{root}{os.pathsep}{path}" if path else root
    passed["PYTHONUNBUFFERED"] = "1"
    # Threads that wait actively starve each other on a shared machine: measured 3.5 times slower with two threads
    # on two busy cores (assets/docs/decisions.md).
    passed["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    # oneDNN keeps a program for every shape it has multiplied, by default 1,024 of them: over a gigabyte in a long
    # run on a processor with matrix units. With 128 steps take as long (assets/docs/decisions.md).
    programs = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    passed[programs] = os.environ.get(programs, "128")
    if os.environ.get("SPACES_ZERO_GPU"):  # the card of a ZeroGPU Space is not for processes of their own
        passed["CUDA_VISIBLE_DEVICES"] = "-1"
    passed["HF_HUB_DISABLE_TELEMETRY"] = "1"
    passed["TOKENIZERS_PARALLELISM"] = "false"
    return passed


def _create_time(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:  # ended already; no process will match
        return 0.0


LAUNCHERS.register("local", launch_local)

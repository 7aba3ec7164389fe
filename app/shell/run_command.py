"""Work that needs the model but no run of its own (export, knock-out): a command of core in a process of its own.

The screens stay free of torch; the command is the one that the command line has, with the same errors.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.base.errors import RunError, TaskloomError
from core.messages import MESSAGES
from core.runs.launching import worker_environment

LOG = logging.getLogger("taskloom.app")
MOST_SECONDS = 3600


def run_errand(workspace_dir: Path, *words: str) -> Any:
    """Runs `python -m core <words>` to its end and returns its JSON value.

    Raises:
        TaskloomError: the command refused, with its own words; RunError: it broke or took too long.
    """
    command = [sys.executable, "-P", "-m", "core", *words, "--workspace", str(workspace_dir.resolve()), "--json"]
    try:
        done = subprocess.run(
            command,
            env=worker_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            cwd=workspace_dir,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RunError("run.unexpected", detail=f"{words[0]}: {MOST_SECONDS} s") from error
    if done.returncode == 0:
        return json.loads(done.stdout)
    raise _refusal(words[0], done)


def _refusal(name: str, done: subprocess.CompletedProcess[str]) -> TaskloomError:
    """What the command said: its message key with values, else the last line of its log."""
    try:
        said = json.loads(done.stdout)["error"]
    except (ValueError, KeyError, TypeError):
        said = {}
    if said.get("key") in MESSAGES:
        return TaskloomError(said["key"], **said.get("values", {}))
    LOG.error("errand %s ended with %s: %s", name, done.returncode, done.stderr[-2000:])
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return RunError("run.unexpected", detail=lines[-1] if lines else name)

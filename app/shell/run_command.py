"""Work that needs the model but no run of its own (export, knock-out): a command of core in a process of its own.

The screens stay free of torch; the command is the one that the command line has, with the same errors.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from core.base.errors import RunError, TaskloomError
from core.base.processes import Finished, Order, python, run_to_end
from core.messages import MESSAGES

LOG = logging.getLogger("taskloom.app")
MOST_SECONDS = 3600


def run_errand(workspace_dir: Path, *words: str) -> Any:
    """Runs `python -m core <words>` to its end and returns its JSON value.

    Raises:
        TaskloomError: the command refused, with its own words; RunError: it broke or took too long.
    """
    command = python("-m", "core", *words, "--workspace", str(workspace_dir.resolve()), "--json")
    try:
        done = run_to_end(Order(command, workspace_dir), MOST_SECONDS)
    except TimeoutError as error:
        raise RunError("run.unexpected", detail=f"{words[0]}: {error}") from error
    if done.code == 0:
        return json.loads(done.output)
    raise _refusal(words[0], done)


def _refusal(name: str, done: Finished) -> TaskloomError:
    """What the command said: its message key with values, else the last line of its log."""
    try:
        said = json.loads(done.output)["error"]
    except (ValueError, KeyError, TypeError):
        said = {}
    if said.get("key") in MESSAGES:
        return TaskloomError(said["key"], **said.get("values", {}))
    LOG.error("errand %s ended with %s: %s", name, done.code, done.complaints[-2000:])
    return RunError("run.unexpected", detail=done.last_words if done.complaints.strip() else name)

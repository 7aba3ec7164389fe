"""How much memory one run may take here: refused before the start where it needs more, and held to by its worker.

The bound is `memory_mb` of TASKLOOM_QUOTA, which workers get too; without it what the machine has, less a part for
everything else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from core.base.errors import ModelError, Problem, RunError, WorkspaceError
from core.base.files import naming, read_json
from core.base.memory import machine_memory_mb, memory_bound
from core.models.catalogue import find_model
from core.runs.device_lease import lease_device
from core.runs.folder import RunFolder
from core.runs.quotas import quota_from_environment
from core.training.config import RunConfig

FLOOR_MB = 512  # for the page and the system; of a small machine FLOOR_SHARE
FLOOR_SHARE = 8
STACKS_MB = 24  # a core: address space of its threads, most of which is never used


def memory_limit_mb() -> int:
    """Megabytes that one run may take.

    Raises:
        SettingError: TASKLOOM_QUOTA cannot be read.
    """
    machine = machine_memory_mb()
    return quota_from_environment().memory_mb or machine - min(FLOOR_MB, machine // FLOOR_SHARE)


def check_memory_limit(expected: Mapping[str, Any] | None, config: RunConfig) -> list[Problem]:
    """A problem where even the lower end of what is expected (as in prediction.json) is above the bound; the range
    is wide, and what might fit is let begin. A graphics card's memory is not bounded here."""
    if expected is None or lease_device(config.device) != "cpu":
        return []
    least, limit = expected["memory_mb"][0], memory_limit_mb()
    if least <= limit:
        return []
    values = {
        "needed": round(least),
        "limit": limit,
        "batch_size": config.batch_size,
        "max_tokens": config.max_tokens,
        "base_model": config.base_model,
    }
    return [Problem("batch_size", "check.memory_limit", values)]


def require_memory(folder: RunFolder) -> None:
    """Before a run goes on that began under another bound, or on another machine.

    Raises:
        RunError: it needs more than a run may take here.
    """
    try:
        with naming(folder.prediction_path):
            expected = read_json(folder.prediction_path) if folder.prediction_path.exists() else None
            found = check_memory_limit(expected, folder.read_config())
    except WorkspaceError:  # damaged: nothing is expected of it any more, and its worker has the bound
        return
    for problem in found:
        raise RunError(problem.key, **problem.values)


@contextmanager
def held_to_limit(config: RunConfig) -> Iterator[None]:
    """While the block runs this process, a worker's, takes no more memory than a run may. While a base model is
    loaded its file counts beside its weights, so its size is on top. Drivers of cards set aside far more than they
    use: with one nothing is bounded.

    Raises:
        SettingError: TASKLOOM_QUOTA cannot be read.
    """
    if lease_device(config.device) != "cpu":
        yield
        return
    stacks = STACKS_MB * (os.cpu_count() or 1)
    with memory_bound(((memory_limit_mb() + stacks) << 20) + _weight_bytes(config.base_model)):
        yield


def _weight_bytes(base_model: str) -> int:
    try:
        folder = find_model(base_model).local_path
    except ModelError:  # said by the training
        return 0
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder else 0

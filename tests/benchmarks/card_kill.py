"""A run that is killed after its first checkpoint and resumed, against one that was left alone: part of `card.py`.

On a processor both have to end bit for bit alike. A card's kernels may add in another order every time: there a
second run is left alone too, and the resumed one may be no further from the first than a few times what these two
are apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import load_file

from core.runs.folder import RunFolder
from core.runs.launching import kill_run, resume_run, start_run
from core.runs.liveness import run_state
from tests.toy_project import build_toy_project, quick_run

TIMES = 5.0  # what two runs that were left alone are apart


class HasTime(Protocol):
    @property
    def left(self) -> float:
        """Seconds."""


def check_kill(folder: Path, model: Path, device: str, clock: HasTime) -> dict[str, Any]:
    """Whether a killed and resumed run ends as one that was left alone."""
    project, on_card = build_toy_project(folder), device != "cpu"
    changes = {"device": "cuda" if on_card else device, "max_steps": 40, "checkpoint_every": 5}
    calm, killed, again = (quick_run(project, model, **changes) for _ in range(3))
    began = time.monotonic()
    if not run_to(calm, clock, _has_ended):
        return {"holds": False, "why": "no time left", "state": run_state(calm).state}
    found: dict[str, Any] = {"seconds": round(time.monotonic() - began, 1)}
    run_to(killed, clock, lambda folder: any(folder.checkpoints_dir.glob("step-*")))
    kill_run(killed)
    was = run_state(killed)
    found |= {"killed_at_step": was.step, "state_after_kill": was.state}
    if was.state == "interrupted":
        resume_run(killed)
    if not _wait(killed, clock, _has_ended) or (on_card and not run_to(again, clock, _has_ended)):
        return {"holds": False, "why": "no time left", "state": run_state(killed).state, **found}
    runs = [calm, killed, again] if on_card else [calm, killed]
    for run in runs:
        if not run.weights_path.exists():
            return {"holds": False, "state": run_state(run).state, "log": run.read_log()[-2000:], **found}
    apart, allowed = _apart(killed, calm), TIMES * _apart(again, calm) if on_card else 0.0
    found |= {"bit_equal": apart == 0.0, "apart": apart, "allowed": allowed}
    return {"holds": apart <= allowed and was.state == "interrupted", **found}


def _has_ended(folder: RunFolder) -> bool:
    return run_state(folder).is_terminal


def _apart(one: RunFolder, other: RunFolder) -> float:
    """The largest difference of two adapters' numbers, of the largest number; 0 for the same bits alone."""
    if one.weights_path.read_bytes() == other.weights_path.read_bytes():
        return 0.0
    found, wanted = load_file(one.weights_path), load_file(other.weights_path)
    gap = max(float((found[name].double() - wanted[name].double()).abs().max()) for name in wanted)
    return max(gap, 1e-30) / max(float(tensor.double().abs().max()) for tensor in wanted.values())


def run_to(folder: RunFolder, clock: HasTime, reached: Callable[[RunFolder], bool]) -> bool:
    """Starts a run; whether it came to that before the time was up. What does not is ended."""
    start_run(folder)
    return _wait(folder, clock, reached)


def _wait(folder: RunFolder, clock: HasTime, reached: Callable[[RunFolder], bool]) -> bool:
    while not reached(folder):
        if clock.left < 0 or not run_state(folder).is_live:
            kill_run(folder)
            return False
        time.sleep(0.1)
    return True

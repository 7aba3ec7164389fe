"""Runs that are killed: a training in a forked child, killed at any moment, resumed, and compared bit for bit."""

from __future__ import annotations

import os
import random
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file

from core.runs.folder import RunFolder
from core.runs.journal import FolderJournal
from core.training.manifest import check_checkpoint
from core.training.session import train_run

MOST_KILLS = 4  # of one run


def in_a_child(action: Callable[[], object]) -> int:
    """Forks; the child acts and dies. Returns its end: -9 when it was killed."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:  # the child must never return into pytest
            traceback.print_exc()
            os._exit(7)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(folder: RunFolder) -> None:
    journal = FolderJournal(folder)
    try:
        train_run(folder, folder.read_config(), journal)
    finally:
        journal.close()


def die_after(cpu_s: float) -> None:
    """The kernel ends this process after so much processor time, wherever it then is; nothing of ours runs then.
    Processor time, so that a busy machine kills at the same places as an idle one."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)


def outcome(folder: RunFolder) -> tuple[dict[str, torch.Tensor], dict[int, Any], Any, Any]:
    """Weights, loss curve, allocation history, exam answers."""
    points = {
        e["step"]: (e["loss"], e["by_task"], e["gradient_norm"])
        for e in folder.read_events()
        if e["kind"] == "loss"
    }
    answers = [folder.read_predictions(task) for task in range(2)]
    weights = load_file(folder.adapter_dir / "adapter.safetensors")
    return weights, points, folder.read_snapshot_lines(), answers


def same_outcome(found: Any, expected: Any) -> bool:
    """Bit for bit."""
    if found[0].keys() != expected[0].keys() or found[1:] != expected[1:]:
        return False
    return all(torch.equal(found[0][name], tensor) for name, tensor in expected[0].items())


@dataclass(frozen=True)
class Round:
    """One run that was killed and resumed until it ended: where each kill left it ("" before the first event), from
    which steps it went on, and whether it ended as the undisturbed run did."""

    places: tuple[str, ...]
    resumed_from: tuple[int, ...]
    is_same: bool


def processor_seconds(folder: RunFolder) -> float:
    """Trains without a disturbance; how much processor time the child took."""
    before = _children_s()
    assert in_a_child(lambda: train(folder)) == 0
    return _children_s() - before


def kill_and_resume(folder: RunFolder, draw: random.Random, whole_s: float, expected: Any) -> Round:
    """Kills the run up to MOST_KILLS times at random moments of its processor time, lets it then end, compares."""
    places = []
    for _ in range(draw.randint(1, MOST_KILLS)):
        cpu_s = draw.uniform(0.02, 1.0) * whole_s
        end = in_a_child(lambda cpu_s=cpu_s: (die_after(cpu_s), train(folder)))
        if end == 0:
            break  # it was through before its time came
        assert end == -signal.SIGPROF
        places.append(_place(folder))
        reported = [event["name"] for event in folder.read_events() if event["kind"] == "checkpoint"]
        if reported:
            assert check_checkpoint(folder.checkpoints_dir / reported[-1]) == [], "reported as saved, but damaged"
    if places and end != 0:
        assert in_a_child(lambda: train(folder)) == 0
    resumed = tuple(int(e["step"]) for e in folder.read_events() if e["kind"] == "resume")
    return Round(tuple(places), resumed, same_outcome(outcome(folder), expected))


def _place(folder: RunFolder) -> str:
    """What the run had last told when it was killed."""
    told = [event for event in folder.read_events() if event["kind"] != "resume"]
    return f"{told[-1]['kind']} {told[-1].get('step', '')}".strip() if told else ""


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system

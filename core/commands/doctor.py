"""doctor: what this machine can do, and what stands in the way"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.commands.output import Report, Verbs, add_verb
from core.messages.plural import counted

ROOT = Path(__file__).resolve().parents[2]
GOOD, NOTE, BAD = "ok", "note", "problem"
LEAST_MEMORY_GB, LEAST_DISK_GB = 4.0, 2.0
MATRIX, REPEATS = 512, 5


@dataclass(frozen=True)
class Finding:
    """One line of the report; `level` is ok, note (works, but slower or smaller) or problem."""

    name: str
    level: str
    text: str


def add_parser(verbs: Verbs) -> None:
    add_verb(verbs, "doctor", doctor, "what this machine can do: packages, cores, memory, speed, starter model")


def doctor(args: argparse.Namespace) -> Report:
    findings = [_python(), *_packages(), _cores(), _memory(), _disk(args), _workspace(args), *_damage(args)]
    findings += [_starter(), *_torch()]
    bad = [f for f in findings if f.level == BAD]
    lines = [f"{'!' if f.level == BAD else '-' if f.level == NOTE else '+'} {f.name}: {f.text}" for f in findings]
    lines.append(f"\n{counted(len(bad), 'problem|problems')} found." if bad else "\nEverything needed is here.")
    return Report({"healthy": not bad, "findings": [asdict(f) for f in findings]}, "\n".join(lines))


def _python() -> Finding:
    import platform

    level = GOOD if sys.version_info >= (3, 11) else BAD
    return Finding("python", level, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> list[Finding]:
    """Every requirement against what is installed; several lines only where something is wrong."""
    from importlib import metadata  # here: it brings the whole of email, which help does without

    findings, found = [], 0
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(?:==\s*([^\s;]+))?", line.split("#")[0].strip())
        if match is None:
            continue
        name, wanted = match.groups()
        try:
            installed = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            findings.append(Finding(name, BAD, "not installed; run: pip install -r requirements.txt"))
            continue
        found += 1
        if wanted and installed != wanted:
            findings.append(Finding(name, NOTE, f"version {installed}, tested with {wanted}"))
    return [Finding("packages", GOOD, f"{found} of the required packages are installed"), *findings]


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("cores", GOOD if usable > 1 else NOTE, f"{usable} usable")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total / 2**30, memory.available / 2**30
    level = GOOD if free >= LEAST_MEMORY_GB else NOTE
    return Finding("memory", level, f"{free:.1f} GB free of {total:.1f} GB")


def _disk(args: argparse.Namespace) -> Finding:
    path = _workspace_dir(args)
    existing = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**30
    return Finding("disk", GOOD if free >= LEAST_DISK_GB else BAD, f"{free:.1f} GB free where the workspace lies")


def _workspace(args: argparse.Namespace) -> Finding:
    path = _workspace_dir(args)
    existing = next(p for p in (path, *path.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding("workspace", BAD, f"{path} cannot be written ({error.strerror}); choose --workspace DIR")
    return Finding("workspace", GOOD, f"{path} can be written")


def _damage(args: argparse.Namespace) -> list[Finding]:
    """Projects, tasks and runs of the workspace that cannot be read, a line each."""
    from core.runs.summaries import list_summaries
    from core.tasks.store import list_damaged_tasks
    from core.workspace import Workspace

    if not (_workspace_dir(args) / "projects").is_dir():
        return []
    workspace = Workspace(args.workspace)
    said = [
        f"{broken.error} Or give it a new one: python -m core project repair {broken.path.name}"
        for broken in workspace.list_damaged_projects()
    ]
    for project in workspace.list_projects():
        said += [f"{project.name}: {task.error}" for task in list_damaged_tasks(project)]
        said += [
            f"{project.name}: run {run.run_id}: {', '.join(run.damaged)} cannot be read"
            for run in list_summaries(project)
            if run.damaged
        ]
    return [Finding("damage", BAD, text) for text in said]


def _workspace_dir(args: argparse.Namespace) -> Path:
    from core.workspace import default_workspace_dir

    return Path(args.workspace).expanduser() if args.workspace else default_workspace_dir()


def _starter() -> Finding:
    from core.models.known_models import STARTER_DIR

    whole = (STARTER_DIR / "config.json").is_file() and any(STARTER_DIR.glob("*.safetensors"))
    text = "the starter model is here" if whole else "no starter model; name a base model with --base-model"
    return Finding("starter", GOOD if whole else NOTE, text)


def _torch() -> list[Finding]:
    """Device, number formats and the speed of a matrix product. A broken torch is a finding, not a crash."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return [Finding("torch", BAD, f"cannot be loaded ({error}); run: pip install -r requirements.txt")]
    findings = [Finding("torch", GOOD, torch.__version__), _cards(torch), _bfloat16(torch)]
    single = _speed(torch, torch.float32)
    return [*findings, Finding("speed", GOOD, f"{single:.0f} GFLOP/s in float32 on the processor")]


def _cards(torch: Any) -> Finding:
    if torch.backends.mps.is_available():
        return Finding("graphics card", NOTE, "Apple's, which is not used: training is on the processor")
    if not torch.cuda.is_available():
        return Finding("graphics card", NOTE, "none; small models train on the processor")
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    listed = ", ".join(f"{card.name} ({card.total_memory / 2**30:.0f} GB)" for card in cards)
    return Finding("graphics card", GOOD, listed)


def _bfloat16(torch: Any) -> Finding:
    """Whether bfloat16 products are faster here, measured: flags of the processor do not tell the whole story."""
    single, half = _speed(torch, torch.float32), _speed(torch, torch.bfloat16)
    if half > 1.2 * single:
        return Finding("bfloat16", GOOD, f"{half / single:.1f} x as fast as float32 on the processor")
    return Finding("bfloat16", NOTE, "no faster than float32 on the processor")


def _speed(torch: Any, dtype: Any) -> float:
    """GFLOP/s of a square matrix product, the best of a few."""
    matrix = torch.ones(MATRIX, MATRIX, dtype=dtype)
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - began)
    return float(2 * MATRIX**3 / best / 1e9)

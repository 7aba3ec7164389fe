"""What has to be known of a run's skills before its pictures are read: which were taken over and not trained, and
which names nobody gave. Torch-free."""

from __future__ import annotations

from pathlib import Path

from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.frozen import read_frozen
from core.runs.skill_names import read_drafts, read_names


def describe_frozen(run_dir: Path) -> list[Sentence]:
    """One sentence a frozen skill; its name in this run, and where it comes from."""
    names = read_names(run_dir)
    return [
        Sentence("says.frozen_skill", {"skill": names.get(one.skill, one.skill), "run": one.run})
        for one in read_frozen(RunFolder(run_dir))
    ]


def describe_drafts(run_dir: Path) -> list[Sentence]:
    """That names behind the sign are drafts, where there are some."""
    count = len(read_drafts(run_dir))
    return [Sentence("says.drafted_names", {"count": count})] if count else []


def describe_skill_notes(run_dir: Path) -> list[Sentence]:
    return [*describe_frozen(run_dir), *describe_drafts(run_dir)]

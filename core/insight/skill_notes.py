"""What has to be known of a run's skills before its pictures are read: which were taken over and not trained.
Torch-free."""

from __future__ import annotations

from pathlib import Path

from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.frozen import read_frozen
from core.runs.skill_names import read_names


def describe_frozen(run_dir: Path) -> list[Sentence]:
    """One sentence a frozen skill; its name in this run, and where it comes from."""
    names = read_names(run_dir)
    return [
        Sentence("says.frozen_skill", {"skill": names.get(one.skill, one.skill), "run": one.run})
        for one in read_frozen(RunFolder(run_dir))
    ]

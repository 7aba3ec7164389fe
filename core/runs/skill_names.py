"""Names of a run's common skills: those that a person gave, else drafts. Torch-free.

<run>/skill_names.json: {skill as the method calls it: name}; skill_drafts.json: what `core.insight.skill_drafts`
found, {skill: {kind, words}}. Tables are read with these names; the model keeps its own. A draft stands behind the
skill's own name and a DRAFT sign: 'common 2 ≈ extraction: city / weather'.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from core.adapters.skill import COMMON
from core.base.errors import RunError, SettingError
from core.base.files import read_json, write_json_atomic
from core.runs.folder import RunFolder

LONGEST = 40
DRAFT = "≈"
_UNCLEAR = re.compile(f"[,{DRAFT}]")
_TAKEN = re.compile(r"(common|private|adapter|shared|expert)( \d+(\.\d+)?)?|row:.*", re.IGNORECASE)


def read_names(run_dir: Path) -> dict[str, str]:
    """{skill as the method calls it: as it is shown}, of those that have a name or a draft of one."""
    drafted = {skill: f"{skill} {DRAFT} {text}" for skill, text in read_drafts(run_dir).items()}
    return drafted | read_given(run_dir)


def read_given(run_dir: Path) -> dict[str, str]:
    """The names that a person gave."""
    path = RunFolder(run_dir).skill_names_path
    return dict(read_json(path)) if path.is_file() else {}


def read_drafts(run_dir: Path) -> dict[str, str]:
    """{skill: 'extraction: city / weather'}, of the skills that have no given name."""
    path, given = RunFolder(run_dir).skill_drafts_path, read_given(run_dir)
    found: dict[str, Any] = dict(read_json(path)) if path.is_file() else {}
    parts = {skill: [one["kind"], " / ".join(one["words"])] for skill, one in found.items() if skill not in given}
    return {skill: ": ".join(part for part in both if part) for skill, both in parts.items()}


def name_skill(run_dir: Path, skill: str, name: str) -> None:
    """Names a common skill, `skill` being its own or its shown name; an empty name takes the given one away, or the
    draft where there is no given one.

    Raises:
        SettingError: no such skill, or a name that is too long, taken, a task's, or could be mistaken.
        RunError: the run has no allocation yet.
    """
    names, given = read_given(run_dir), " ".join(name.split())
    folder, known = RunFolder(run_dir), common_names(run_dir)
    place = own_name(read_names(run_dir), skill)
    if place not in known:
        raise SettingError("skill_name.unknown", skill=skill, known=", ".join(known))
    others = {other for at, other in names.items() if at != place}
    if given.casefold() in {str(task["name"]).casefold() for task in folder.read_run()["tasks"]}:
        raise SettingError("skill_name.task", name=given)
    if given and (len(given) > LONGEST or _UNCLEAR.search(given) or given in others or _TAKEN.fullmatch(given)):
        raise SettingError("skill_name.bad", name=given, most=LONGEST)
    if not given and place not in names and folder.skill_drafts_path.is_file():
        drafts = {at: draft for at, draft in read_json(folder.skill_drafts_path).items() if at != place}
        write_json_atomic(folder.skill_drafts_path, drafts)
    kept = {at: other for at, other in names.items() if at != place}
    write_json_atomic(folder.skill_names_path, kept | ({place: given} if given else {}))


def common_names(run_dir: Path) -> list[str]:
    """What the method calls the common skills that can be named.

    Raises:
        RunError: the run has no allocation yet.
    """
    table = RunFolder(run_dir).read_allocation()
    if table is None:
        raise RunError("insight.no_allocation", run=run_dir.name)
    skills = [str(one["name"]) for one in table.get("skills", []) if one["kind"] == COMMON]
    return [name for name in skills if not name.startswith("shared ")]


def own_name(names: dict[str, str], skill: str) -> str:
    """What the method calls a skill that a person may have named."""
    return next((place for place, name in names.items() if name == skill), skill)

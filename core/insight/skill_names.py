"""Names that a person gave to skills of a run. Torch-free.

<run>/skill_names.json: {skill as the method calls it: name}. Tables are read with
these names; the model keeps its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from core.base.errors import SettingError
from core.base.files import read_json, write_json_atomic
from core.runs.folder import RunFolder

LONGEST = 40
_TAKEN = re.compile(r"(common|private|adapter|shared|expert)( \d+(\.\d+)?)?", re.IGNORECASE)


def read_names(run_dir: Path) -> dict[str, str]:
    path = RunFolder(run_dir).skill_names_path
    return dict(read_json(path)) if path.is_file() else {}


def name_skill(run_dir: Path, skill: str, name: str, known: Sequence[str]) -> None:
    """Names a common skill, `skill` being its own or its given name; an empty name takes the given one away.

    Args:
        known: what the method calls its common skills.

    Raises:
        SettingError: no such skill, or a name that is too long, taken, or could be mistaken.
    """
    names, given = read_names(run_dir), " ".join(name.split())
    place = own_name(names, skill)
    if place not in known:
        raise SettingError("skill_name.unknown", skill=skill, known=", ".join(known))
    others = {other for at, other in names.items() if at != place}
    if given and (len(given) > LONGEST or "," in given or given in others or _TAKEN.fullmatch(given)):
        raise SettingError("skill_name.bad", name=given, most=LONGEST)
    kept = {at: other for at, other in names.items() if at != place}
    write_json_atomic(RunFolder(run_dir).skill_names_path, kept | ({place: given} if given else {}))


def own_name(names: dict[str, str], skill: str) -> str:
    """What the method calls a skill that a person may have named."""
    return next((place for place, name in names.items() if name == skill), skill)

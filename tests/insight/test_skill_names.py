"""A skill's given name is used by every table of its run, can be taken back, and cannot be mistaken for another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.base.errors import SettingError
from core.insight.allocation import read_allocation
from core.insight.evidence import read_evidence
from core.runs.skill_names import name_skill, own_name, read_names
from tests.insight.test_allocation import hand_made, write_run
from tests.training.test_evidence import SURE, TINY, record_of


def test_tables_are_read_with_given_names(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r1", hand_made())
    cells = {"mails": [SURE, TINY, SURE, None], "bills": [SURE, TINY, None, SURE]}
    record = record_of(cells, [SURE] * 2, [SURE] * 2)
    (run / "evidence.json").write_text(json.dumps(record), encoding="utf-8")
    name_skill(run, "common 1", "  dates and  times ")
    assert [s.name for s in read_allocation(run).skills][:2] == ["dates and times", "common 2"]
    found = read_evidence(run)
    assert found is not None
    assert found.common_skills == ["dates and times", "common 2"]
    assert found.skills.worse.loc["mails", "dates and times"]
    name_skill(run, "dates and times", "clocks")  # by its given name
    assert read_names(run) == {"common 1": "clocks"}
    assert own_name(read_names(run), "clocks") == "common 1"
    name_skill(run, "common 1", "")
    assert read_allocation(run).skills == hand_made().skills


@pytest.mark.parametrize("name", ["common 2", "Private", "a, b", "x" * 41, "taken", "row:x", "Intents"])
def test_names_that_could_be_mistaken_are_refused(tmp_path: Path, name: str) -> None:
    run = write_run(tmp_path / "r1", hand_made())
    name_skill(run, "common 3", "taken")
    with pytest.raises(SettingError, match="cannot be the name"):
        name_skill(run, "common 1", name)


def test_only_common_skills_have_names(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r1", hand_made())
    with pytest.raises(SettingError, match="common 1, common 2"):
        name_skill(run, "private intents", "mine")

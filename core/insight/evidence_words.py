"""The two or three sentences that a run's evidence allows; nothing that may be chance. They and the plots come from
one table (`evidence`), so that they cannot contradict each other."""

from __future__ import annotations

import numpy as np

from core.adapters.skill import COMMON, PRIVATE
from core.insight.evidence import FEWEST_ROWS, TELLING, Evidence, percent
from core.insight.pull import describe_pull
from core.messages import Sentence

MOST_SHARED = 3  # skills told one by one


def describe_evidence(found: Evidence) -> list[Sentence]:
    """What the tasks share, what each needs of its own, and what to do about it; nothing that may be chance."""
    if len(found.skills.value.columns) == 1:  # the one adapter of all: that it is needed says nothing of sharing
        return [Sentence("says.one_skill")]
    if float(found.rows.max()) < FEWEST_ROWS:
        return [Sentence("says.evidence_few", {"rows": int(found.rows.max())})]
    if not found.kinds.value.notna().to_numpy().any():
        return _describe_borrowed(found) or [Sentence("says.evidence_none")]
    if not found.kinds.value[COMMON].notna().any():  # nor does it that a task needs all it has
        return [Sentence("says.no_common"), *_describe_borrowed(found)]
    common = _describe_common(found)
    told = [*common, *_describe_private(found), *_describe_borrowed(found)]
    return [*told, *(describe_pull(found.pull) or _describe_apart(found, common))]


def _describe_apart(found: Evidence, common: list[Sentence]) -> list[Sentence]:
    """Where tasks need the same skills and none pull at them alike: that the first does not show a kinship. Skills
    are room to learn in, and unrelated tasks fill the same one."""
    needed = any(one.key in ("says.shared_skill", "says.needs_common") for one in common)
    if not needed or found.pull is None or not found.pull.can_tell:
        return []
    needing = set(found.kinds.value.index[found.needed(found.kinds)[COMMON]])
    told = len(needing) > 1 and needing <= set(found.pull.cosine.index)  # of others nothing was asked
    return [Sentence("says.shared_apart")] if told else []


def _describe_common(found: Evidence) -> list[Sentence]:
    """Every task in one place: with the skills that it needs, as one that needs several, or with little or no use
    for them."""
    needed, said = found.needed(found.skills), list[Sentence]()
    named: set[str] = set()
    for number, skill in enumerate(_by_size(found)):
        users = [task for task in found.tasks if needed.loc[task, skill]]
        if number >= MOST_SHARED and named >= set(users):
            continue
        named |= set(users)
        losses = [percent(found.skills.value.loc[task, skill]) for task in users]
        key = "says.shared_skill" if len(users) > 1 else "says.used_skill"
        said.append(Sentence(key, {"skill": skill, "tasks": ", ".join(users), "percents": ", ".join(losses)}))
    harms, whole = _describe_harms(found), found.kinds
    one_harms, single = (t[found.common_skills].any(axis=1) for t in (found.skills.better, found.skills.worse))
    is_needed, is_worse, is_better = found.needed(whole)[COMMON], whole.worse[COMMON], whole.better[COMMON]
    rest = {
        "says.needs_common": is_needed,  # each skill alone can be done without, all of them cannot
        "says.common_small": (is_worse | (single & ~one_harms)) & ~is_better & ~is_needed & ~found.few,
        "says.common_harms": is_better & ~found.few,
        "says.shares_nothing_here": ~(is_worse | single | is_better | one_harms) & ~found.few,
        "says.common_few": found.few,
    }
    for key, places in rest.items():
        # That all of them together harm is said of a task that needs one of them as well.
        tasks = [t for t in found.tasks if places[t] and (t not in named or key == "says.common_harms")]
        if len(tasks) == len(found.tasks) and key == "says.shares_nothing_here":
            return [Sentence("says.shares_nothing")]
        said += [Sentence(key, {"tasks": ", ".join(tasks)})] if tasks else []
    return [*said, *harms]


def _describe_harms(found: Evidence) -> list[Sentence]:
    """Common skills without which tasks surely do better, where that is not said of all of them together."""
    better = found.skills.better.mul(~found.few & ~found.kinds.better[COMMON], axis=0)
    said = []
    for skill in found.common_skills:
        tasks = [task for task in found.tasks if better.loc[task, skill]]
        more = [percent(found.skills.value.loc[task, skill]) for task in tasks]
        values = {"skill": skill, "tasks": ", ".join(tasks), "percents": ", ".join(more)}
        said += [Sentence("says.skill_harms", values)] if tasks else []
    return said


def _by_size(found: Evidence) -> list[str]:
    """Common skills that a task surely needs, the most needed first."""
    worse = found.skills.value.where(found.needed(found.skills))[found.common_skills]
    return [str(name) for name in worse.sum().sort_values(ascending=False).index if worse[name].notna().any()]


def _describe_private(found: Evidence) -> list[Sentence]:
    needs = found.kinds.value[PRIVATE].where(found.needed(found.kinds)[PRIVATE]).dropna()
    if needs.empty:
        return []
    most = str(needs.idxmax())
    return [Sentence("says.own_skill", {"task": most, "percent": percent(float(needs.max())), "count": len(needs)})]


def _describe_borrowed(found: Evidence) -> list[Sentence]:
    """The best row that a task could borrow, where it surely gains by it."""
    sure = found.borrowed.better.mul(~found.few, axis=0)
    better = found.borrowed.value.where(sure & (found.borrowed.value <= -TELLING))
    if not better.notna().to_numpy().any():
        return []
    row, column = np.unravel_index(int(np.nanargmin(better.to_numpy())), better.shape)
    values = {"task": better.index[row], "other": better.columns[column]}
    return [Sentence("says.better_borrowed", {**values, "percent": percent(float(better.iloc[row, column]))})]

"""Drafts of names for common skills, from the check rows that they change most. Torch-free.

A word (or a kind of answer) is in a draft where it stands in more of a skill's rows than chance puts there: a
hypergeometric test against all rows that were asked, corrected for the number of words tried. Skills whose effect
may be chance get none, and neither do skills whose rows have nothing in common; most short words are grammar and
are left out. It is a beginning for a person who reads the rows, and no measurement of what a skill is about.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import regex
from scipy import stats

from core.base.files import write_json_atomic
from core.evaluation.normalise import tokens
from core.insight.evidence import NOTICEABLE, Evidence, read_evidence
from core.runs.folder import RunFolder
from core.tasks.dataset import Example, load_saved_split

ROWS, FEWEST = 12, 5  # of a skill
FEWEST_WITH = 3  # rows that a word stands in: no single row's name or number
CHANCE = 0.05
SHORTEST, LONGEST, MOST_WORDS, MOST_LETTERS = 4, 20, 3, 32
MOST_NEIGHBOURS = 8  # characters of a string in a script without spaces
KIND = "kind:"  # before the kind of a task among the words of its rows
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー]")
_WORDS = regex.compile(r"[\p{L}\p{M}'’-]+")


@dataclass(frozen=True)
class _Asked:
    """A check row: its task, and what stands in it."""

    task: str
    found: frozenset[str]


def write_drafts(run_dir: Path) -> dict[str, Any]:
    """Writes <run>/skill_drafts.json, {skill as the method calls it: {kind, words}}, and returns it; empty where
    nothing was measured, or nothing can be told."""
    evidence = read_evidence(run_dir, named=False)
    drafts = {} if evidence is None or not evidence.row_changes else draft_names(run_dir, evidence)
    path = RunFolder(run_dir).skill_drafts_path
    if drafts or path.is_file():
        write_json_atomic(path, drafts)
    return drafts


def draft_names(run_dir: Path, found: Evidence) -> dict[str, dict[str, Any]]:
    """`found`: evidence with the method's own names."""
    asked = _read_asked(run_dir, found)
    everywhere = Counter(word for rows in asked.values() for row in rows for word in row.found)
    total = sum(len(rows) for rows in asked.values())
    drafts = {}
    for skill in found.common_skills:
        chosen = _most_changed(found, skill, asked)
        telling = _telling(chosen, everywhere, total) if len(chosen) >= FEWEST else []
        kind = next((word.removeprefix(KIND) for word in telling if word.startswith(KIND)), "")
        words = _fitting([word for word in telling if not word.startswith(KIND)])
        if kind or words:
            drafts[skill] = {"kind": kind, "words": words}
    return drafts


def _read_asked(run_dir: Path, found: Evidence) -> dict[str, list[_Asked]]:
    folder, asked = RunFolder(run_dir), {}
    for index, spec in enumerate(folder.read_tasks()):
        rows = load_saved_split(folder.data_dir, index, "validation")
        places = [place for place in found.places.get(spec.name, []) if place < len(rows)]
        asked[spec.name] = [_Asked(spec.name, row_words(rows[place]) | {KIND + spec.kind}) for place in places]
    return asked


def row_words(row: Example) -> frozenset[str]:
    """Words of the row's own texts and of its answer: the instruction is the same in all rows of a task."""
    own = " \n ".join(row.prompt[begin:end] for _, begin, end in row.values) or row.prompt
    return frozenset(_words(f"{own} \n {row.target}"))


def _words(text: str) -> list[str]:
    """Words of letters; of scripts without spaces every string of neighbours, see `_whole`."""
    pieces = tokens(text)
    single = [bool(_SPACELESS.match(piece)) for piece in pieces]
    plain = [
        piece
        for piece, spaceless in zip(pieces, single, strict=True)
        if not spaceless and SHORTEST <= len(piece) <= LONGEST and _WORDS.fullmatch(piece)
    ]
    for spaceless, run in groupby(zip(single, pieces, strict=True), key=lambda pair: pair[0]):
        joined = "".join(piece for _, piece in run) if spaceless else ""
        for size in range(2, MOST_NEIGHBOURS + 1):
            plain += [joined[i : i + size] for i in range(len(joined) - size + 1)]
    return plain


def _most_changed(found: Evidence, skill: str, asked: dict[str, list[_Asked]]) -> list[_Asked]:
    """Rows of the tasks that the skill surely does something to, and not little; the most changed ones."""
    sure = found.skills.worse[skill] | found.skills.better[skill]
    sure &= found.skills.value[skill].abs() >= found.least
    changed: list[tuple[float, _Asked]] = []
    for task in sure.index[sure]:
        changes = found.row_changes["skills"].at[task, skill] or []
        pairs = zip(changes, asked.get(task, []), strict=False)
        changed += [
            (abs(change), row) for change, row in pairs if math.isfinite(change) and abs(change) > NOTICEABLE
        ]
    return [row for _, row in sorted(changed, key=lambda pair: -pair[0])[:ROWS]]


def _telling(chosen: list[_Asked], everywhere: Counter[str], total: int) -> list[str]:
    """Words in more of the chosen rows than chance allows, the most telling first, of like ones the longest."""
    counts = Counter(word for row in chosen for word in row.found)
    tried = _whole({word: count for word, count in counts.items() if count >= FEWEST_WITH})
    # what most rows have tells nothing
    tried = {word: n for word, n in tried.items() if 2 * everywhere[word] <= total}
    chance = {
        word: float(stats.hypergeom.sf(count - 1, total, everywhere[word], len(chosen))) * len(tried)
        for word, count in tried.items()
    }
    return sorted(
        (word for word in tried if chance[word] <= CHANCE), key=lambda word: (chance[word], -len(word), word)
    )


def _whole(counts: dict[str, int]) -> dict[str, int]:
    """Without those strings that stand in no more rows than a longer one around them: where no spaces tell words
    apart, the longest string that the rows have in common is told, and not its pieces."""
    inner = {
        piece for word, n in counts.items() for piece in (word[1:], word[:-1])
        if _SPACELESS.match(word) and counts.get(piece) == n
    }  # fmt: skip
    return {word: n for word, n in counts.items() if word not in inner}


def _fitting(words: list[str]) -> list[str]:
    kept: list[str] = []
    for word in words:
        apart = not any(word in known or known in word or _overlap(word, known) for known in kept)
        if apart and len(kept) < MOST_WORDS and len(" / ".join([*kept, word])) <= MOST_LETTERS:
            kept.append(word)
    return kept


def _overlap(word: str, known: str) -> bool:
    """Whether two strings of a script without spaces are cut from one place."""
    return bool(_SPACELESS.match(word) and set(pairwise(word)) & set(pairwise(known)))

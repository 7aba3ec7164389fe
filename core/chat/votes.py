"""Which of two or three answers people prefer: votes of a project, and what they add up to. Torch-free.

<project>/votes.jsonl: {"time", "task", "question", "sides", "winner", "blind"} a line; only ever appended.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations

from core.base.errors import WorkspaceError
from core.base.lines import append_records, whole_lines
from core.base.records import from_record
from core.workspace import Project

TIE = ""
_BOTH_RARE = 200  # characters of a question that are kept


@dataclass(frozen=True)
class Vote:
    """sides: labels of the answers in the order they stood; winner: one of them, or TIE. blind: whether the labels
    were hidden until the vote."""

    task: str
    question: str
    sides: tuple[str, ...]
    winner: str
    blind: bool = False
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Duel:
    """Two sides against each other: votes for each, ties (a third side's wins do not count), and the two-sided
    p-value of the sign test: how often chance alone decides so unevenly."""

    first: str
    second: str
    first_wins: int
    second_wins: int
    ties: int
    p: float


def add_vote(project: Project, vote: Vote) -> None:
    """Appends one vote.

    Raises:
        WorkspaceError: the disk is full or read-only.
    """
    record = {**asdict(vote), "question": vote.question[:_BOTH_RARE]}
    append_records(project.path / "votes.jsonl", [record])


def read_votes(project: Project) -> list[Vote]:
    """All votes, oldest first; a line that a crash cut off is left out."""
    votes = []
    for line in whole_lines(project.path / "votes.jsonl"):
        try:
            votes.append(from_record(Vote, json.loads(line), "votes.jsonl"))
        except (ValueError, WorkspaceError):
            continue
    return votes


def tally(votes: Sequence[Vote]) -> list[Duel]:
    """One entry a pair of sides that stood beside each other, most votes first."""
    pairs: dict[tuple[str, str], Counter[str]] = {}
    for vote in votes:
        for pair in combinations(sorted(set(vote.sides)), 2):
            counts = pairs.setdefault((pair[0], pair[1]), Counter())
            if vote.winner == TIE or vote.winner in pair:
                counts[vote.winner] += 1
    duels = [
        Duel(first, second, counts[first], counts[second], counts[TIE], sign_test(counts[first], counts[second]))
        for (first, second), counts in pairs.items()
    ]
    return sorted(duels, key=lambda duel: -(duel.first_wins + duel.second_wins + duel.ties))


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p-value of a fair coin; ties are left out."""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0

"""Votes are kept, counted by pairs of sides, and judged by the sign test."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.chat.votes import TIE, Vote, add_vote, read_votes, sign_test, tally
from core.workspace import Workspace


def test_votes_add_up_by_pairs(tmp_path: Path) -> None:
    project = Workspace(tmp_path).create_project("Desk")
    for winner in ("tuned", "tuned", "base", TIE, "other"):
        add_vote(project, Vote("mails", "q" * 900, ("tuned", "base", "other"), winner, True))
    add_vote(project, Vote("mails", "问题", ("tuned", "base"), "tuned"))
    with open(project.path / "votes.jsonl", "a", encoding="utf-8") as file:
        file.write('{"task": "cut of')
    votes = read_votes(project)
    assert len(votes) == 6
    assert len(votes[0].question) == 200
    duels = {(d.first, d.second): (d.first_wins, d.second_wins, d.ties) for d in tally(votes)}
    assert duels == {("base", "tuned"): (1, 3, 1), ("base", "other"): (1, 1, 1), ("other", "tuned"): (1, 2, 1)}


@pytest.mark.parametrize(("wins", "losses", "p"), [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 0.03125), (9, 1, 0.021484375)])
def test_the_sign_test(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p)

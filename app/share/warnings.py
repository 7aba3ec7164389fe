"""What whoever gets the model should know before it leaves: tasks that are not ready, and what it forgot."""

from __future__ import annotations

from pathlib import Path

from app.drawing.markup import bullets
from app.texts import say, word_error
from core.base.errors import RunError
from core.insight.forgotten import describe_warning, read_forgetting
from core.insight.verdict_rules import BROKEN
from core.insight.verdicts import describe_unready, read_verdicts
from core.messages import Sentence

MOST = 4  # tasks by name; Results has them all


def warnings_view(run_dir: Path) -> str:
    """The same sentences as on Results; nothing where all is well."""
    found = read_forgetting(run_dir)
    forgot = [("warn", word_error(one.key, one.values)[0]) for one in (describe_warning(found) if found else [])]
    said = [*_verdicts(run_dir), *forgot]
    return bullets(said) if said else ""


def _verdicts(run_dir: Path) -> list[tuple[str, str]]:
    try:
        verdicts = read_verdicts(run_dir)
    except RunError as error:  # no exam: nobody knows what it can do
        return [("warn", word_error(error.key, error.values)[0])]
    unready = describe_unready(verdicts)
    said = [(_tone(one), word_error(one.key, one.values)[0]) for one in unready[:MOST]]
    left = len(unready) - MOST
    return [*said, ("warn", say("share.more_unready", n=left))] if left > 0 else said


def _tone(said: Sentence) -> str:
    return "bad" if said.values["verdict"] == Sentence(f"verdict.{BROKEN}") else "warn"

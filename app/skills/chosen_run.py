"""What the chosen run has to show of its skills."""

from __future__ import annotations

from app.drawing.markup import paragraphs
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import word_sentence
from core.insight.allocation import Allocation, read_allocation
from core.insight.contribution_table import Contributions, read_contributions
from core.insight.evidence import Evidence, read_evidence
from core.messages import Sentence
from core.runs.folder import RunFolder


def find_allocation(context: Context, selection: Selection) -> Allocation | None:
    """The allocation of the chosen run, None while it has none."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not RunFolder(run_dir).allocation_path.is_file():
        return None
    return read_allocation(run_dir)


def find_evidence(context: Context, selection: Selection) -> Evidence | None:
    run_dir = context.run_dir(selection)
    return read_evidence(run_dir) if run_dir is not None else None


def find_contributions(context: Context, selection: Selection) -> Contributions | None:
    run_dir = context.run_dir(selection)
    return read_contributions(run_dir) if run_dir is not None else None


def has_ended(context: Context, selection: Selection) -> bool:
    """Whether the chosen run has all that it measures by itself."""
    run_dir = context.run_dir(selection)
    return run_dir is not None and RunFolder(run_dir).done_path.exists()


def has_check_rows(context: Context, selection: Selection) -> bool:
    """Whether there is anything to measure on; of records that do not say so, it is assumed."""
    run_dir = context.run_dir(selection)
    records = RunFolder(run_dir).read_task_records() if run_dir is not None else []
    return any(record.get("num_validation", 1) for record in records)


def why_unmeasured(context: Context, selection: Selection) -> str:
    """Key of why nothing is measured of the chosen run's skills: it never will be, will be, or can be."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not has_check_rows(context, selection):
        return "skills.evidence_no_rows"
    if not has_ended(context, selection):
        return "skills.evidence_waits" if RunFolder(run_dir).read_config().weigh_skills else "skills.evidence_off"
    return "skills.evidence_missing" if context.trained_run(selection) else "skills.evidence_untrained"


def word_all(sentences: list[Sentence]) -> str:
    return paragraphs(word_sentence(s.key, s.values) for s in sentences)

"""What speaks against a plan, as `ready` and `train` print it."""

from __future__ import annotations

import shlex
from typing import Any


def problem_lines(report: Any) -> list[str]:
    """Each problem with what to type against it."""
    lines = []
    for problem, fixes in zip(report.problems, report.fixes, strict=True):
        mark = "error" if problem.severity == "error" else "note"
        lines.append(f"- {mark}: {problem.message} {problem.hint}".rstrip())
        lines += [f"    {_fix_line(fix)}" for fix in fixes if fix.changes]
    return lines


def _fix_line(fix: Any) -> str:
    """The remedy as it is typed, what it does, and its price: `--set max_tokens=768   # Allow 768 (+40 %)`."""
    words = " ".join(f"--set {shlex.quote(text)}" for text in fix.assignments)
    price = f" ({fix.price} time)" if fix.price else ""
    return f"{words}   # {fix.as_dict()['message']}{price}"

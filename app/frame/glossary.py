"""The words of the workbench, each in one sentence, with the expert's term in brackets."""

from __future__ import annotations

from app.drawing.markup import esc
from app.texts import say

WORDS = (
    "project",
    "task",
    "example",
    "answer",
    "base_model",
    "skill",
    "common_skill",
    "private_skill",
    "even_share",
    "practice_set",
    "check_set",
    "final_exam",
    "pass",
    "stage",
    "loss",
    "overfit",
    "cut",
    "score",
    "interval",
    "adapter",
)


def glossary_view() -> str:
    """A list of terms; the key of a term is `term.<name>` with its meaning under `meaning.<name>`."""
    items = "".join(f"<dt>{esc(say(f'term.{name}'))}</dt><dd>{esc(say(f'meaning.{name}'))}</dd>" for name in WORDS)
    return f'<dl class="terms">{items}</dl>'

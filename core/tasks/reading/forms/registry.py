"""Forms of data sets that are unfolded into rows with an input and an answer: one file and one line each."""

from __future__ import annotations

from dataclasses import replace

from core.base.registry import Registry
from core.tasks.reading.forms import (
    alternating,
    category_flags,
    choices,
    conversation,
    earlier_turns,
    instruction,
    judged,
    label_studio,
    marked_text,
    preference,
    prompt_completion,
    spans,
    squad,
    tagged_tokens,
    utterances,
)
from core.tasks.reading.forms.base import Form
from core.tasks.reading.forms.nested import tell_nested
from core.tasks.reading.table import ProblemLog, Table

FORMS: Registry[Form] = Registry("form of data set")
# In this order: what comes first would be taken for one of the later ones.
for _form in (
    label_studio.FORM,
    squad.FORM,
    preference.FORM,
    prompt_completion.FORM,
    earlier_turns.FORM,
    judged.FORM,
    conversation.FORM,
    alternating.FORM,
    marked_text.FORM,
    spans.FORM,
    tagged_tokens.FORM,
    utterances.FORM,
    choices.FORM,
    category_flags.FORM,
    instruction.FORM,
):
    FORMS.register(_form.name, _form)


def unfold_forms(table: Table) -> Table:
    """The table with every known form in it unfolded; nested values that are left are told.

    Raises:
        TaskFileError: a form that is known, in a file that cannot be used.
    """
    log = ProblemLog(table.name, list(table.problems))
    for form in FORMS:
        found = form.find(table)
        if found is not None:
            table = form.unfold(table, found, log)
    tell_nested(table, log)
    return replace(table, problems=log.finish())

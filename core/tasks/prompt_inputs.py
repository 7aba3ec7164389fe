"""From a rendered prompt back to the input columns it was made of: the inverse of `render_prompt`."""

from __future__ import annotations

import re

from core.tasks.dataset import SYSTEM_END
from core.tasks.spec import TaskSpec
from core.tasks.templates import INSTRUCTION, PLACEHOLDER


def input_texts(spec: TaskSpec, prompt: str) -> list[str]:
    """The texts of the columns in the prompt, by whichever of the task's templates fits; the whole prompt, without
    its system part, where none does."""
    text = prompt.partition(SYSTEM_END)[2] if spec.system and SYSTEM_END in prompt else prompt
    for template in (spec.template, *spec.templates):
        match = _pattern(template, spec).fullmatch(text)
        if match and match.groups():
            return list(match.groups())
    return [text]


def _pattern(template: str, spec: TaskSpec) -> re.Pattern[str]:
    parts, end = [], 0
    for found in PLACEHOLDER.finditer(template):
        parts.append(re.escape(template[end : found.start()]))
        name, end = found.group(1), found.end()
        if name is None:
            parts.append(re.escape(found.group(0)[0]))
        elif name == INSTRUCTION and INSTRUCTION not in spec.columns:
            parts.append(re.escape(spec.instruction))
        elif spec.columns and name not in spec.columns:
            parts.append(re.escape(found.group(0)))  # rendering leaves it as it is
        else:
            parts.append("(.*?)")
    return re.compile(f"\\s*{''.join([*parts, re.escape(template[end:])])}\\s*", re.DOTALL)

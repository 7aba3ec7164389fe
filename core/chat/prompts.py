"""The prompt of a question, built exactly as training built it from a row: same template, same instruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.base.errors import RunError
from core.tasks.dataset import SYSTEM_END, render_prompt
from core.tasks.encoding import Message, encode_prompt
from core.tasks.spec import TaskSpec


def build_prompt(task: TaskSpec, content: str | Mapping[str, str]) -> str:
    """The prompt for a text (a task with one input column) or for texts by column; a column may be blank.

    Raises:
        RunError: the task has several input columns and not all of them are given.
    """
    if isinstance(content, str):
        content = {task.inputs[0]: content} if len(task.inputs) == 1 else {}
    missing = [name for name in task.inputs if name not in content]
    if missing:
        raise RunError("serving.missing_input", task=task.name, columns=", ".join(missing))
    return render_prompt(task, dict(content))


def with_examples(
    tokenizer: Any, prompt: str, examples: Sequence[tuple[str, str]], architecture: str, room: int
) -> str | list[Message]:
    """The prompt behind as many answered examples as fit into `room` tokens uncut, the most similar next to it.

    Without examples it is the prompt itself, as in training.
    """
    system, mark, question = prompt.partition(SYSTEM_END)
    first: list[Message] = [{"role": "system", "content": system}] if mark else []
    chosen = list(examples)
    while chosen:
        turns = [turn for shown, answer in reversed(chosen) for turn in _turns(shown, answer)]
        messages = [*first, *turns, {"role": "user", "content": question if mark else prompt}]
        if not encode_prompt(tokenizer, messages, architecture, room).num_cut:
            return messages
        chosen.pop()
    return prompt


def _turns(prompt: str, answer: str) -> list[Message]:
    _, mark, question = prompt.partition(SYSTEM_END)
    user: Message = {"role": "user", "content": question if mark else prompt}
    return [user, {"role": "assistant", "content": answer}]

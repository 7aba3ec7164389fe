"""A yardstick whose answers another model gives, one by one; the key never leaves `other_model`. Torch-free."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from core.chat.other_model import Endpoint, ask_other
from core.insight.yardstick import ENDPOINT, ExamQuestion, Reply, Yardstick, add_replies, create_yardstick


def ask_yardstick(
    run_dir: Path,
    endpoint: Endpoint,
    questions: Sequence[ExamQuestion],
    name: str = "",
    prices: tuple[float | None, float | None] = (None, None),
    stop: threading.Event | None = None,
) -> Iterator[Yardstick]:
    """The yardstick as it grows, after every answer; `stop`, or closing the iterator, keeps what there is.

    Args:
        prices: of a million tokens read and written, None where the user does not say.

    Raises:
        RunError: the server cannot be reached, refuses, or answers in another form.
    """
    known = {"model": endpoint.model, "host": endpoint.host, "price_in": prices[0], "price_out": prices[1]}
    made = create_yardstick(run_dir, name or endpoint.model, ENDPOINT, **known)
    with closing(ask_other(endpoint, [q.prompt for q in questions], stop)) as answers:
        for place, found in answers:
            asked = questions[place]
            made = replace(
                made,
                seconds=made.seconds + found.seconds,
                prompt_tokens=made.prompt_tokens + found.prompt_tokens,
                answer_tokens=made.answer_tokens + found.answer_tokens,
            )
            made = add_replies(run_dir, made, [Reply(asked.task_index, asked.row, found.text)])
            yield made

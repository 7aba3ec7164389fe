"""Refining an answer with retrieved examples: answer, look up similar practice rows, answer again. Torch-free.

The iterative refinement of JiuZhang 2.0 (Zhao et al., arXiv 2306.11027) without its separate solvers: the question
and the last answer find examples, which stand in front of the question in the next round. It stops when the answer
is valid (of the form that this task's answers have), stable (the same as the round before), or at the maximum of
rounds. A valid first answer ends it at once, as plain answering would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence

from core.chat.detecting import question_text
from core.chat.protocol import DONE, VERSION, ChatEvent, ChatRequest
from core.chat.retrieving import load_index
from core.evaluation.normalise import items, label_items, plain
from core.evaluation.numerals import last_quantity
from core.tasks.dataset import Example
from core.tasks.spec import TaskSpec

NUM_EXAMPLES = 4
VALID, STABLE, MAXIMUM, NO_EXAMPLES = "valid", "stable", "maximum", "no_examples"
_HOLDS = 0.95  # share of practice answers that must obey a rule before answers are judged by it

Rule = Callable[[str, str], bool]  # (question, answer) -> whether the answer has the form
Stream = Callable[[ChatRequest], Generator[ChatEvent, None, None]]


def refine(request: ChatRequest, stream: Stream) -> Generator[ChatEvent, None, None]:
    """The events of all rounds: each ends with a "version", the last one is followed by "done".

    Raises (as the stream's error event): what a plain answer would.
    """
    spec, index = load_index(request.run_dir, request.task)
    question = question_of(request)
    rule, previous, seconds, tokens = build_rule(spec, index.rows), None, 0.0, 0
    asked = dataclasses.replace(request, refine=0)
    for number in range(request.refine + 1):
        done: ChatEvent | None = None
        for event in stream(asked):
            if event.kind == DONE:
                done = event
            else:
                yield event
        if done is None:
            return  # an error event ended the stream
        seconds, tokens = seconds + done.seconds, tokens + done.tokens
        valid = rule(question, done.text) if rule else None
        # The answer helps to find examples: a first guess names what the question only hints at.
        found = index.find(question, done.text, NUM_EXAMPLES)
        reason = _reason(done, valid, previous, number == request.refine, bool(found))
        shown = [{"prompt": p, "answer": a} for p, a in asked.examples]
        yield ChatEvent(VERSION, done.text, values={"round": number, "valid": valid, "examples": shown})
        if reason:
            ended = {"reason": reason, "rounds": number, "valid": valid}
            yield dataclasses.replace(done, seconds=round(seconds, 3), tokens=tokens, values=ended)
            return
        previous = done.text
        asked = dataclasses.replace(asked, examples=tuple((row.prompt, row.target) for row in found))


def _reason(done: ChatEvent, valid: bool | None, previous: str | None, is_last: bool, has_examples: bool) -> str:
    """Why the loop ends here; "" when it goes on."""
    if valid:
        return VALID
    if previous is not None and plain(previous) == plain(done.text):
        return STABLE
    if is_last or done.stopped:
        return MAXIMUM
    return "" if has_examples else NO_EXAMPLES


def question_of(request: ChatRequest) -> str:
    content = request.require_input()
    return content if isinstance(content, str) else "\n".join(content.values())


def build_rule(spec: TaskSpec, rows: Sequence[Example]) -> Rule | None:
    """What a valid answer of the task looks like; None where its practice answers follow no rule (free text), so
    that only stability or the maximum can end the loop.
    """
    rule = _rule_of_kind(spec, rows)
    if rule is None or not rows:
        return None
    holds = sum(rule(question_text(spec, row.prompt), row.target) for row in rows) / len(rows)
    return rule if holds >= _HOLDS else None


def _rule_of_kind(spec: TaskSpec, rows: Sequence[Example]) -> Rule | None:
    if spec.kind == "classification":
        labels = {plain(row.target) for row in rows}
        return lambda question, answer: plain(answer) in labels
    if spec.kind == "multilabel":
        known = {label for row in rows for label in label_items(row.target)}
        return lambda question, answer: bool(answer.strip()) and set(label_items(answer)) <= known
    if spec.kind == "number":
        return lambda question, answer: last_quantity(answer) is not None
    if spec.kind in ("extraction", "question_answering"):
        return _stands_in_question
    return None


def _stands_in_question(question: str, answer: str) -> bool:
    """Every item of the answer (the value, of "slot: value") stands in the question; "none" is an answer too."""
    text = plain(question)
    values = [item.split(_sign_of(item), 1)[-1] for item in items(answer)]
    return bool(answer.strip()) and all(plain(value) in text for value in values)


def _sign_of(item: str) -> str:
    return next((sign for sign in (":", "=", "：") if sign in item), "\0")

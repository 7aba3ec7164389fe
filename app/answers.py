"""Questions and answers of the Try it screen as plain data and escaped HTML."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from app.markup import bar, esc
from app.texts import say, word_error, word_skills
from core.serving.protocol import DELTA, DONE, ERROR, PHASE, ChatEvent

MOST_EXCHANGES = 12
MOST_SKILLS = 12


@dataclass(frozen=True)
class Answer:
    """One model's answer while it grows. `done` describes it at the end; `error` is a worded message."""

    side: str  # "tuned" or "base"
    text: str = ""
    phase: str = "starting"
    done: ChatEvent | None = None
    error: str = ""

    def after(self, event: ChatEvent, language: str) -> Answer:
        """The answer after one more event."""
        if event.kind == PHASE:
            return dataclasses.replace(self, phase=event.text)
        if event.kind == DELTA:
            return dataclasses.replace(self, text=self.text + event.text, phase="answering")
        if event.kind == ERROR:
            return dataclasses.replace(
                self, error=" ".join(p for p in word_error(language, event.key, event.values) if p)
            )
        return dataclasses.replace(self, text=event.text, done=event) if event.kind == DONE else self


@dataclass(frozen=True)
class Exchange:
    """One question with its answers, and the task it was asked as."""

    task: str
    question: str
    answers: tuple[Answer, ...] = field(default_factory=tuple)

    def with_answer(self, place: int, answer: Answer) -> Exchange:
        return dataclasses.replace(self, answers=(*self.answers[:place], answer, *self.answers[place + 1 :]))


def exchange_view(exchange: Exchange, language: str) -> str:
    columns = "".join(answer_view(answer, language) for answer in exchange.answers)
    task = f'<span class="badge">{esc(exchange.task)}</span> '
    question = f'<div class="question">{task}{esc(exchange.question)}</div>'
    return f'<div class="exchange">{question}<div class="answers">{columns}</div></div>'


def answer_view(answer: Answer, language: str) -> str:
    """The answer's text; under it the skills it used, tokens, time and seed."""
    title = f"<h4>{esc(say(language, f'try.{answer.side}'))}</h4>"
    if answer.error:
        body = f'<div class="text down">{esc(answer.error)}</div>'
    elif answer.done is None:
        waiting = (
            "" if answer.text else f'<span class="dim">{esc(say(language, f"try.phase_{answer.phase}"))}</span>'
        )
        body = f'<div class="text caret">{esc(answer.text)}{waiting}</div>'
    else:
        text = (
            esc(answer.text)
            if answer.text.strip()
            else f'<span class="dim">{esc(say(language, "try.no_text"))}</span>'
        )
        body = f'<div class="text">{text}</div>{_skills(answer.done, language)}{_foot(answer.done, language)}'
    return f'<div class="answer {esc(answer.side)}" data-done="{int(answer.done is not None)}">{title}{body}</div>'


def _skills(done: ChatEvent, language: str) -> str:
    if not done.weights:
        return ""
    top = sorted(done.weights, key=lambda w: -abs(w.weight))[:MOST_SKILLS]
    rows = ""
    for w in top:
        name = word_skills(language, w.name)
        tone = "" if w.kind == "common" else "busy"
        rows += f'<span>{esc(name)}</span>{bar(abs(w.weight), tone, name)}<span class="n">{w.weight:.2f}</span>'
    return f'<div class="skills" aria-label="{esc(say(language, "try.skills"))}">{rows}</div>'


def _foot(done: ChatEvent, language: str) -> str:
    said = say(language, "try.foot", tokens=done.tokens, seconds=f"{done.seconds:.1f}", seed=done.seed)
    extras = [say(language, f"try.{name}") for name in ("stopped", "limited") if getattr(done, name)]
    if done.num_cut:
        extras.append(say(language, "try.cut", n=done.num_cut))
    return f'<div class="foot">{esc(" · ".join([said, *extras]))}</div>'


def question_text(columns: list[str], values: list[Any]) -> str | dict[str, str]:
    """What is sent: the text of a task with one input, else the texts by column."""
    texts = [str(v or "") for v in values[: len(columns)]]
    return texts[0] if len(columns) <= 1 else dict(zip(columns, texts, strict=True))

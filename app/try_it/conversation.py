"""Questions and answers of the Try it screen as plain data: what was asked, who answers, what has come so far."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from app.texts import say, word_whole
from core.chat.protocol import DELTA, DONE, ERROR, FREE, PHASE, VERSION, ChatEvent
from core.chat.routing import BY_TEXT
from core.evaluation.metrics import values_of_rows
from core.insight.results import RIGHT
from core.messages import Sentence
from core.tasks.spec import LABELLED

MOST_EXCHANGES = 30
TUNED, BASE, RUN, TASK, NOBODY = "tuned", "base", "run", "task", "nobody"


@dataclass(frozen=True)
class Asking:
    """What the fields of the screen say: task (or AUTO), a choice a column, settings, blind or not, and how a task
    is found (`core.chat.routing.WAYS`)."""

    task: str
    choices: tuple[str, ...]
    settings: dict[str, Any]
    blind: bool
    way: str = BY_TEXT


@dataclass(frozen=True)
class Side:
    """Who answers in a column: a run as one of its tasks, tuned or not. `probability`: of a detected task; `blend`:
    the tasks whose skills are mixed because the text may belong to any of them, with their shares; `unready`: the
    run's verdict on the task and its reason, where it is not yet fit for use."""

    kind: str
    run_id: str
    run_name: str
    task: str
    probability: float | None = None
    blend: tuple[tuple[str, float], ...] = ()
    unready: tuple[Sentence, Sentence] | None = None

    def title(self) -> str:
        if self.kind == RUN:
            return self.run_name
        return say(f"try.{self.kind}_title", task=self.task)

    @property
    def vote_label(self) -> str:
        """Its name in the list of votes: the same for every question to it."""
        return {BASE: "base", TASK: f"{self.run_name} [{self.task}]"}.get(self.kind, self.run_name)


@dataclass(frozen=True)
class Version:
    """One round of a refined answer. `examples` are the (question, answer) pairs it was shown."""

    text: str
    valid: bool | None
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Corrected:
    """What a person said the answer should have been, the task whose rows say so now, with how many practice rows,
    and how: see `Correction` of the core."""

    text: str
    task_id: str
    task: str
    rows: int
    how: str = "added"


@dataclass(frozen=True)
class Answer:
    """One answer while it grows. `done` describes it at the end; `error` is a worded message."""

    side: Side
    text: str = ""
    phase: str = "starting"
    replaced: bool = False
    done: ChatEvent | None = None
    error: str = ""
    versions: tuple[Version, ...] = ()
    temperature: float = 0.0
    corrected: Corrected | None = None

    @property
    def is_over(self) -> bool:
        return self.done is not None or bool(self.error)

    def after(self, event: ChatEvent) -> Answer:
        """The answer after one more event."""
        if event.kind == PHASE:
            again = event.text == "replaced"
            return dataclasses.replace(
                self, phase=event.text, replaced=self.replaced or again, text="" if again else self.text
            )
        if event.kind == DELTA:
            return dataclasses.replace(self, text=self.text + event.text, phase="answering")
        if event.kind == VERSION:
            shown = tuple((e["prompt"], e["answer"]) for e in event.values["examples"])
            version = Version(event.text, event.values["valid"], shown)
            return dataclasses.replace(self, text="", phase="refining", versions=(*self.versions, version))
        if event.kind == ERROR:
            worded = word_whole(event.key, event.values)
            return dataclasses.replace(self, error=worded)
        return dataclasses.replace(self, text=event.text, done=event) if event.kind == DONE else self


@dataclass(frozen=True)
class Exchange:
    """One question with its answers. `expected` is the right answer of an exam question, `blind` hides who answered
    until `vote` (a place, or -1 for "alike") is given. `settings` are those of the requests, `asking` is what the
    fields said, `offered` the tasks that it may be asked as instead. `foreign`, 0..1: how much the text reads like
    none of the run's tasks. `kind` and `metric` are those of the task."""

    key: str
    task: str
    content: str | dict[str, str]
    answers: tuple[Answer, ...] = field(default_factory=tuple)
    expected: str = ""
    blind: bool = False
    vote: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    asking: Asking | None = None
    offered: tuple[str, ...] = ()
    foreign: float = 0.0
    kind: str = ""
    metric: str = ""

    @property
    def is_foreign(self) -> bool:
        return self.foreign > 0.5

    @property
    def is_refused(self) -> bool:
        """Nobody answers: the text is of none of the tasks, and no task was chosen."""
        return self.is_foreign and not self.answers

    @property
    def chooses_labels(self) -> bool:
        return self.kind in LABELLED and self.settings.get("answers") != FREE

    @property
    def question(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(f"{name}: {text}" for name, text in self.content.items())

    @property
    def is_hidden(self) -> bool:
        return self.blind and self.vote is None

    @property
    def can_vote(self) -> bool:
        """There are two answers at least, and nobody writes any more; errors are no answers."""
        given = sum(answer.done is not None for answer in self.answers)
        return given > 1 and self.vote is None and all(answer.is_over for answer in self.answers)

    def right_share(self, place: int) -> float | None:
        """How right an answer to an exam question is, 0..1, by the task's metric; None for other questions."""
        answer = self.answers[place]
        if not self.expected or answer.done is None:
            return None
        value = values_of_rows(self.metric, [answer.text], [self.expected])[0]
        return 1.0 if value >= RIGHT else value

    def with_answer(self, place: int, answer: Answer) -> Exchange:
        return dataclasses.replace(self, answers=(*self.answers[:place], answer, *self.answers[place + 1 :]))


def find_exchange(asked: list[Exchange], key: str) -> int | None:
    return next((place for place, exchange in enumerate(asked) if exchange.key == key), None)


def question_text(columns: list[str], values: list[Any]) -> str | dict[str, str]:
    """What is sent: the text of a task with one input, else the texts by column."""
    texts = [str(v or "") for v in values[: len(columns)]]
    return texts[0] if len(columns) <= 1 else dict(zip(columns, texts, strict=True))


def to_json(asked: list[Exchange]) -> str:
    """The conversation for programs, oldest first."""
    records = [
        {
            "task": e.task,
            "question": e.content,
            "expected": e.expected or None,
            "settings": e.settings,
            "foreign": e.foreign,
            "blind": e.blind,
            "vote": None if e.vote is None else _voted(e),
            "answers": [
                {
                    "who": a.side.vote_label,
                    "run_id": a.side.run_id,
                    "task": a.side.task,
                    "probability": a.side.probability,
                    "blend": dict(a.side.blend) or None,
                    "text": a.text,
                    "error": a.error or None,
                    "right": e.right_share(place),
                    "corrected": a.corrected.text if a.corrected else None,
                    "versions": [v.text for v in a.versions],
                    **_numbers(a.done),
                }
                for place, a in enumerate(e.answers)
            ],
        }
        for e in reversed(asked)
    ]
    return json.dumps(records, ensure_ascii=False, indent=1)


def to_markdown(asked: list[Exchange]) -> str:
    """The conversation for people, oldest first."""
    parts = []
    for exchange in reversed(asked):
        parts.append(f"## {exchange.task}\n\n> " + exchange.question.replace("\n", "\n> "))
        for answer in exchange.answers:
            parts.append(f"**{answer.side.title()}**\n\n{answer.error or answer.text or '-'}")
        if exchange.is_refused:
            parts.append(say("try.none_fits"))
    return "\n\n".join(parts) + "\n"


def _voted(exchange: Exchange) -> str:
    return "alike" if exchange.vote == -1 else exchange.answers[exchange.vote or 0].side.vote_label


def _numbers(done: ChatEvent | None) -> dict[str, Any]:
    if done is None:
        return {}
    skills = {weight.name: weight.weight for weight in done.weights}
    return {
        "tokens": done.tokens,
        "seconds": done.seconds,
        "seed": done.seed,
        "stopped": done.stopped,
        "certainty": done.certainty,
        "ranking": dict(done.ranking) or None,
        "skills": skills,
    }

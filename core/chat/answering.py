"""The worker's side of a chat: open answers of any runs and tasks, written in batches, streamed as events.

Questions to the same run share forward passes whatever their tasks; groups of other runs, and of the untouched base
model, take turns token by token, so that several columns on a screen fill at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from core.chat.loading import LoadedRun, RunShelf
from core.chat.protocol import DELTA, DONE, PHASE, ChatEvent, ChatRequest, TokenScore
from core.chat.stop_words import StopWords
from core.chat.text_stream import TextStream
from core.evaluation.choosing import Given, LabelSet
from core.models.answer import END, LIMIT, STOPPED, Answer, Scored
from core.models.decoding import Batch, DecoderBatch
from core.runs.device_lease import DeviceLease, lease_holder

Say = Callable[[int, ChatEvent], None]
GroupKey = tuple[str, bool, str]  # run folder, tuned or not, precision
MAX_BATCH = 16
CARD, FIRST = "cuda", "cuda:0"  # a training takes the first card last


@dataclass
class Talk:
    """One open request: its answer, the text so far, and when it came (monotonic seconds)."""

    request: ChatRequest
    answer: Answer
    text: TextStream
    stops: StopWords
    num_cut: int
    began: float
    shown: str = ""
    prompt_scores: list[Scored] = field(default_factory=list)
    labels: LabelSet | None = None  # what the answer is chosen from; None: it is written
    given: Given | None = None
    first_s: float | None = None
    num_told: int = 0


@dataclass
class Group:
    """Open requests that can share forward passes: one run, tuned or not."""

    run: LoadedRun
    batch: Batch
    waiting: list[Talk] = field(default_factory=list)
    open: list[Talk] = field(default_factory=list)

    @property
    def talks(self) -> list[Talk]:
        return self.open + self.waiting


class Bench:
    """All open answers of this process. `say` sends an event of a request to its caller."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._shelf = RunShelf()
        self._groups: dict[GroupKey, Group] = {}
        self._leases: dict[Path, DeviceLease] = {}

    @property
    def is_idle(self) -> bool:
        return not self._groups

    def groups(self) -> list[GroupKey]:
        return list(self._groups)

    def begin(self, number: int, request: ChatRequest) -> None:
        """Opens a request: loads its run when needed and lines the question up.

        Raises:
            TaskloomError: the run has no model, the task is unknown, an input column is missing.
        """
        began = time.monotonic()
        self.yield_device()
        if not self._shelf.holds(request.run_dir, request.precision):
            self._say(number, ChatEvent(PHASE, "loading"))
        run = self._shelf.get(request.run_dir, request.precision)
        self._hold_device(run)
        if request.route:
            self._say(number, run.route(request))
            return
        answer, num_cut = run.build_answer(number, request)
        behind = answer.prompt[-1:] if request.raw is not None and run.base.architecture == "decoder" else []
        text, labels = TextStream(run.tokenizer, behind), run.labels_for(request, answer)
        talk = Talk(request, answer, text, StopWords(request.stop), num_cut, began, labels=labels)
        key = (request.run_dir, request.tuned, request.precision)
        if key not in self._groups:
            self._groups[key] = Group(run, run.build_batch(request.tuned))
        self._groups[key].waiting.append(talk)
        self._say(number, ChatEvent(PHASE, "reading"))

    def stop(self, numbers: Iterable[int]) -> None:
        """Ends answers where they are; their callers get `done` with what there is."""
        for group in self._groups.values():
            for talk in group.talks:
                if talk.answer.number in numbers and talk.answer.finished is None:
                    talk.answer.finished = STOPPED

    @torch.inference_mode()
    def work(self, key: GroupKey) -> None:
        """One token for every open answer of a group; questions that wait are let in first, and answers that are
        chosen among labels are given at once."""
        group = self._groups[key]
        self._settle(group)
        chosen = [talk for talk in group.waiting if talk.labels is not None][:MAX_BATCH]
        if chosen:
            _choose(group, chosen, tuned=key[1])
        elif group.waiting and group.batch.can_join() and len(group.open) < MAX_BATCH:
            admitted = group.waiting[: MAX_BATCH - len(group.open)]
            group.waiting = group.waiting[len(admitted) :]
            group.open += admitted
            self._admit(group.batch, admitted)
        elif group.open:
            group.batch.step()
        self._settle(group)
        if not group.talks:
            del self._groups[key]

    def _admit(self, batch: Batch, admitted: list[Talk]) -> None:
        for talk in admitted:
            if talk.request.echo and isinstance(batch, DecoderBatch):
                talk.prompt_scores = batch.score_prompt(talk.answer)
            if not talk.answer.max_new_tokens:
                talk.answer.finished = LIMIT
        writing = [talk.answer for talk in admitted if not talk.answer.finished]
        if writing:
            batch.add(writing)

    def drop(self, key: GroupKey, event: ChatEvent) -> None:
        """Ends all answers of a group with an error."""
        for talk in self._groups.pop(key).talks:
            self._say(talk.answer.number, event)

    def yield_device(self) -> None:
        """Lets go of the graphics card while no answer is being written on it: the lease at once, the memory when
        somebody else (a training, an exam) has taken the lease. The next question is then answered on the CPU."""
        busy = {group.run.folder.workspace_dir for group in self._groups.values() if group.run.device == CARD}
        for workspace in set(self._leases) - busy:
            self._leases.pop(workspace).release()
        if not busy and any(lease_holder(workspace, FIRST) for workspace in self._shelf.workspaces_on(CARD)):
            self._shelf.forget_device(CARD)

    def _hold_device(self, run: LoadedRun) -> None:
        """A training that starts meanwhile waits for the answers that are open, and no longer."""
        workspace = run.folder.workspace_dir
        if run.device == CARD and workspace not in self._leases:
            lease = DeviceLease(workspace, FIRST, "chat", run.folder.run_id, run.folder.read_run().get("name", ""))
            if lease.try_acquire():
                self._leases[workspace] = lease

    def _settle(self, group: Group) -> None:
        """Tells what is new, and closes the finished answers."""
        for talk in group.talks:
            new = talk.answer.tokens[talk.num_told :]
            talk.num_told += len(new)
            if new and talk.first_s is None:
                talk.first_s = time.monotonic() - talk.began
                self._say(talk.answer.number, ChatEvent(PHASE, "answering"))
            is_last = talk.answer.finished is not None
            text = talk.stops.push(talk.text.push(new, is_last), is_last)
            talk.shown += text
            if talk.stops.found:
                talk.answer.finished = END
            if text:
                self._say(talk.answer.number, ChatEvent(DELTA, text))
            if talk.answer.finished:
                self._finish(group.run, talk)
        group.batch.drop_finished()
        group.open = [talk for talk in group.open if not talk.answer.finished]
        group.waiting = [talk for talk in group.waiting if not talk.answer.finished]

    def _finish(self, run: LoadedRun, talk: Talk) -> None:
        answer = talk.answer
        self._say(
            answer.number,
            ChatEvent(
                DONE,
                talk.shown if talk.request.raw is not None else talk.shown.strip(),
                tokens=len(answer.tokens),
                seconds=round(time.monotonic() - talk.began, 3),
                first_s=None if talk.first_s is None else round(talk.first_s, 3),
                prompt_tokens=len(answer.prompt),
                num_cut=talk.num_cut,
                seed=answer.seed,
                stopped=answer.finished == STOPPED,
                limited=answer.finished == LIMIT,
                weights=run.skill_weights(answer.tasks) if talk.request.tuned else (),
                scores=_told(run.tokenizer, talk),
                certainty=talk.given.certainty if talk.given else None,
                ranking=talk.given.ranking if talk.given else (),
            ),
        )


def _told(tokenizer: Any, talk: Talk) -> tuple[TokenScore, ...]:
    """The scores of a request with its tokens as text. A token's text is what it adds behind the one before it,
    since many tokenizers write a token alone without the blank before it."""

    def text_of(token: int, before: int | None) -> str:
        if before is None:
            return str(tokenizer.decode([token]))
        known = str(tokenizer.decode([before]))
        return str(tokenizer.decode([before, token]))[len(known) :]

    found, before = [], None if talk.prompt_scores else talk.answer.prompt[-1]
    for number, scored in enumerate([*talk.prompt_scores, *talk.answer.scores]):
        likely = tuple((text_of(token, before), round(value, 5)) for token, value in scored.likely)
        logprob = None if scored.logprob is None else round(scored.logprob, 5)
        found.append(TokenScore(text_of(scored.token, before), logprob, likely, number < len(talk.prompt_scores)))
        before = scored.token
    return tuple(found)


def _choose(group: Group, talks: list[Talk], tuned: bool) -> None:
    """Gives the answers that are chosen among labels."""
    asked = [(talk.request, talk.answer, talk.labels) for talk in talks if talk.labels is not None]
    for talk, (_, answer, labels), given in zip(talks, asked, group.run.choose(asked, tuned), strict=True):
        talk.given = given
        answer.tokens, answer.finished = list(labels.ids[labels.names.index(given.text)][:-1]), END

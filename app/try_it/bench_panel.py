"""The answers on the Try it screen and what people do with them: correct, vote, ask again, save, see the tally."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from app.drawing.markup import esc, note, part, table
from app.shell.context import Context
from app.shell.notices import tell
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.stream_columns import stream_together
from app.texts import say
from app.try_it.answers import CLICKS, conversation_view, export_view, starters_view
from app.try_it.columns import ask_as, home_of, request_to, start_with, starters, with_untouched
from app.try_it.conversation import MOST_EXCHANGES, Answer, Exchange, find_exchange
from app.try_it.correction_panel import Correction
from core.chat.votes import TIE, Vote, add_vote, read_votes, tally

REDRAW_S = 0.1
LIVELY = 0.8  # temperature of a second try at an answer that was given at 0
# A click while an answer is written comes through: it is told that it is too early.
STREAMED = {"show_progress": "hidden", "concurrency_limit": 4, "trigger_mode": "multiple"}


@dataclass(frozen=True)
class Filling:
    """Which answers of which exchange are to be written, for which browser tab, with which settings changed, and
    what else the page shows from the start."""

    index: int
    places: tuple[int, ...]
    session: str
    changes: dict[str, Any] = field(default_factory=dict)
    begun: Shown = field(default_factory=dict)


class Bench:
    """The conversation, newest first (`asked` holds it), correcting an answer, files to save, the votes."""

    def __init__(self, context: Context) -> None:
        self.asked = gr.State([])
        self.correction = Correction(context)
        self.answers = gr.HTML(elem_id="try-answers", js_on_load=CLICKS)
        self.saves = gr.HTML(elem_id="try-saves")
        self.tally = gr.HTML(elem_id="try-tally")
        selection = context.selection
        moves = [selection, context.tabs]
        acted = [self.answers, self.asked, *self.correction.opened, *moves]
        clicked = context.on(self.answers.click, self.click, [selection, self.asked], acted)
        # A vote counts in the project of the run that answered; the tally is that of the project open by then.
        context.on(clicked.success, draw_tally, [selection], self.tally, show_progress="hidden")
        context.on(self.answers.click, self.again, [selection, self.asked], self.streamed, **STREAMED)
        self.correction.wire(context, self.asked, self.answers)
        context.on_selection(draw_tally, self.tally)

    @property
    def streamed(self) -> list[Any]:
        return [self.answers, self.asked, self.saves]

    def nothing(self) -> Shown:
        return {self.answers: "", self.asked: [], self.saves: ""}

    def shown(self, context: Context, selection: Selection, asked: list[Exchange]) -> Shown:
        """The conversation with its files; before it begins, questions to begin with."""
        if asked:
            return {self.answers: conversation_view(asked), self.asked: asked, self.saves: export_view(asked)}
        found = starters(context, selection)
        begin = starters_view([(spec.task_id, place, spec.name, text) for spec, place, text in found])
        return {**self.nothing(), self.answers: begin}

    def click(self, context: Context, selection: Selection, asked: list[Exchange], event: gr.EventData) -> Shown:
        """A button below an answer: a vote, the wish to correct it, or to see where a correction went."""
        clicked, index = event._data, find_exchange(asked, str(event._data.get("key")))
        act, place = clicked.get("act"), int(clicked.get("place") or 0)
        if index is None or act not in ("vote", "correct", "see") or not -1 <= place < len(asked[index].answers):
            return gr.skip()
        if act == "correct":
            return self.correction.open(context, selection, asked[index], place)
        if act == "see":
            return context.go_to(see_corrected(context, selection, asked[index].answers[place]), "tasks")
        voted = cast_vote(context, selection, asked[index], place)
        changed = [*asked[:index], voted, *asked[index + 1 :]]
        return {self.answers: conversation_view(changed), self.asked: changed}

    def again(
        self,
        context: Context,
        selection: Selection,
        asked: list[Exchange],
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[Shown]:
        """What brings a new answer: once more, as another task, beside the untouched model, a first question."""
        act, key, place = (event._data.get(name) for name in ("act", "key", "place"))
        index, session = find_exchange(asked, str(key)), str(request.session_hash)
        if act == "start":
            fresh = start_with(context, selection, str(key), int(place))
            yield from self.stream(context, selection, [fresh, *asked], Filling(0, places_of(fresh), session))
        elif act not in ("again", "ask_as", "compare") or index is None:
            yield gr.skip()
        elif act == "again":
            exchange, changes = once_more(asked[index], int(place))
            changed = [*asked[:index], exchange, *asked[index + 1 :]]
            filling = Filling(index, (int(place),), session, changes)
            yield from self.stream(context, selection, changed, filling)
        elif act == "ask_as":
            fresh = ask_as(context, selection, asked[index], int(place))
            changed = [fresh, *asked[:index], *asked[index + 1 :]]
            yield from self.stream(context, selection, changed, Filling(0, places_of(fresh), session))
        else:
            exchange = with_untouched(context, selection, asked[index])
            changed = [*asked[:index], exchange, *asked[index + 1 :]]
            added = places_of(exchange)[len(asked[index].answers) :]
            yield from self.stream(context, selection, changed, Filling(index, added, session))

    def stream(
        self, context: Context, selection: Selection, asked: list[Exchange], filling: Filling
    ) -> Iterator[Shown]:
        """Fills some answers of one exchange; the page is drawn at most ten times a second. Stop ends them where
        they are. While another question of the tab is being answered, it says so and leaves all as it is."""
        drawn, index = 0.0, filling.index
        requests = [request_to(context, selection, asked[index], p, **filling.changes) for p in filling.places]
        wish = context.stops.begin(filling.session)
        if wish is None:
            tell(say("try.busy"))
            yield gr.skip()
            return
        try:
            yield {self.answers: conversation_view(asked), **filling.begun}
            for batch in stream_together(context.chat, requests, wish):
                for number, event in batch:
                    place, exchange = filling.places[number], asked[index]
                    asked[index] = exchange.with_answer(place, exchange.answers[place].after(event))
                if time.monotonic() - drawn >= REDRAW_S:
                    drawn = time.monotonic()
                    yield {self.answers: conversation_view(asked)}
        finally:
            context.stops.end(filling.session)
        yield self.shown(context, selection, asked[:MOST_EXCHANGES])


def places_of(exchange: Exchange) -> tuple[int, ...]:
    return tuple(range(len(exchange.answers)))


def once_more(exchange: Exchange, place: int) -> tuple[Exchange, dict[str, Any]]:
    """-> the exchange with one answer empty, and the settings to write it with: another seed; the likeliest words
    are the same again, so it is livelier."""
    warm = exchange.settings["temperature"] or LIVELY
    emptied = {"text": "", "phase": "starting", "done": None, "error": "", "versions": (), "replaced": False}
    fresh = replace(exchange.answers[place], **emptied, temperature=warm)
    changes = {"seed": random.randrange(1, 10_000), "temperature": warm}
    return replace(exchange, vote=None).with_answer(place, fresh), changes


def cast_vote(context: Context, selection: Selection, exchange: Exchange, place: int) -> Exchange:
    """Writes a vote down in the project of the run that answered; the exchange then shows who was who. A second
    vote on the same answers is none.

    Raises:
        RunError: this run is gone.
    """
    if not exchange.can_vote:
        return exchange
    labels = tuple(answer.side.vote_label for answer in exchange.answers)
    winner = TIE if place < 0 else labels[place]
    vote = Vote(exchange.task, exchange.question, labels, winner, exchange.blind)
    home = home_of(context, selection, exchange.answers[0].side)
    add_vote(context.require_project(home), vote)
    return replace(exchange, vote=place)


def see_corrected(context: Context, selection: Selection, answer: Answer) -> Selection:
    """On the task that a correction went to, which may be another project's than the open one.

    Raises:
        RunError: the run that answered is gone with its project.
    """
    if answer.corrected is None:
        return selection
    project, task_id = context.project(selection), answer.corrected.task_id
    is_here = project is not None and (project.tasks_dir / task_id).is_dir()
    return (selection if is_here else home_of(context, selection, answer.side)).with_task(task_id)


def draw_tally(context: Context, selection: Selection) -> str:
    """Every pair of sides that stood beside each other: votes for each, and whether chance could do the same."""
    project = context.project(selection)
    duels = tally(read_votes(project)) if project else []
    if not duels:
        return ""
    headers = [say(f"try.tally_{name}") for name in ("first", "votes", "second", "alike", "verdict")]
    rows = [
        [
            esc(_named(duel.first)),
            f"{duel.first_wins} : {duel.second_wins}",
            esc(_named(duel.second)),
            str(duel.ties),
            esc(say("try.tally_sure" if duel.p < 0.05 else "try.tally_open", p=f"{duel.p:.2f}")),
        ]
        for duel in duels
    ]
    about = note(say("try.tally_note"))
    return part(say("try.tally")) + table(headers, rows, numeric=(1, 3)) + about


def _named(label: str) -> str:
    return say("try.base") if label == "base" else label

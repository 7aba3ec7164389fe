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
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.stream_columns import stream_together
from app.texts import say
from app.texts.words import Key
from app.try_it.answers import CLICKS, conversation_view, export_view
from app.try_it.columns import request_to
from app.try_it.conversation import MOST_EXCHANGES, Exchange, find_exchange
from core.base.errors import RunError
from core.chat.votes import TIE, Vote, add_vote, read_votes, tally
from core.tasks.changing.editing import CHAT
from core.tasks.changing.in_child import add_correction_in_child
from core.tasks.store import get_task

REDRAW_S = 0.1
LIVELY = 0.8  # temperature of a second try at an answer that was given at 0
STREAMED = {"show_progress": "hidden", "concurrency_limit": 4}


@dataclass(frozen=True)
class Filling:
    """Which answers of which exchange are to be written, for which browser tab, with which settings changed."""

    index: int
    places: tuple[int, ...]
    session: str
    changes: dict[str, Any] = field(default_factory=dict)


class Bench:
    """The conversation, newest first (`asked` holds it), a field to correct an answer, files to save, the votes."""

    def __init__(self, context: Context) -> None:
        self.asked, self.wanted = gr.State([]), gr.State(("", 0))
        self.answers = gr.HTML(elem_id="try-answers", js_on_load=CLICKS)
        self._build_correction(context)
        self.saves = gr.HTML(elem_id="try-saves")
        self.tally = gr.HTML(elem_id="try-tally")
        selection = context.selection
        acted = [self.answers, self.asked, self.panel, self.right, self.wanted, self.tally]
        context.on(self.answers.click, self.click, [selection, self.asked], acted)
        context.on(self.answers.click, self.again, [selection, self.asked], self.streamed, **STREAMED)
        context.on_selection(draw_tally, self.tally)

    @property
    def streamed(self) -> list[Any]:
        return [self.answers, self.asked, self.saves]

    def _build_correction(self, context: Context) -> None:
        """A field for the right answer, hidden until an answer is to be corrected."""
        words = context.words
        with gr.Column(visible=False, elem_id="try-correction", elem_classes="start-card") as self.panel:
            given = {"label": Key("try.right_answer"), "info": Key("try.right_answer_help"), "lines": 2}
            self.right = words(gr.Textbox, **given, elem_id="try-right", interactive=True)
            with gr.Row():
                given = {"variant": "primary", "min_width": 120}
                save = words(gr.Button, Key("try.save_right"), **given, elem_id="try-save-right")
                cancel = words(gr.Button, Key("try.cancel"), min_width=100)
        inputs = [context.selection, self.asked, self.wanted, self.right]
        context.on(save.click, self.save_correction, inputs, [context.selection, self.panel])
        context.on(cancel.click, lambda _: gr.update(visible=False), [], self.panel)

    def nothing(self) -> Shown:
        return {self.answers: "", self.asked: [], self.saves: ""}

    def shown(self, asked: list[Exchange]) -> Shown:
        """The conversation with its files."""
        return {self.answers: conversation_view(asked), self.asked: asked, self.saves: export_view(asked)}

    def click(self, context: Context, selection: Selection, asked: list[Exchange], event: gr.EventData) -> Shown:
        """A button below an answer: a vote, or the wish to correct it."""
        clicked, index = event._data, find_exchange(asked, str(event._data.get("key")))
        act, place = clicked.get("act"), int(clicked.get("place") or 0)
        if index is None or act not in ("vote", "correct") or not -1 <= place < len(asked[index].answers):
            return gr.skip()
        if act == "correct":
            exchange = asked[index]
            if exchange.expected:
                raise RunError("chat.exam_question", task=exchange.task)
            shown = gr.update(value=exchange.answers[place].text)
            return {self.panel: gr.update(visible=True), self.right: shown, self.wanted: (exchange.key, place)}
        voted = cast_vote(context, selection, asked[index], place)
        changed = [*asked[:index], voted, *asked[index + 1 :]]
        told = draw_tally(context, selection)
        return {self.answers: conversation_view(changed), self.asked: changed, self.tally: told}

    def again(
        self,
        context: Context,
        selection: Selection,
        asked: list[Exchange],
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[Shown]:
        """One answer once more, with another seed; the likeliest words are the same again, so it is livelier."""
        clicked, index = event._data, find_exchange(asked, str(event._data.get("key")))
        if clicked.get("act") != "again" or index is None:
            yield gr.skip()
            return
        place, exchange = int(clicked["place"]), asked[index]
        warm = exchange.settings["temperature"] or LIVELY
        emptied = {"text": "", "phase": "starting", "done": None, "error": "", "versions": (), "replaced": False}
        fresh = replace(exchange.answers[place], **emptied)
        changes = {"seed": random.randrange(1, 10_000), "temperature": warm}
        exchange = replace(exchange, vote=None).with_answer(place, replace(fresh, temperature=warm))
        changed = [*asked[:index], exchange, *asked[index + 1 :]]
        filling = Filling(index, (place,), str(request.session_hash), changes)
        yield from self.stream(context, selection, changed, filling)

    def stream(
        self, context: Context, selection: Selection, asked: list[Exchange], filling: Filling
    ) -> Iterator[Shown]:
        """Fills some answers of one exchange; the page is drawn at most ten times a second. Stop ends them where
        they are."""
        drawn, index = 0.0, filling.index
        requests = [request_to(context, selection, asked[index], p, **filling.changes) for p in filling.places]
        wish = context.stops.begin(filling.session)
        yield {self.answers: conversation_view(asked)}
        try:
            for batch in stream_together(context.chat, requests, wish):
                for number, event in batch:
                    place, exchange = filling.places[number], asked[index]
                    asked[index] = exchange.with_answer(place, exchange.answers[place].after(event))
                if time.monotonic() - drawn >= REDRAW_S:
                    drawn = time.monotonic()
                    yield {self.answers: conversation_view(asked)}
        finally:
            context.stops.end(filling.session, wish)
        yield self.shown(asked[:MOST_EXCHANGES])

    def save_correction(
        self, context: Context, selection: Selection, asked: list[Exchange], wanted: tuple[str, int], right: str
    ) -> Shown:
        """The question with its right answer becomes a practice row of the task, marked with where it came from."""
        index, closed = find_exchange(asked, wanted[0]), {self.panel: gr.update(visible=False)}
        if index is None:
            return closed
        require_shared_space(context, selection)
        exchange, side = asked[index], asked[index].answers[wanted[1]].side
        if not right.strip():
            raise RunError("chat.empty_answer")
        project, row = context.require_project(selection), _row(context, selection, side.task, exchange.content)
        origin = f"{CHAT}: {side.vote_label}"
        spec = add_correction_in_child(project, side.task, row, right.strip(), origin)
        tell(say("try.corrected", task=spec.name, rows=spec.num_train))
        return {context.selection: selection.touched(), **closed}


def cast_vote(context: Context, selection: Selection, exchange: Exchange, place: int) -> Exchange:
    """Writes a vote down; the exchange then shows who was who. A second vote on the same answers is none."""
    if not exchange.can_vote:
        return exchange
    labels = tuple(answer.side.vote_label for answer in exchange.answers)
    winner = TIE if place < 0 else labels[place]
    vote = Vote(exchange.task, exchange.question, labels, winner, exchange.blind)
    add_vote(context.require_project(selection), vote)
    return replace(exchange, vote=place)


def _row(context: Context, selection: Selection, task: str, content: str | dict[str, str]) -> dict[str, str]:
    inputs = get_task(context.require_project(selection), task).inputs
    return {inputs[0]: content} if isinstance(content, str) else dict(content)


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

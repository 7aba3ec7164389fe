"""What people do with an answer on the Try it screen: correct it, vote for it, see what the votes add up to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from app.drawing.markup import esc, note, part, table
from app.shell.context import Context
from app.shell.notices import tell
from app.shell.permissions import require_shared_space
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from app.try_it.answers import conversation_view
from app.try_it.conversation import Exchange, find_exchange
from core.base.errors import RunError
from core.chat.votes import TIE, Vote, add_vote, read_votes, tally
from core.tasks.changing.editing import CHAT
from core.tasks.changing.in_child import add_correction_apart
from core.tasks.store import get_task

NOTHING: list[Any] = [gr.skip()] * 3


def build_correction(context: Context, asked: Any) -> list[Any]:
    """A field for the right answer, hidden until an answer is to be corrected -> the panel, the field, what for."""
    words, wanted = context.words, gr.State(("", 0))
    with gr.Column(visible=False, elem_id="try-correction", elem_classes="start-card") as panel:
        label, hint = Key("try.right_answer"), Key("try.right_answer_help")
        right = words(gr.Textbox, label=label, info=hint, lines=2, elem_id="try-right", interactive=True)
        with gr.Row():
            save = words(
                gr.Button, Key("try.save_right"), variant="primary", elem_id="try-save-right", min_width=120
            )
            cancel = words(gr.Button, Key("try.cancel"), min_width=100)
    inputs = [context.selection, asked, wanted, right]
    context.on(save.click, save_correction, inputs, [context.selection, panel])
    context.on(cancel.click, lambda _: gr.update(visible=False), [], panel)
    return [panel, right, wanted]


def build_tally(context: Context) -> Any:
    """The votes of the project so far."""
    view = gr.HTML(elem_id="try-tally")
    context.on_selection(draw_tally, view)
    return view


def click_answer(context: Context, selection: Selection, asked: list[Exchange], event: gr.EventData) -> list[Any]:
    """A button below an answer -> conversation, its state, correction panel, its field, what it is for, tally."""
    clicked, index = event._data, find_exchange(asked, str(event._data.get("key")))
    act, place = clicked.get("act"), int(clicked.get("place") or 0)
    if index is None or act not in ("vote", "correct") or not -1 <= place < len(asked[index].answers):
        return [gr.skip(), gr.skip(), *NOTHING, gr.skip()]
    if act == "correct":
        exchange = asked[index]
        if exchange.expected:
            raise RunError("chat.exam_question", task=exchange.task)
        shown = gr.update(value=exchange.answers[place].text)
        return [gr.skip(), gr.skip(), gr.update(visible=True), shown, (exchange.key, place), gr.skip()]
    voted = cast_vote(context, selection, asked[index], place)
    changed = [*asked[:index], voted, *asked[index + 1 :]]
    return [conversation_view(changed), changed, *NOTHING, draw_tally(context, selection)]


def cast_vote(context: Context, selection: Selection, exchange: Exchange, place: int) -> Exchange:
    """Writes a vote down; the exchange then shows who was who. A second vote on the same answers is none."""
    if not exchange.can_vote:
        return exchange
    labels = tuple(answer.side.vote_label for answer in exchange.answers)
    winner = TIE if place < 0 else labels[place]
    vote = Vote(exchange.task, exchange.question, labels, winner, exchange.blind)
    add_vote(context.require_project(selection), vote)
    return replace(exchange, vote=place)


def save_correction(
    context: Context, selection: Selection, asked: list[Exchange], wanted: tuple[str, int], right: str
) -> tuple[Any, Any]:
    """The question with its right answer becomes a practice row of the task, marked with where it came from."""
    index = find_exchange(asked, wanted[0])
    if index is None:
        return gr.skip(), gr.update(visible=False)
    require_shared_space(context, selection)
    exchange, side = asked[index], asked[index].answers[wanted[1]].side
    if not right.strip():
        raise RunError("chat.empty_answer")
    project, content = context.require_project(selection), exchange.content
    spec = add_correction_apart(
        project,
        side.task,
        _row(context, selection, side.task, content),
        right.strip(),
        f"{CHAT}: {side.vote_label}",
    )
    tell(say("try.corrected", task=spec.name, rows=spec.num_train))
    return selection.touched(), gr.update(visible=False)


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

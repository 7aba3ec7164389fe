"""Questions and answers of the Try it screen as escaped HTML; see `conversation.py` for what they are."""

from __future__ import annotations

from collections.abc import Sequence

from app.drawing.durations import word_count
from app.drawing.markup import download_link, esc
from app.texts import say
from app.try_it.answer_parts import details_view, mark_view, sure_view, unready_view, warnings_view
from app.try_it.conversation import TASK, TUNED, Answer, Exchange, to_json, to_markdown

MOST_OFFERED = 6

# Copying needs no server; the other buttons send an event with what was clicked. The fallback serves pages that are
# not opened by https or on this machine, where browsers have no clipboard.
CLICKS = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-act]');
  if (!button) return;
  if (button.dataset.act !== 'copy') {
    trigger('click', {act: button.dataset.act, key: button.dataset.key, place: Number(button.dataset.place)});
    return;
  }
  const text = button.closest('.answer').querySelector('.text').textContent;
  const said = () => { button.classList.add('copied'); setTimeout(() => button.classList.remove('copied'), 1200); };
  if (navigator.clipboard) { navigator.clipboard.writeText(text).then(said); return; }
  const area = document.createElement('textarea');
  area.value = text; document.body.appendChild(area); area.select();
  document.execCommand('copy'); area.remove(); said();
});"""


def conversation_view(asked: list[Exchange]) -> str:
    return "".join(exchange_view(exchange) for exchange in asked)


def starters_view(found: Sequence[tuple[str, int, str, str]]) -> str:
    """Questions to begin with, a button each: (task id, place, task, text)."""
    if not found:
        return ""
    buttons = "".join(
        _button("start", task_id, place, f"{_short(text, 70)}", badge=task) for task_id, place, task, text in found
    )
    return f'<div class="starters"><p class="note">{esc(say("try.starters"))}</p>{buttons}</div>'


def exchange_view(exchange: Exchange) -> str:
    head = f'<span class="badge">{esc(exchange.task)}</span> ' if exchange.task else ""
    question = f'<div class="question">{head}{esc(exchange.question)}'
    if exchange.expected and any(answer.is_over for answer in exchange.answers):
        question += f'<div class="expected">{esc(say("try.expected"))} <b>{esc(exchange.expected)}</b></div>'
    question += "</div>"
    if exchange.is_refused:
        return f'<div class="exchange">{question}{_refusal(exchange)}</div>'
    columns = "".join(answer_view(exchange, place) for place in range(len(exchange.answers)))
    grid = f'<div class="answers of-{len(exchange.answers)}">{columns}</div>'
    return f'<div class="exchange">{question}{_strange(exchange)}{grid}{_vote(exchange)}</div>'


def _refusal(exchange: Exchange) -> str:
    """Nobody answers, and why; whoever knows better chooses the task."""
    said = say("try.none_fits")
    asked = f"<span>{esc(say('try.ask_anyway'))}</span> {_offers(exchange)}"
    text = f'<div class="text">{esc(said)}</div><div class="acts">{asked}</div>'
    return f'<div class="answers of-1"><div class="answer none" data-done="1">{text}</div></div>'


def _strange(exchange: Exchange) -> str:
    """An answer to a text of none of the tasks is a guess, however sure it looks."""
    if not exchange.is_foreign:
        return ""
    return f'<p class="warned">{esc(say("try.foreign"))}</p>'


def _offers(exchange: Exchange) -> str:
    shown = list(enumerate(exchange.offered))[:MOST_OFFERED]
    return "".join(_button("ask_as", exchange.key, place, name) for place, name in shown)


def answer_view(exchange: Exchange, place: int) -> str:
    """The answer's text, how sure it is and whether it is right; folded under it how it was made, and what can be
    done with it."""
    answer, hidden = exchange.answers[place], exchange.is_hidden
    title = say("try.hidden_title", letter="ABC"[place]) if hidden else answer.side.title()
    kind = "hidden" if hidden else answer.side.kind
    body = _text(answer)
    if answer.done is not None and not hidden:
        body += mark_view(exchange.right_share(place)) + sure_view(exchange, answer) + unready_view(answer)
    if answer.done is not None:
        body += warnings_view(answer)
    if answer.corrected is not None:
        body += _corrected(exchange, place)
    if answer.is_over:
        body += _buttons(exchange, place)
    state = f'data-done="{int(answer.done is not None)}"'
    head = f"<h4>{esc(title)}{_detected(exchange, answer)}</h4>{_other_task(exchange, answer)}"
    return f'<div class="answer {esc(kind)}" {state}>{head}{body}{details_view(answer, hidden)}</div>'


def export_view(asked: list[Exchange]) -> str:
    """Links that save the conversation; nothing while there is none."""
    if not asked:
        return ""
    markdown = download_link("conversation.md", to_markdown(asked), say("try.save_md"), "text/markdown")
    return (
        f'<p class="saves">{markdown} '
        + download_link("conversation.json", to_json(asked), say("try.save_json"), "application/json")
        + "</p>"
    )


def _detected(exchange: Exchange, answer: Answer) -> str:
    """The task that was found from the text, and which skills are mixed."""
    if answer.side.probability is None or (exchange.is_hidden and answer.side.kind == TASK):
        return ""
    said = say("try.detected", task=answer.side.task, percent=f"{100 * answer.side.probability:.0f}")
    if answer.side.blend:
        mixed = ", ".join(f"{name} {100 * share:.0f} %" for name, share in answer.side.blend)
        said += " · " + say("try.blended", tasks=mixed)
    return f' <span class="dim">{esc(said)}</span>'


def _other_task(exchange: Exchange, answer: Answer) -> str:
    """Where the task was found wrongly: the same question as another one."""
    if answer.side.probability is None or not exchange.offered or not answer.is_over or exchange.is_hidden:
        return ""
    title = f"<summary>{esc(say('try.other_task'))}</summary>"
    return f'<details class="other">{title}<div class="acts">{_offers(exchange)}</div></details>'


def _text(answer: Answer) -> str:
    note = f'<div class="dim">{esc(say("try.replaced"))}</div>' if answer.replaced else ""
    if answer.error:
        partly = f'<div class="text">{esc(answer.text)}</div>' if answer.text else ""
        return f'{note}{partly}<div class="text down">{esc(answer.error)}</div>'
    if answer.done is None:
        waiting = "" if answer.text else f'<span class="dim">{esc(say(f"try.phase_{answer.phase}"))}</span>'
        return f'{note}<div class="text caret">{esc(answer.text)}{waiting}</div>'
    if answer.text.strip():
        return f'{note}<div class="text">{esc(answer.text)}</div>'
    return f'{note}<div class="text"><span class="dim">{esc(say("try.no_text"))}</span></div>'


def _corrected(exchange: Exchange, place: int) -> str:
    """The right answer that a person gave, and where it went."""
    found = exchange.answers[place].corrected
    assert found is not None  # the caller has looked
    said = say(f"try.corrected_here_{found.how}", answer=found.text, task=found.task, rows=word_count(found.rows))
    return f'<p class="corrected">✓ {esc(said)} {_button("see", exchange.key, place, say("try.see_row"))}</p>'


def _buttons(exchange: Exchange, place: int) -> str:
    answer = exchange.answers[place]
    acts = ["copy"] if answer.done else []
    if answer.error or not exchange.chooses_labels:
        acts.append("again")  # of labels the likeliest would be the same again
    if answer.done and not exchange.is_hidden and not exchange.expected and answer.corrected is None:
        acts.append("correct")
    if answer.done and len(exchange.answers) == 1 and answer.side.kind == TUNED:
        acts.append("compare")
    return (
        '<div class="acts">'
        + "".join(_button(act, exchange.key, place, say(f"try.{act}")) for act in acts)
        + "</div>"
    )


def _vote(exchange: Exchange) -> str:
    if exchange.vote is not None:
        names = [answer.side.title() for answer in exchange.answers]
        chosen = say("try.vote_alike") if exchange.vote == -1 else names[exchange.vote]
        return f'<div class="vote dim">{esc(say("try.voted", chosen=chosen))}</div>'
    if not exchange.can_vote:
        return ""
    letters = [("ABC"[i] if exchange.is_hidden else a.side.title()) for i, a in enumerate(exchange.answers)]
    buttons = "".join(_button("vote", exchange.key, place, name) for place, name in enumerate(letters))
    buttons += _button("vote", exchange.key, -1, say("try.vote_alike"))
    return f'<div class="vote"><span>{esc(say("try.vote_ask"))}</span> {buttons}</div>'


def _button(act: str, key: str, place: int, text: str, badge: str = "") -> str:
    named = f'<span class="badge">{esc(badge)}</span> ' if badge else ""
    data = f'data-act="{act}" data-key="{esc(key)}" data-place="{place}"'
    return f'<button type="button" {data}>{named}{esc(text)}</button>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rstrip() + " …"

"""Questions and answers of the Try it screen as escaped HTML; see `conversation.py` for what they are."""

from __future__ import annotations

from app.drawing.markup import bar, download_link, esc
from app.texts import say, word_skills
from app.try_it.conversation import TASK, Answer, Exchange, to_json, to_markdown
from core.chat.protocol import ChatEvent

MOST_SKILLS = 12

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


def exchange_view(exchange: Exchange) -> str:
    columns = "".join(answer_view(exchange, place) for place in range(len(exchange.answers)))
    question = f'<div class="question"><span class="badge">{esc(exchange.task)}</span> {esc(exchange.question)}'
    if exchange.expected and any(answer.is_over for answer in exchange.answers):
        question += f'<div class="expected">{esc(say("try.expected"))} <b>{esc(exchange.expected)}</b></div>'
    count = len(exchange.answers)
    grid = f'<div class="answers of-{count}">{columns}</div>'
    return f'<div class="exchange">{question}</div>{grid}{_vote(exchange)}</div>'


def answer_view(exchange: Exchange, place: int) -> str:
    """The answer's text; under it the skills it used, tokens, time and seed, and what can be done with it."""
    answer, hidden = exchange.answers[place], exchange.is_hidden
    title = say("try.hidden_title", letter="ABC"[place]) if hidden else answer.side.title()
    kind = "hidden" if hidden else answer.side.kind
    body = _versions(answer) + _text(answer)
    if answer.done is not None and not hidden:
        body += _skills(answer.done) + _foot(answer)
    if answer.is_over:
        body += _buttons(exchange, place)
    state = f'data-done="{int(answer.done is not None)}"'
    head = f"<h4>{esc(title)}{_detected(answer, hidden)}</h4>"
    return f'<div class="answer {esc(kind)}" {state}>{head}{body}</div>'


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


def _detected(answer: Answer, hidden: bool) -> str:
    if answer.side.probability is None or (hidden and answer.side.kind == TASK):
        return ""
    percent = f"{100 * answer.side.probability:.0f}"
    said = say("try.detected", task=answer.side.task, percent=percent)
    if answer.side.blend:
        mixed = ", ".join(f"{name} {100 * share:.0f} %" for name, share in answer.side.blend)
        said += " · " + say("try.blended", tasks=mixed)
    return f' <span class="dim">{esc(said)}</span>'


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


def _versions(answer: Answer) -> str:
    """The rounds of a refined answer with the examples each was shown; a single valid round needs no list."""
    shown = answer.versions if answer.done is None or len(answer.versions) > 1 else ()
    rows = ""
    for number, version in enumerate(shown, 1):
        mark = {True: "✓", False: "✗", None: ""}[version.valid]
        title = say("try.version", n=number)
        rows += f'<li><span class="dim">{esc(title)}</span> {esc(version.text) or "∅"} <b>{mark}</b>'
        if version.examples:
            inner = "".join(f"<li>{esc(_short(q))} → <b>{esc(a)}</b></li>" for q, a in version.examples)
            label = say("try.examples_shown", n=len(version.examples))
            rows += f"<details><summary>{esc(label)}</summary><ul>{inner}</ul></details>"
        rows += "</li>"
    return f'<ol class="versions">{rows}</ol>' if rows else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else "… " + line[-160:]


def _skills(done: ChatEvent) -> str:
    if not done.weights:
        return ""
    top = sorted(done.weights, key=lambda w: -abs(w.weight))[:MOST_SKILLS]
    rows = ""
    for w in top:
        name = word_skills(w.name)
        tone = "" if w.kind == "common" else "busy"
        rows += f'<span>{esc(name)}</span>{bar(abs(w.weight), tone, name)}<span class="n">{w.weight:.2f}</span>'
    return f'<div class="skills" aria-label="{esc(say("try.skills"))}">{rows}</div>'


def _foot(answer: Answer) -> str:
    done = answer.done
    assert done is not None  # the caller has looked
    said = [say("try.foot", tokens=done.tokens, seconds=f"{done.seconds:.1f}", seed=done.seed)]
    if answer.temperature:
        said.append(say("try.foot_temperature", value=f"{answer.temperature:g}"))
    if done.values.get("rounds"):
        said.append(say(f"try.ended_{done.values['reason']}"))
    said += [say(f"try.{name}") for name in ("stopped", "limited") if getattr(done, name)]
    if done.num_cut:
        said.append(say("try.cut", n=done.num_cut))
    return f'<div class="foot">{esc(" · ".join(said))}</div>'


def _buttons(exchange: Exchange, place: int) -> str:
    acts = ["copy", "again"] if exchange.answers[place].done else ["again"]
    if exchange.answers[place].done and not exchange.is_hidden and not exchange.expected:
        acts.append("correct")
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


def _button(act: str, key: str, place: int, text: str) -> str:
    return f'<button type="button" data-act="{act}" data-key="{esc(key)}" data-place="{place}">{esc(text)}</button>'

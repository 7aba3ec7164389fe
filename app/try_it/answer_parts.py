"""What stands under an answer of the Try it screen: right or wrong, how sure, warnings; folded, how it was made."""

from __future__ import annotations

from app.drawing.markup import bar, esc
from app.texts import say, word_error, word_skills
from app.try_it.conversation import TUNED, Answer, Exchange
from core.chat.protocol import ChatEvent

MOST_SKILLS = 12
LEAST_SHARE = 0.01  # of a label that is shown beside the answer
SURE = (
    (0.95, "very"),
    (0.8, "fairly"),
    (0.6, "rather"),
    (0.0, "hardly"),
)  # from so much certainty on, and its word


def mark_view(share: float | None) -> str:
    """Whether the answer to an exam question is right, by the task's metric; nothing for other questions."""
    if share is None:
        return ""
    name, tone = ("right", "up") if share >= 1 else ("wrong", "down") if share <= 0 else ("partly", "mid")
    return f'<div class="mark {tone}">{esc(say(f"try.mark_{name}", points=f"{100 * share:.0f}"))}</div>'


def sure_view(exchange: Exchange, answer: Answer) -> str:
    """How sure an answer chosen among labels is, in words and as a number, with the labels it might have been."""
    done = answer.done
    assert done is not None  # the caller has looked
    if done.certainty is None:
        is_measurable = exchange.chooses_labels and answer.side.kind == TUNED
        return f'<p class="sure dim">{esc(say("try.sure_unknown"))}</p>' if is_measurable else ""
    word = next(word for least, word in SURE if done.certainty >= least)
    told = say(f"try.sure_{word}", percent=f"{100 * done.certainty:.0f}")
    said = f'<p class="sure">{esc(told)} <span class="dim">{esc(say("try.sure_note"))}</span></p>'
    rows = "".join(
        f"<span>{esc(label)}</span>{bar(share, '' if label == answer.text else 'busy', label)}"
        f'<span class="n">{100 * share:.0f} %</span>'
        for label, share in done.ranking
        if share >= LEAST_SHARE or label == answer.text
    )
    return f'{said}<div class="skills ranking" aria-label="{esc(say("try.ranking"))}">{rows}</div>'


def unready_view(answer: Answer) -> str:
    """What the exam said of the task, where the model should not be relied on for it: an answer may look sure."""
    if answer.side.unready is None:
        return ""
    verdict, reason = (word_error(said.key, said.values)[0] for said in answer.side.unready)
    said = say("try.unready", task=answer.side.task, verdict=verdict, reason=reason)
    return f'<p class="warned">{esc(said)}</p>'


def warnings_view(answer: Answer) -> str:
    """What a reader must know who takes the answer for what it says."""
    done = answer.done
    assert done is not None  # the caller has looked
    said = [say(f"try.{name}") for name in ("stopped", "limited") if getattr(done, name)]
    if done.num_cut:
        said.append(say("try.cut", n=done.num_cut))
    return "".join(f'<p class="warned">{esc(text)}</p>' for text in said)


def details_view(answer: Answer, hidden: bool) -> str:
    """How the answer was made: rounds, skills, tokens, seconds, seed. The rounds are open while they come."""
    versions = _versions(answer)
    if answer.done is None:
        return versions
    if hidden:
        return ""
    title = f"<summary>{esc(say('try.details'))}</summary>"
    return f'<details class="made">{title}{versions}{_skills(answer.done)}{_foot(answer)}</details>'


def _versions(answer: Answer) -> str:
    """The rounds of a refined answer with the examples each was shown; a single valid round needs no list."""
    shown = answer.versions if answer.done is None or len(answer.versions) > 1 else ()
    rows = ""
    for number, version in enumerate(shown, 1):
        mark = {True: "✓", False: "✗", None: ""}[version.valid]
        title = say("try.version", n=number)
        rows += f'<li><span class="dim">{esc(title)}</span> {esc(version.text) or "∅"} <b>{mark}</b>'
        if version.examples:
            inner = "".join(f"<li>{esc(_ending(q))} → <b>{esc(a)}</b></li>" for q, a in version.examples)
            label = say("try.examples_shown", n=len(version.examples))
            rows += f"<details><summary>{esc(label)}</summary><ul>{inner}</ul></details>"
        rows += "</li>"
    return f'<ol class="versions">{rows}</ol>' if rows else ""


def _ending(text: str) -> str:
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
    return f'<div class="foot">{esc(" · ".join(said))}</div>'

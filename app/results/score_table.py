"""The exam as a table: task by metric with intervals, the gain over the best guess, and whether it may be
chance."""

from __future__ import annotations

from app.drawing.durations import word_score
from app.drawing.markup import badge, download_link, esc, note, table, to_csv
from app.drawing.run_markup import score_cell
from app.texts import say, word_error
from core.evaluation.intervals import Difference, mean_difference
from core.insight.compare import Comparison
from core.insight.means import mean_gain, mean_guess, mean_scores
from core.insight.results import TaskResult, best_guess_sentence, doubt_of, score_frame


def score_table(scores: list[TaskResult], other: str = "", against: dict[str, Comparison] | None = None) -> str:
    """Task x metric with intervals, the gain over the best guess, and whether it may be chance; what each metric
    counts; a CSV of the same.

    `other` names a second run, `against` holds this run minus that one by task.
    """
    names = ["task", "metric", "guess", "base", "tuned", "gain", "rows"]
    headers = [say(f"results.{name}") for name in names]
    if other:
        headers.insert(6, say("results.against", run=other))
    rows = []
    for s in scores:
        row = [f"<b>{esc(s.task)}</b>{_narrow(s)}", esc(say(f"metric.{s.metric}")), _guess(s)]
        row += [score_cell(s.base.as_dict() if s.base else None), score_cell(s.tuned.as_dict()), _gain(s)]
        rows.append(row + ([_against((against or {}).get(s.task))] if other else []) + [str(s.tuned.n)])
    if len(scores) > 1:
        rows.append(_mean_row(scores, other, against or {}))
    numeric = range(2, len(headers))
    return table(headers, rows, numeric=numeric) + _counted(scores) + f"<p>{_csv(scores)}</p>"


def _narrow(score: TaskResult) -> str:
    """Under the task's name on a phone, which has no room for the columns of metric and rows."""
    said = f"{say(f'metric.{score.metric}')} · {say('results.rows')}: {score.tuned.n}"
    return f' <span class="dim narrow" aria-hidden="true">{esc(said)}</span>'


def _counted(scores: list[TaskResult]) -> str:
    """What each metric counts, one sentence each."""
    said = {s.metric: word_error(f"counts.{s.metric}", {})[0] for s in scores}
    return "".join(
        note(say("results.counts", metric=say(f"metric.{name}"), text=text)) for name, text in said.items()
    )


def _mean_row(scores: list[TaskResult], other: str, against: dict[str, Comparison]) -> list[str]:
    """With the intervals of the means, which are about other exam rows of these tasks."""
    base, tuned = mean_scores(scores)
    gain, name = mean_gain(scores), f"<b>{esc(say('results.mean'))}</b>"
    row = [name, "", word_score(mean_guess(scores)), score_cell(base.as_dict() if base else None)]
    row += [score_cell(tuned.as_dict()), "–" if gain is None else _marked(gain)]
    if other:
        gaps = [c.difference for c in against.values()]
        row.append(_marked(mean_difference(gaps)) if gaps else "–")
    return [*row, ""]


def _csv(scores: list[TaskResult]) -> str:
    frame = score_frame(scores)
    text = to_csv(list(frame.columns), frame.round(6).values.tolist())
    return download_link("results.csv", text, say("results.download"))


def _guess(score: TaskResult) -> str:
    """What the best guess scores, and what it does."""
    said = best_guess_sentence(score)
    if said is None or score.best is None:
        return "–"
    does = esc(word_error(said.key, said.values)[0])
    return f'{word_score(score.best.value)}<br><span class="dim guess">{does}</span>'


def _gain(score: TaskResult) -> str:
    return "–" if score.gain is None else _marked(score.gain)


def _against(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    return _marked(comparison.difference, comparison.is_sure)


def _marked(change: Difference, is_sure: bool | None = None) -> str:
    """`is_sure`: where several were looked at, the corrected judgement."""
    if change.is_sure if is_sure is None else is_sure:
        return _arrow(change.value)
    doubt = word_doubt(change, is_sure)
    return f"{_arrow(change.value, 'same')} {badge(doubt) if doubt else ''}".rstrip()


def word_doubt(change: Difference, is_sure: bool | None = None) -> str:
    """Why a difference is not called real; "" where there is no doubt."""
    said = doubt_of(change, is_sure)
    return word_error(said.key, said.values)[0] if said else ""


def _arrow(change: float, css: str = "") -> str:
    if round(100 * change, 1) == 0:
        return '<span class="same">= 0.0</span>'
    sign, name = ("▲", "up") if change > 0 else ("▼", "down")
    return f'<span class="{css or name}">{sign} {100 * change:+.1f}</span>'

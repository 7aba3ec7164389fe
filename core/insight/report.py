"""A run as one HTML file to hand on: scores with intervals, sentences, skills, answers.

No script, nothing loaded from elsewhere. Text of users and models is escaped; the file opens without a network.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from core.adapters.registry import METHODS
from core.base.errors import RunError
from core.evaluation.metrics import METRICS
from core.insight.allocation import COMMON, Allocation, layer_table, read_allocation, telling_layer, uniform_weight
from core.insight.compare import describe_labels, worst_labels
from core.insight.contribution_table import describe_share, output_share, read_contributions
from core.insight.evidence import describe_evidence, read_evidence
from core.insight.forgotten import describe_forgetting, read_forgetting
from core.insight.results import TaskResult, best_guess_sentence, describe_mean, read_answers, read_scores
from core.insight.sentences import describe_allocation
from core.insight.verdicts import Verdict, read_verdicts
from core.messages import Sentence
from core.runs.folder import RunFolder

WORDS = {  # headings by name; the screens give them in their language
    "scores": "Final exam",
    "skills": "Skills",
    "answers": "Answers",
    "task": "Task",
    "metric": "Metric",
    "rows": "Rows",
    "base": "Base model",
    "tuned": "Tuned",
    "guess": "Best guess",
    "gain": "Gain over the guess",
    "verdicts": "Can it be used?",
    "forgotten": "What it forgot",
    "verdict": "Verdict",
    "reason": "Why",
    "next": "Next",
    "question": "Question",
    "right": "Right answer",
    "common": "common skills",
    "private": "private skills",
}
LABELLED = "classification"
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1f2430}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
td,th{border:1px solid #d5d8e0;padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:#f3f4f8}.n{text-align:right;font-variant-numeric:tabular-nums}
.wrong{color:#a3262a}pre{white-space:pre-wrap;margin:0;font:inherit;max-width:32rem}
"""


def _title(registry: Any) -> Callable[[str], str]:
    """Names to titles; a name that the registry does not know stays."""
    return lambda name: registry.get(name).title if name in registry else name


@dataclass(frozen=True)
class ReportWords:
    """The words of a report: English of the command line's own, or those of the screens in their language."""

    language: str = "en"
    headings: dict[str, str] = field(default_factory=lambda: dict(WORDS))
    sentence: Callable[[Sentence], str] = field(default=lambda said: said.text)
    metric: Callable[[str], str] = field(default=_title(METRICS))
    skill: Callable[[str], str] = field(default=str)
    method: Callable[[str], str] = field(default=_title(METHODS))


def build_report(run_dir: Path, words: ReportWords, num_answers: int = 20) -> str:
    """The whole page, with at most `num_answers` answers a task."""
    folder, heads = RunFolder(run_dir), words.headings
    run = folder.read_run()
    scores = read_scores(run_dir) if folder.read_results() is not None else []
    labelled = {str(task["name"]) for task in run["tasks"] if task.get("kind") == LABELLED}
    parts = [f"<h1>{html.escape(run['name'])}</h1>", f"<p>{html.escape(_about(run, words))}</p>"]
    if scores:
        parts += [f"<h2>{heads['verdicts']}</h2>", _verdicts(read_verdicts(run_dir, scores), words)]
        parts += [f"<h2>{heads['scores']}</h2>", _list(describe_mean(scores), words), _scores(scores, words)]
    forgotten = read_forgetting(run_dir)
    if forgotten is not None:
        warning = [Sentence("forgot.warning")] if forgotten.is_warning else []
        parts += [f"<h2>{heads['forgotten']}</h2>", _list([*warning, *describe_forgetting(forgotten)], words)]
    if folder.allocation_path.exists():
        allocation = read_allocation(run_dir)
        parts += [f"<h2>{heads['skills']}</h2>", *_skill_map(run_dir, allocation, words)]
        found = read_contributions(run_dir)
        share = output_share(found) if found else None
        if share is not None:
            parts += [_list(describe_share(share), words), _share_bars(share, heads)]
    for score in scores:
        parts += [f"<h2>{heads['answers']}: {html.escape(score.task)}</h2>"]
        if score.task in labelled:
            parts += [_list(describe_labels(worst_labels(run_dir, score.task)), words)]
        parts += [_answers(run_dir, score.task, heads, num_answers)]
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>{html.escape(run["name"])}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="{words.language}"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _skill_map(run_dir: Path, allocation: Allocation, words: ReportWords) -> list[str]:
    """What was measured, else what the weights show; and the weights of the layer that tells most."""
    evidence = read_evidence(run_dir)
    told = describe_evidence(evidence) if evidence is not None else describe_allocation(allocation)
    layer = telling_layer(allocation)
    common = [allocation.skills[i].name for i in allocation.columns(COMMON)]
    if not common:
        return [_list(told, words)]
    if len(allocation.layers) > 1:
        told = [*told, Sentence("says.shown_layer", {"layer": allocation.layers[layer]})]
    table = layer_table(allocation, layer)[common].rename(columns=lambda name: words.skill(str(name)))
    return [_list(told, words), _heatmap(table, uniform_weight(allocation))]


def _verdicts(verdicts: list[Verdict], words: ReportWords) -> str:
    rows = []
    for v in verdicts:
        said = (Sentence(f"verdict.{v.verdict}"), v.reason, Sentence(f"step.{v.step}"))
        rows.append([v.task, *map(words.sentence, said)])
    heads = [words.headings[name] for name in ("task", "verdict", "reason", "next")]
    return _table(heads, rows, texts=4)


def _about(run: dict[str, object], words: ReportWords) -> str:
    made = time.strftime("%Y-%m-%d", time.gmtime(float(str(run["created"]))))
    parts = (run["run_id"], made, words.method(str(run["method"])), Path(str(run["base_model"])).name)
    return " · ".join(map(str, parts))


def _list(sentences: list[Sentence], words: ReportWords) -> str:
    """Sentences as a list; where one names a metric, by the metric's title."""
    items = []
    for said in sentences:
        named = {"metric": words.metric(said.values["metric"])} if "metric" in said.values else {}
        items.append(f"<li>{html.escape(words.sentence(Sentence(said.key, {**said.values, **named})))}</li>")
    return f"<ul>{''.join(items)}</ul>"


def _scores(scores: list[TaskResult], words: ReportWords) -> str:
    rows = [
        [
            s.task,
            words.metric(s.metric),
            str(s.tuned.n),
            _guess(s, words),
            _interval(s.base),
            _interval(s.tuned),
            _interval(s.gain, "+"),
        ]
        for s in scores
    ]
    heads = [words.headings[k] for k in ("task", "metric", "rows", "guess", "base", "tuned", "gain")]
    counts = {s.metric: words.sentence(Sentence(f"counts.{s.metric}")) for s in scores}
    said = [f"<li>{html.escape(f'{words.metric(name)}: {text}')}</li>" for name, text in counts.items()]
    return f"{_table(heads, rows)}<ul>{''.join(said)}</ul>"


def _guess(score: TaskResult, words: ReportWords) -> str:
    said = best_guess_sentence(score)
    return f"{100 * score.best.value:.1f} ({words.sentence(said)})" if said and score.best else "-"


def _interval(score: object, sign: str = "") -> str:
    value, low, high = (getattr(score, name, None) for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "-"
    return f"{100 * value:{sign}.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _table(heads: list[str], rows: list[list[str]], texts: int = 2) -> str:
    """Texts in the first columns, numbers, set right, in the others."""
    look = ["" if column < texts else ' class="n"' for column in range(len(heads))]
    top = "".join(f"<th{css}>{html.escape(head)}</th>" for css, head in zip(look, heads, strict=True))
    lines = [
        "".join(f"<td{css}>{html.escape(cell)}</td>" for css, cell in zip(look, row, strict=True)) for row in rows
    ]
    return f"<table><tr>{top}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _heatmap(table: pd.DataFrame, uniform: float) -> str:
    """Weights as shaded cells, one hue from white; twice the even share and more is full colour."""
    top = "<th></th>" + "".join(f"<th>{html.escape(str(name))}</th>" for name in table.columns)
    body = ""
    for task in table.index:
        cells = ""
        for value in table.loc[task]:
            share = min(1.0, max(0.0, float(value) / (2 * uniform)))
            cells += f'<td class="n" style="background:rgba(60,90,200,{0.7 * share:.2f})">{value:.2f}</td>'
        body += f"<tr><th>{html.escape(str(task))}</th>{cells}</tr>"
    return f"<table><tr>{top}</tr>{body}</table>"


def _share_bars(share: pd.DataFrame, words: dict[str, str]) -> str:
    """One bar a task: common in blue, private in orange."""
    rows = ""
    for task in share.index:
        common = 100 * float(share.loc[task, "common"])
        look = f"background:linear-gradient(90deg,#0072b2 {common:.1f}%,#e69f00 0);height:1rem;width:16rem"
        bar = f'<div style="{look}"></div>'
        cells = f'<td>{bar}</td><td class="n">{common:.0f} %</td><td class="n">{100 - common:.0f} %</td>'
        rows += f"<tr><th>{html.escape(str(task))}</th>{cells}</tr>"
    return f"<table><tr><th></th><th></th><th>{words['common']}</th><th>{words['private']}</th></tr>{rows}</table>"


def _answers(run_dir: Path, task: str, words: dict[str, str], count: int) -> str:
    """Wrong answers first: they are what a reader looks for."""
    try:
        answers = read_answers(run_dir, task).sort_values("tuned_score", kind="stable").head(count)
    except RunError:
        return ""
    top = "".join(f"<th>{words[name]}</th>" for name in ("question", "right", "base", "tuned"))
    body = ""
    for row in answers.to_dict("records"):
        marks = ["", "", "" if row["base_score"] == 1 else "wrong", "" if row["tuned_score"] == 1 else "wrong"]
        texts = [row[name] if isinstance(row[name], str) else "" for name in ("prompt", "target", "base", "tuned")]
        pairs = zip(marks, texts, strict=True)
        cells = "".join(f'<td class="{mark}"><pre>{html.escape(text)}</pre></td>' for mark, text in pairs)
        body += f"<tr>{cells}</tr>"
    return f"<table><tr>{top}</tr>{body}</table>"

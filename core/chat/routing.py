"""Finding the task of a text, by the text alone or by the model's hidden states, from a process without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.base.errors import RunError
from core.chat.client import ChatClient
from core.chat.detecting import AUTO, Detection, DetectorReport, load_detector
from core.chat.protocol import ask
from core.evaluation.intervals import Difference
from core.messages import Sentence
from core.runs.folder import RunFolder

BY_TEXT, BY_STATES = "text", "states"
WAYS = (BY_TEXT, BY_STATES)  # the first is the default: it was the better one (assets/docs/routers.json)


def has_router(run_dir: Path) -> bool:
    return RunFolder(run_dir).router_path.is_file()


def find_task(client: ChatClient, run_dir: Path, text: str, way: str = BY_TEXT) -> Detection:
    """The task of a text: BY_TEXT compares n-grams here, BY_STATES asks the run's router in the chat process.

    Raises:
        RunError: BY_STATES, and the run has no router, or the chat process fails.
    """
    if way == BY_TEXT or not text.strip():
        return load_detector(run_dir).detect(text)
    if not has_router(run_dir):
        raise RunError("chat.no_router", run=run_dir.name)
    done = client.answer(ask(run_dir.resolve(), AUTO, text, route=True))
    ranking = tuple((str(name), float(share)) for name, share in done.ranking)
    return Detection(ranking[0][0], ranking[0][1], ranking, float(done.values["foreign"]))


@dataclass(frozen=True)
class RouterReport:
    """Both ways on exam texts of a run, and the seconds that learning and one question took (`learn_s` None: it had
    learned before). `difference`: of the shares told right, states minus text, on the same texts; older reports
    have none."""

    text: DetectorReport
    states: DetectorReport
    learn_s: float | None
    text_ms: float
    states_ms: float
    difference: Difference | None = None


def rows_of_ways(report: RouterReport) -> list[list[str]]:
    """A row each: way, right %, its interval, mean gap of its certainty, foreign and own texts refused in %, time
    of a question in ms."""
    ways = ((BY_TEXT, report.text, report.text_ms), (BY_STATES, report.states, report.states_ms))
    rows, is_paired = [], report.difference is not None  # older reports asked each way about texts of its own
    for way, one, spent in ways:
        told, right = one.abstaining, one.accuracy
        refused = [f"{100 * told.recall:.0f}", f"{100 * told.refused:.0f}"] if told and is_paired else ["", ""]
        span = f"[{100 * right.low:.0f}, {100 * right.high:.0f}]"
        rows.append(
            [way, f"{100 * right.value:.1f}", span, f"{100 * one.calibration_error:.1f}", *refused, f"{spent:.0f}"]
        )
    return rows


def describe_ways(report: RouterReport) -> list[Sentence]:
    """Which way is right more often, as far as the same texts show it, and how long the router learned."""
    found, n = report.difference, report.text.accuracy.n
    told = Sentence("says.ways_open", {"n": n})
    if found is not None and found.is_sure:
        low, high = sorted((abs(found.low), abs(found.high)))
        key = "says.way_text" if found.value < 0 else "says.way_states"
        values = {"gap": abs(found.value), "low": low, "high": high}
        told = Sentence(key, {**{name: f"{100 * value:.1f}" for name, value in values.items()}, "n": n})
    if report.learn_s is None:
        return [told]
    return [Sentence("says.router_learned", {"seconds": f"{report.learn_s:.0f}"}), told]

"""Can this task be used, why not, what next? One verdict a task, from the first rule of RULES that applies.

The table is read from top to bottom: what makes a score untrue or shows that nothing was learned comes first, then
what keeps a good score from being reached, then how good the score is. Torch-free; wording by the keys `verdict.*`,
`reason.*` and `step.*`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.evaluation.intervals import FEW, Score
from core.evaluation.symptoms import Symptoms
from core.insight.results import TaskResult, best_guess_sentence, read_scores, short
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.tasks.enough import CONTRADICTING, CUT, FEW_PRACTICE, LEAKY, UNSEEN

READY, PROMISING, NOT_YET, BROKEN = "ready", "promising", "not_yet", "broken"
VERDICTS = (READY, PROMISING, NOT_YET, BROKEN)
MORE_ROWS, FIX_DATA, ALLOW_LONGER, TRAIN_LONGER, TRY_IT, EXAMINE = STEPS = (
    "more_rows",
    "fix_data",
    "allow_longer",
    "train_longer",
    "try_it",
    "examine",
)

# Of the score's 95 % interval the lower end must reach this for "ready": four of five right; where an answer may be
# right in part less, and least for overlaps of free text, which good paraphrases do not fill.
LEVELS = {"token_f1": 0.7, "character_f1": 0.7, "entity_f1": 0.7, "slot_f1": 0.7}
LEVELS |= {"rouge_l": 0.5, "chrf": 0.5, "bleu": 0.3}
LEVEL = 0.8
SAME_ANSWER = 0.8  # share of answers that are one and the same, while it is right much more seldom
ONE_ANSWER = 0.9  # share of exam rows and of answers that are one and the same: a good score shows little
SILENT = 0.5  # share of empty answers
UNCHANGED = 0.95  # share of answers that the untouched model gives as well
MANY_PRACTICE = 200  # from here on longer training is tried before more rows are asked for
_ROWS_CUT = ("training.rows_cut", "check.long_rows")  # the second one in runs of older versions
NOT_SURE_ROWS = 100  # below, more exam rows may decide whether a gain is real


@dataclass(frozen=True)
class Facts:
    """What the rules look at: a task's scores and symptoms, and the share of practice rows that were cut."""

    score: TaskResult
    cut_practice: float = 0.0

    @property
    def symptoms(self) -> Symptoms:
        return self.score.symptoms or Symptoms(0)

    @property
    def cut(self) -> float:
        return max(self.cut_practice, self.symptoms.cut_questions or 0.0)

    @property
    def gains(self) -> bool:
        """Surely better than the best guess."""
        gain = self.score.gain
        return gain is not None and gain.is_sure and gain.value > 0

    @property
    def is_good(self) -> bool:
        """Surely better than guessing, and good enough even at the lower end of the interval."""
        return self.gains and self.score.tuned.low >= LEVELS.get(self.score.metric, LEVEL)


@dataclass(frozen=True)
class Rule:
    """`applies` decides; `step` is the next thing to do, one of STEPS; the reason is worded by `reason.<name>`."""

    name: str
    verdict: str
    step: str | Callable[[Facts], str]
    applies: Callable[[Facts], bool]


@dataclass(frozen=True)
class Verdict:
    """A task's verdict, the rule that gave it, the reason in words, and the next step."""

    task: str
    verdict: str
    rule: str
    reason: Sentence
    step: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "verdict": self.verdict,
            "rule": self.rule,
            "reason": self.reason.text,
            "step": self.step,
        }


def _is_below_guess(facts: Facts) -> bool:
    gain = facts.score.gain
    return gain is not None and gain.is_sure and gain.value < 0


def _is_worse_than_untouched(facts: Facts) -> bool:
    difference = facts.score.difference
    return difference is not None and difference.is_sure and difference.value < 0


def _shows_a_habit(facts: Facts) -> bool:
    """A few answers that are alike, or empty, are no habit yet."""
    return facts.score.tuned.n >= FEW // 2


def _is_silent(facts: Facts) -> bool:
    return _shows_a_habit(facts) and facts.symptoms.empty >= SILENT


def _has_collapsed(facts: Facts) -> bool:
    seen, enough = facts.symptoms, _shows_a_habit(facts)
    often = seen.top_share >= SAME_ANSWER and seen.truths > 1
    return enough and often and seen.truth_share <= SAME_ANSWER * seen.top_share and not facts.gains


def _is_unchanged(facts: Facts) -> bool:
    same = facts.symptoms.unchanged
    return _shows_a_habit(facts) and same is not None and same >= UNCHANGED and not facts.gains


def _asks_for_one(facts: Facts) -> bool:
    """The exam has nearly one right answer only, and the model gives nearly that only."""
    seen = facts.symptoms
    return seen.truths == 1 or min(seen.truth_share, seen.top_share) >= ONE_ANSWER


def _more_or_longer(facts: Facts) -> str:
    return MORE_ROWS if facts.symptoms.practice < MANY_PRACTICE else TRAIN_LONGER


def _decide_or_train(facts: Facts) -> str:
    return MORE_ROWS if facts.score.tuned.n < NOT_SURE_ROWS else _more_or_longer(facts)


RULES = (
    Rule("no_exam", NOT_YET, EXAMINE, lambda f: f.score.tuned.n == 0),
    Rule("silent", BROKEN, TRAIN_LONGER, _is_silent),
    Rule("unchanged", BROKEN, TRAIN_LONGER, _is_unchanged),
    Rule("collapsed", BROKEN, TRAIN_LONGER, _has_collapsed),
    Rule("leaky", NOT_YET, FIX_DATA, lambda f: f.symptoms.leaky >= LEAKY),
    Rule("below_guess", BROKEN, _more_or_longer, _is_below_guess),
    Rule("worse", BROKEN, _more_or_longer, _is_worse_than_untouched),
    Rule("exam_small", NOT_YET, MORE_ROWS, lambda f: f.score.tuned.n < FEW),
    Rule("not_measured", NOT_YET, EXAMINE, lambda f: f.score.gain is None),
    Rule("one_answer", NOT_YET, MORE_ROWS, lambda f: f.is_good and _asks_for_one(f)),
    Rule("ready", READY, TRY_IT, lambda f: f.is_good),
    Rule("cut", NOT_YET, ALLOW_LONGER, lambda f: f.cut >= CUT),
    Rule("contradicting", NOT_YET, FIX_DATA, lambda f: f.symptoms.contradicting >= CONTRADICTING),
    Rule("unseen", NOT_YET, MORE_ROWS, lambda f: f.symptoms.unseen >= UNSEEN),
    Rule("few_practice", NOT_YET, MORE_ROWS, lambda f: f.symptoms.practice < FEW_PRACTICE),
    Rule("may_be_chance", NOT_YET, _decide_or_train, lambda f: not f.gains),
    Rule("not_good_enough", PROMISING, _more_or_longer, lambda f: True),
)


# What no training mends, and a limit that hides text: named before what a broken model does, the surest first.
CAUSES = tuple(next(rule for rule in RULES if rule.name == name) for name in ("unseen", "contradicting", "cut"))
CAUSES += tuple(rule for rule in RULES if rule.name == "few_practice")


def judge(facts: Facts) -> Verdict:
    """The first rule that applies, with reason and next step; of a broken task a cause in its rows goes first."""
    rule = next(rule for rule in RULES if rule.applies(facts))
    values = _values(facts)
    reason, chosen = Sentence(f"reason.{rule.name}", values), rule.step
    cause = next((one for one in CAUSES if one.applies(facts)), None) if rule.verdict == BROKEN else None
    if cause is not None:
        told = {"cause": Sentence(f"reason.{cause.name}", values), "seen": reason}
        reason, chosen = Sentence("reason.caused", told), cause.step
    step = chosen if isinstance(chosen, str) else chosen(facts)
    return Verdict(facts.score.task, rule.verdict, rule.name, reason, step)


def by_harm(verdicts: list[Verdict]) -> list[Verdict]:
    """The worst first; tasks of one verdict as they come."""
    return sorted(verdicts, key=lambda found: -VERDICTS.index(found.verdict))


def describe_unready(verdicts: list[Verdict]) -> list[Sentence]:
    """Of each task that is not to be relied on yet its verdict and why, the worst first: for whoever gets the
    model."""
    unready = [found for found in by_harm(verdicts) if found.verdict in (BROKEN, NOT_YET)]
    return [
        Sentence("says.unready", {"task": v.task, "verdict": Sentence(f"verdict.{v.verdict}"), "reason": v.reason})
        for v in unready
    ]


def read_verdicts(run_dir: Path, scores: list[TaskResult] | None = None) -> list[Verdict]:
    """One verdict a task of a run, also for tasks that no exam has asked about.

    Raises:
        RunError: there has been no exam yet.
    """
    found = {score.index: score for score in (read_scores(run_dir) if scores is None else scores)}
    folder = RunFolder(run_dir)
    cut = _cut_practice(folder)
    verdicts = []
    for record in folder.read_run()["tasks"]:
        score = found.get(int(record["index"])) or _unexamined(record)
        verdicts.append(judge(Facts(score, cut.get(score.task, 0.0))))
    return verdicts


def describe_verdicts(verdicts: list[Verdict]) -> list[Sentence]:
    """One sentence a task: verdict, reason, next step."""
    return [
        Sentence(
            "says.verdict",
            {
                "task": found.task,
                "verdict": Sentence(f"verdict.{found.verdict}"),
                "reason": found.reason,
                "step": Sentence(f"step.{found.step}"),
            },
        )
        for found in by_harm(verdicts)
    ]


def _values(facts: Facts) -> dict[str, Any]:
    """Everything that a reason may name. Points of 100; shares in percent; `guess` is a sentence of its own."""
    score, seen = facts.score, facts.symptoms
    values: dict[str, Any] = {
        "task": score.task,
        "counts": Sentence(f"counts.{score.metric}"),
        "n": score.tuned.n,
        "score": _points(score.tuned.value),
        "low": _points(score.tuned.low),
        "practice": seen.practice,
        "few": FEW,
        "answer": short(seen.top_answer),
        "share": _percent(seen.top_share),
        "right": _percent(seen.top_right),
        "empty": _percent(seen.empty),
        "same": _percent(seen.truth_share),
        "leaky": _percent(seen.leaky),
        "cut": _percent(facts.cut),
        "contradicting": _percent(seen.contradicting),
        "unseen": _percent(seen.unseen),
        "labels": ", ".join(seen.unseen_labels),
    }
    if score.best is not None and score.gain is not None:
        values |= {"guess": best_guess_sentence(score), "guessed": _points(score.best.value)}
        values |= {"gain": f"{abs(100 * score.gain.value):.1f}", "gain_low": f"{100 * score.gain.low:+.1f}"}
        values |= {"gain_high": f"{100 * score.gain.high:+.1f}"}
    if score.base is not None and score.change is not None:
        values |= {"base": _points(score.base.value), "loss": f"{abs(100 * score.change):.1f}"}
    return values


def _cut_practice(folder: RunFolder) -> dict[str, float]:
    """Task -> share of practice rows that training had to cut or leave out, as the run noted it last: every resume
    notes the same rows again."""
    if not folder.events_path.exists():
        return {}
    notices = [event for event in folder.read_events() if event["kind"] == "notice"]
    sizes = {str(record["name"]): int(record.get("num_train", 0)) for record in folder.read_run()["tasks"]}
    cut, left_out = dict.fromkeys(sizes, 0.0), dict.fromkeys(sizes, 0.0)
    for event in notices:
        values = event.get("values", {})
        task = str(values.get("task"))
        if event.get("key") in _ROWS_CUT and task in cut:
            cut[task] = float(values.get("share", 0)) / 100
        elif event.get("key") == "training.rows_left_out" and sizes.get(task):
            left_out[task] = float(values["count"]) / sizes[task]
    return {task: min(1.0, cut[task] + left_out[task]) for task in sizes}


def _unexamined(record: dict[str, Any]) -> TaskResult:
    return TaskResult(int(record["index"]), str(record["name"]), str(record["metric"]), Score(0.0, 0.0, 0.0, 0))


def _points(value: float) -> str:
    return f"{100 * value:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"

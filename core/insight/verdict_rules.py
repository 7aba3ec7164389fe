"""The rules of the verdicts: the first that applies says whether a task can be used, why not, and what next.

The table is read from top to bottom: what makes a score untrue or shows that nothing was learned comes first, then
what keeps a good score from being reached, then how good the score is. Torch-free; wording by the keys `verdict.*`,
`reason.*` and `step.*`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from core.evaluation.intervals import FEW
from core.evaluation.symptoms import Symptoms
from core.insight.results import TaskResult
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
FEW_OTHERS = 3  # exam rows with another right answer than the commonest; of fewer, none answered right is no habit
FEW_FOUND = 0.1  # share of these that is answered right by a model that hardly gives but one answer
FEW_PASSES = 3.0  # over the practice rows; below, longer training costs less than more rows
FEWEST_LEFT = (
    6  # rows that the best guess has wrong: with fewer, no sign test can show even a perfect model to be better
)
MANY_PRACTICE = 200  # from here on longer training is tried before more rows are asked for
NOT_SURE_ROWS = 100  # below, more exam rows may decide whether a gain is real


@dataclass(frozen=True)
class Facts:
    """What the rules look at: a task's scores and symptoms, the share of practice rows that were cut, and how often
    training went through the practice rows of all tasks."""

    score: TaskResult
    cut_practice: float = 0.0
    passes: float = math.inf  # not known: as if often enough

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


def _misses_the_rare(facts: Facts) -> bool:
    """Nearly all its answers are the commonest one, and hardly a row with another is found: the score is little
    more than the share of that answer, however high it is."""
    seen, enough = facts.symptoms, _shows_a_habit(facts)
    hardly = seen.others >= FEW_OTHERS and seen.others_right <= FEW_FOUND * seen.others
    return enough and hardly and seen.top_share >= SAME_ANSWER and seen.top_right == seen.truth_share


def _is_unchanged(facts: Facts) -> bool:
    same = facts.symptoms.unchanged
    is_same = _shows_a_habit(facts) and same is not None and same >= UNCHANGED
    return is_same and not facts.gains and not _guess_is_as_good(facts)


def _asks_for_one(facts: Facts) -> bool:
    """The exam has nearly one right answer only, and the model gives nearly that only."""
    seen = facts.symptoms
    return min(seen.truth_share, seen.top_share) >= ONE_ANSWER or (seen.truths == 1 and facts.is_good)


def _guess_is_as_good(facts: Facts) -> bool:
    """Good, on an exam that the best guess passes so well that no answer could be surely better."""
    score = facts.score
    if score.best is None or facts.gains or _is_below_guess(facts):
        return False
    left = round(score.tuned.n * (1 - score.best.value))
    return left < FEWEST_LEFT and score.tuned.low >= LEVELS.get(score.metric, LEVEL)


def _more_or_longer(facts: Facts) -> str:
    is_short = facts.passes < FEW_PASSES or facts.symptoms.practice >= MANY_PRACTICE
    return TRAIN_LONGER if is_short else MORE_ROWS


def _decide_or_train(facts: Facts) -> str:
    few = facts.score.tuned.n < NOT_SURE_ROWS and facts.passes >= FEW_PASSES
    return MORE_ROWS if few else _more_or_longer(facts)


RULES = (
    Rule("no_exam", NOT_YET, EXAMINE, lambda f: f.score.tuned.n == 0),
    Rule("silent", BROKEN, TRAIN_LONGER, _is_silent),
    Rule("misses_rare", BROKEN, _more_or_longer, _misses_the_rare),
    Rule("unchanged", BROKEN, TRAIN_LONGER, _is_unchanged),
    Rule("collapsed", BROKEN, TRAIN_LONGER, _has_collapsed),
    Rule("leaky", NOT_YET, FIX_DATA, lambda f: f.symptoms.leaky >= LEAKY),
    Rule("below_guess", BROKEN, _more_or_longer, _is_below_guess),
    Rule("worse", BROKEN, _more_or_longer, _is_worse_than_untouched),
    Rule("exam_small", NOT_YET, MORE_ROWS, lambda f: f.score.tuned.n < FEW),
    Rule("not_measured", NOT_YET, EXAMINE, lambda f: f.score.gain is None),
    Rule("one_answer", NOT_YET, MORE_ROWS, _asks_for_one),
    Rule("guess_as_good", NOT_YET, TRY_IT, _guess_is_as_good),
    Rule("ready", READY, TRY_IT, lambda f: f.is_good),
    Rule("cut", NOT_YET, ALLOW_LONGER, lambda f: f.cut >= CUT),
    Rule("contradicting", NOT_YET, FIX_DATA, lambda f: f.symptoms.contradicting >= CONTRADICTING),
    Rule("unseen", NOT_YET, FIX_DATA, lambda f: f.symptoms.unseen >= UNSEEN),
    Rule("few_practice", NOT_YET, MORE_ROWS, lambda f: f.symptoms.practice < FEW_PRACTICE),
    Rule("may_be_chance", NOT_YET, _decide_or_train, lambda f: not f.gains),
    Rule("not_good_enough", PROMISING, _more_or_longer, lambda f: True),
)


# What no training mends, and a limit that hides text: named before what a broken model does, the surest first.
CAUSES = tuple(next(rule for rule in RULES if rule.name == name) for name in ("unseen", "contradicting", "cut"))
CAUSES += tuple(rule for rule in RULES if rule.name == "few_practice")

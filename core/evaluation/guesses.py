"""What a guess would score on the same exam: the yardstick that every score stands beside. Torch-free.

- most_frequent: always the practice set's most frequent answer;
- by_share: answers drawn from the practice answers by their share, in expectation over the draws (a label shuffle);
- copy: the input, or the one of several input columns that does best, given back as it is;
- nearest: the answer of the practice row whose input is most alike (cosine of TF-IDF over the words of
  `normalise.words`, so that it works in every script).

Each guess is a table of statistics like an examined model's, so that a gain over it has a paired interval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.intervals import Array, Difference, Score, measure, measure_difference
from core.evaluation.metrics import METRICS, statistics
from core.evaluation.normalise import plain, words
from core.tasks.dataset import Example
from core.tasks.prompt_inputs import input_texts
from core.tasks.spec import TaskSpec

MOST_FREQUENT, BY_SHARE, COPY, NEAREST = "most_frequent", "by_share", "copy", "nearest"
GUESSES = (MOST_FREQUENT, BY_SHARE, COPY, NEAREST)  # plainest first: of equals the first is called the best
MAX_ROWS = 5000  # practice rows that the nearest one is looked for among
MAX_CHARACTERS = 2000
_EXACT = 20_000  # (distinct answers) x (questions) up to which the expectation is a sum, not a mean of draws
_DRAWS = 20
_CHUNK = 500  # questions whose similarities to all practice rows are held at once


@dataclass(frozen=True)
class Guess:
    """A guess on every exam row: its name, statistics [n, k] of the task's metric, and what it says (`answer`, only
    of the most frequent one)."""

    name: str
    rows: Array
    answer: str = ""


@dataclass(frozen=True)
class Questions:
    """The exam rows of a task that were answered: prompts and right answers."""

    prompts: Sequence[str]
    targets: Sequence[str]


def make_guesses(spec: TaskSpec, practice: Sequence[Example], asked: Questions, seed: int = 0) -> list[Guess]:
    """One of each of GUESSES; none without practice rows, which three of four guess from."""
    if not asked.targets or not practice:
        return []
    return [
        _most_frequent(spec, practice, asked),
        _by_share(spec, practice, asked, seed),
        _copy(spec, asked),
        _nearest(spec, practice, asked, seed),
    ]


def guess_scores(spec: TaskSpec, guesses: Sequence[Guess], seed: int = 0) -> dict[str, Score]:
    """Name -> score with its interval."""
    value = METRICS.get(spec.metric).value
    return {guess.name: measure(guess.rows, value, seed) for guess in guesses}


def gain_over(
    spec: TaskSpec, guess: Guess, answers: Sequence[str], targets: Sequence[str], seed: int
) -> Difference:
    """The answers' score minus the guess's, paired by row."""
    mine = statistics(spec.metric, answers, targets)
    return measure_difference(guess.rows, mine, METRICS.get(spec.metric).value, seed)


def best_guess(scores: dict[str, Score]) -> str | None:
    """The name of the guess that scores best; None without guesses."""
    ranked = sorted(scores, key=GUESSES.index)  # of values that are equal but for rounding the plainest is taken
    return max(ranked, key=lambda name: round(scores[name].value, 9)) if ranked else None


def _most_frequent(spec: TaskSpec, practice: Sequence[Example], asked: Questions) -> Guess:
    """Answers that the exam takes for the same count together; of equals the first in the file."""
    counts = Counter(plain(example.target) for example in practice)
    most = counts.most_common(1)[0][0]
    answer = next(example.target for example in practice if plain(example.target) == most)
    return Guess(MOST_FREQUENT, statistics(spec.metric, [answer] * len(asked.targets), asked.targets), answer)


def _by_share(spec: TaskSpec, practice: Sequence[Example], asked: Questions, seed: int) -> Guess:
    counts = Counter(example.target for example in practice)
    answers, n = list(counts), len(asked.targets)
    shares = np.array([counts[answer] for answer in answers], dtype=np.float64) / len(practice)
    if len(answers) * n <= _EXACT:
        tables = (statistics(spec.metric, [answer] * n, asked.targets) for answer in answers)
        rows = sum(share * table for share, table in zip(shares, tables, strict=True))
    else:
        generator = np.random.default_rng((seed, 11))
        draws = max(3, min(_DRAWS, _EXACT // n))
        drawn = [[answers[i] for i in generator.choice(len(answers), n, p=shares)] for _ in range(draws)]
        rows = sum(statistics(spec.metric, texts, asked.targets) for texts in drawn) / draws
    return Guess(BY_SHARE, np.asarray(rows))


def _copy(spec: TaskSpec, asked: Questions) -> Guess:
    columns = [input_texts(spec, prompt) for prompt in asked.prompts]
    whole = ["\n".join(texts) for texts in columns]
    width = min(map(len, columns))
    choices = [whole] + ([[texts[i] for texts in columns] for i in range(width)] if width > 1 else [])
    value = METRICS.get(spec.metric).value
    tables = [statistics(spec.metric, texts, asked.targets) for texts in choices]
    return Guess(COPY, max(tables, key=lambda rows: float(value(rows.sum(0, keepdims=True))[0])))


def _nearest(spec: TaskSpec, practice: Sequence[Example], asked: Questions, seed: int) -> Guess:
    kept = list(practice)
    if len(kept) > MAX_ROWS:
        order = np.random.default_rng((seed, 13)).permutation(len(kept))[:MAX_ROWS]
        kept = [practice[i] for i in sorted(order)]
    places = nearest_rows([_input(spec, e.prompt) for e in kept], [_input(spec, p) for p in asked.prompts])
    answers = [kept[place].target for place in places]
    return Guess(NEAREST, statistics(spec.metric, answers, asked.targets))


def nearest_rows(known: Sequence[str], asked: Sequence[str]) -> list[int]:
    """For each asked text the place of the most alike known one; the first where none shares a word."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # half a second: only when an exam is counted

    vectorizer = TfidfVectorizer(analyzer=words, sublinear_tf=True)
    try:
        known_matrix: Any = vectorizer.fit_transform(known)
    except ValueError:  # no text has a word
        return [0] * len(asked)
    found: list[int] = []
    for start in range(0, len(asked), _CHUNK):
        alike = vectorizer.transform(asked[start : start + _CHUNK]) @ known_matrix.T
        found += [int(place) for place in np.asarray(alike.toarray()).argmax(1)]
    return found


def _input(spec: TaskSpec, prompt: str) -> str:
    return "\n".join(input_texts(spec, prompt))[:MAX_CHARACTERS]

"""Does a text belong to none of a run's tasks? Torch-free; fitted on practice rows and on foreign texts.

A text is compared with the practice rows and with `assets/foreign` (everyday questions, other fields, small talk,
in many languages): four likenesses, of characters and of words, to either side. A logistic regression over these
numbers is fitted on texts the likenesses have not seen: check rows on one side, foreign texts without the texts of
their own topic on the other. Topics that a task is about itself are left out: weather is not foreign to a task
about weather. Above the threshold a text is none of the tasks; it is set where both kinds of mistake together are
rarest, but so that at most MOST_REFUSED of the tasks' own texts are refused. Nothing is drawn at random.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.chat.text_space import Array, TextSpace, nearest

FOREIGN_PATH = Path(__file__).resolve().parents[2] / "assets" / "foreign" / "foreign_text.jsonl"
MOST_REFUSED = 0.1  # of the tasks' own check rows
OWN_TOPIC = 2.0  # a task is about a topic that its practice rows are drawn to so many times as often as by chance
NEAR_FOREIGN = 0.8  # where between own and foreign texts the limit stands, when nothing lies between them
NO_SUBJECT = ("commands", "scraps", "small_talk")  # of these no task is
FOLDS = 5
_LEAST_ROWS = 20  # fewer check rows say too little: practice rows, each without itself, take their place
_MOST_ROWS = 600
_PART = 256  # texts compared at a time: a table of them against all practice rows
_STRENGTH = 10.0  # of the logistic regression (inverse regularisation); four features hardly need any


@dataclass(frozen=True)
class ForeignTexts:
    """The shipped texts, and the number of each one's topic in `names`."""

    texts: tuple[str, ...]
    topics: NDArray[np.int64]
    names: tuple[str, ...]


@lru_cache(maxsize=1)
def read_foreign_texts() -> ForeignTexts:
    records = [json.loads(line) for line in FOREIGN_PATH.read_text(encoding="utf-8").splitlines()]
    names = sorted({record["topic"] for record in records})
    topics = np.array([names.index(record["topic"]) for record in records], dtype=np.int64)
    return ForeignTexts(tuple(record["text"] for record in records), topics, tuple(names))


@dataclass(frozen=True)
class AbstainReport:
    """recall: share of foreign texts that were refused; refused: share of the tasks' own exam texts that were
    refused by mistake; precision: share of the refused that are foreign, if as many of both are asked."""

    recall: float
    refused: float
    precision: float
    num_foreign: int
    num_own: int


class Abstainer:
    """Tells how foreign a text is to all tasks together.

    Args:
        spaces: of characters, then of words; both know the practice rows first, then the foreign texts.
        labels: the task of each practice row. check: texts of the tasks that the spaces do not know.
    """

    def __init__(self, spaces: Sequence[TextSpace], labels: NDArray[np.int64], check: Sequence[str]) -> None:
        self._spaces, self._num = spaces, len(labels)
        topics = read_foreign_texts().topics
        self.own_topics = self._find_own_topics(labels)
        self._kept = ~np.isin(topics, self.own_topics)
        self._topics = topics[self._kept]
        self._own = self._likenesses(check) if len(check) >= _LEAST_ROWS else self._practice_likenesses()
        self._foreign = self._foreign_likenesses()
        self._fit = fit_limit(self._own, self._foreign)

    def foreignness(self, texts: Sequence[str]) -> Array:
        """[texts] in 0..1: above one half a text is none of the tasks."""
        return self._fit.foreignness(self._likenesses(texts))

    @property
    def foreign_topics(self) -> frozenset[int]:
        """Of the shipped foreign texts, those that no task is about itself."""
        return frozenset(map(int, np.unique(self._topics)))

    def judge(self, exam: Array, among: Collection[int] | None = None) -> AbstainReport:
        """From how foreign own texts were found that were not seen yet, and on the foreign texts, those of the
        topics `among` alone where some are named: in FOLDS parts, each topic is judged by a threshold that was set
        without it."""
        return judge_limit(self._own, self._foreign, self._topics, exam, among)

    def _likenesses(self, texts: Sequence[str]) -> Array:
        """[texts, 2 a space]: likeness to practice rows and to foreign texts."""
        return np.stack([c for space in self._spaces for c in self._columns(space, space.place(texts))], 1)

    def _practice_likenesses(self) -> Array:
        """Of practice rows themselves, each compared with the others."""
        columns, rows = [], np.arange(self._num)[:: -(-self._num // _MOST_ROWS)]
        for space in self._spaces:
            own, foreign = self._products(space, space.known[rows])
            own[np.arange(len(rows)), rows] = 0.0
            columns += [nearest(own), nearest(foreign)]
        return np.stack(columns, 1)

    def _foreign_likenesses(self) -> Array:
        """Of the foreign texts, each compared with those of other topics."""
        columns, same = [], self._topics[:, None] == self._topics[None, :]
        for space in self._spaces:
            own, foreign = self._products(space, space.known[self._num :][self._kept])
            columns += [nearest(own), nearest(np.where(same, 0.0, foreign))]
        return np.stack(columns, 1)

    def _columns(self, space: TextSpace, placed: Any) -> list[Array]:
        parts = [self._products(space, placed[at : at + _PART]) for at in range(0, placed.shape[0], _PART)]
        return [np.concatenate([nearest(part[side]) for part in parts]) for side in (0, 1)]

    def _products(self, space: TextSpace, placed: Any) -> tuple[Array, Array]:
        found = (placed @ space.known.T).toarray()
        return found[:, : self._num], found[:, self._num :][:, self._kept]

    def _find_own_topics(self, labels: NDArray[np.int64]) -> list[int]:
        space = self._spaces[0]
        known, foreign = space.known[: self._num], space.known[self._num :]
        return drawn_topics([(known[labels == task] @ foreign.T).toarray() for task in np.unique(labels)])


def drawn_topics(likenesses: Iterable[Array]) -> list[int]:
    """Topics whose texts are the most similar ones to the rows of a task more often than their number says.
    likenesses: of each task, [its rows, foreign texts]."""
    topics, names, found = read_foreign_texts().topics, read_foreign_texts().names, set[int]()
    expected = np.bincount(topics) / len(topics)
    for likeness in likenesses:
        nearest_topics = topics[likeness.argmax(1)[likeness.max(1) > 0]]
        share = np.bincount(nearest_topics, minlength=len(names)) / max(1, len(nearest_topics))
        found |= {int(topic) for topic in np.flatnonzero(share > OWN_TOPIC * expected)}
    return sorted(topic for topic in found if names[topic] not in NO_SUBJECT)


@dataclass(frozen=True)
class Fitted:
    """Foreignness = the logistic function of (likenesses - middle) @ weights - threshold."""

    middle: Array
    weights: Array
    threshold: float

    def foreignness(self, likenesses: Array) -> Array:
        found: Array = 1.0 / (1.0 + np.exp(self.threshold - (likenesses - self.middle) @ self.weights))
        return found


def fit_limit(own: Array, foreign: Array) -> Fitted:
    """From the likenesses [texts, features] of own and of foreign texts, none of which they were counted over."""
    from sklearn.linear_model import LogisticRegression

    both = np.vstack([own, foreign])
    middle, spread = both.mean(0), np.maximum(both.std(0), 1e-9)
    kinds = np.r_[np.zeros(len(own)), np.ones(len(foreign))]
    model = LogisticRegression(C=_STRENGTH, class_weight="balanced").fit((both - middle) / spread, kinds)
    weights = model.coef_[0] / spread
    return Fitted(middle, weights, _threshold((own - middle) @ weights, (foreign - middle) @ weights))


def judge_limit(
    own: Array, foreign: Array, topics: NDArray[np.int64], exam: Array, among: Collection[int] | None = None
) -> AbstainReport:
    """From the likenesses that a limit is fitted on, the topics of the foreign ones, and how foreign own exam texts
    were found, 0..1; judged on foreign texts of the topics `among`, at least one (None: all)."""
    refused = float((exam > 0.5).mean())
    folds = np.unique(topics, return_inverse=True)[1] % FOLDS
    told = np.zeros(len(folds), dtype=bool)
    for fold in range(FOLDS):
        inside = folds == fold
        told[inside] = fit_limit(own, foreign[~inside]).foreignness(foreign[inside]) > 0.5
    if among is not None:
        told = told[np.isin(topics, sorted(among))]
    recall = float(told.mean())
    precision = recall / (recall + refused) if recall + refused else 0.0
    return AbstainReport(recall, refused, precision, len(told), len(exam))


def _threshold(own: Array, foreign: Array) -> float:
    """Where the sum of both error shares is smallest among the limits that refuse few enough own texts."""
    places = np.unique(np.r_[own, foreign])
    between = np.r_[places[:-1] + NEAR_FOREIGN * np.diff(places), places[-1] + 1.0]
    refused = 1.0 - np.searchsorted(np.sort(own), between, side="right") / len(own)
    missed = np.searchsorted(np.sort(foreign), between, side="right") / len(foreign)
    return float(between[int(np.argmin(np.where(refused <= MOST_REFUSED, refused + missed, np.inf)))])

"""Which task does a text without a label belong to, if any? Torch-free, trained from a run's own practice rows.

A linear classifier over character n-grams (no word lists, so Chinese works as well) with probabilities that are
made honest on the check rows (temperature scaling, Guo et al. 2017). That a text belongs to no task at all is told
by `abstaining.py`. The instruction is taken out of the prompts: a user who does not name the task does not type it
either. As in the prompt-aware routing of WavLLM (arXiv 2404.00656) an undecided text is answered with the skills of
all tasks it may belong to, sum_t q_t alpha_t; here q comes from the text, in
`router.py` from the base model's hidden states.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.chat.abstaining import Abstainer, AbstainReport, read_foreign_texts
from core.chat.text_space import CHARACTERS, WORDS, Array, TextSpace
from core.evaluation.certainty import calibration, fit_temperature, softmax
from core.evaluation.intervals import Score
from core.evaluation.metrics import score
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.tasks.dataset import SAVED_TASKS, TaskDataset, load_saved_dataset
from core.tasks.spec import TaskSpec

AUTO = "auto"  # in place of a task's name: detect it
MAX_ROWS = 300  # of a task and split; more rows change nothing but the waiting time
MAX_CHECKED = 600  # check rows of all tasks together that the refusal is set on
HONEST = 5.0  # points between stated and true certainty that no reader would notice
LEAST_SHARE = 0.01  # a less likely task does not take part in the mixture
_PLACEHOLDER = re.compile(r"\{([^{}\n]+)\}")


@dataclass(frozen=True)
class Detection:
    """The likeliest task, and all tasks with their probabilities, likeliest first: supposed that it is one of them.
    `foreign`, 0..1, is how much the text reads like none of them."""

    task: str
    probability: float
    ranking: tuple[tuple[str, float], ...]
    foreign: float = 0.0

    @property
    def is_none(self) -> bool:
        """Whether it is none of the tasks; then nobody should be answered as `task`."""
        return self.foreign > 0.5

    @property
    def blend(self) -> tuple[tuple[str, float], ...]:
        """The tasks whose skills are mixed for the answer, with shares that sum to one; () when one is as good as
        certain, which is then answered exactly as if it had been named."""
        kept = [(name, p) for name, p in self.ranking if p >= LEAST_SHARE]
        total = sum(p for _, p in kept)
        return tuple((name, p / total) for name, p in kept) if len(kept) > 1 else ()


@dataclass(frozen=True)
class DetectorReport:
    """On exam rows: accuracy with its 95 % interval, the share of the largest task, and the expected calibration
    error (mean gap between stated probability and how often it is right), which comes from `bins`: (mean stated
    probability, share that was right, rows) of the texts about which it was equally sure."""

    accuracy: Score
    majority: float
    calibration_error: float
    bins: tuple[tuple[float, float, int], ...] = ()
    abstaining: AbstainReport | None = None


class Finder(Protocol):
    """What finds tasks: this module's detector over n-grams, or `router.py` over hidden states.

    judge: [texts, tasks] probabilities, and [texts] in 0..1 how foreign; abstains: how well it refuses, from how
    foreign it found own exam texts, and on shipped texts of the topics `among` (None: all of `foreign_topics`).
    """

    names: list[str]

    @property
    def foreign_topics(self) -> frozenset[int]: ...

    def judge(self, texts: Sequence[str]) -> tuple[Array, Array]: ...

    def abstains(self, foreign: Array, among: Collection[int] | None = None) -> AbstainReport: ...


class TaskDetector:
    """Use `load_detector`."""

    def __init__(self, dataset: TaskDataset) -> None:
        self.names = dataset.names()
        texts, labels = find_rows(dataset, "train")
        check_texts, check_labels = find_rows(dataset, "validation")
        self.space = TextSpace(CHARACTERS, [*texts, *read_foreign_texts().texts])
        self.model = _fit(self.space.known[: len(texts)], labels) if len(set(labels)) > 1 else None
        self.temperature = 1.0
        if self.model is not None and check_texts:
            self.temperature = fit_temperature(self._scores(check_texts), check_labels)
        words = TextSpace(WORDS, [*texts, *read_foreign_texts().texts])
        thinned = check_texts[:: -(-len(check_texts) // MAX_CHECKED) or 1]
        self.abstainer = Abstainer([self.space, words], labels, thinned)

    def detect(self, text: str) -> Detection:
        """The task of a text as a user would type it, without an instruction."""
        probability, foreign = self.judge([text])
        return rank_tasks(self.names, probability[0], float(foreign[0]))

    def judge(self, texts: Sequence[str]) -> tuple[Array, Array]:
        return self.probabilities(texts), self.foreignness(texts)

    @property
    def foreign_topics(self) -> frozenset[int]:
        return self.abstainer.foreign_topics

    def abstains(self, foreign: Array, among: Collection[int] | None = None) -> AbstainReport:
        return self.abstainer.judge(foreign, among)

    def probabilities(self, texts: Sequence[str]) -> Array:
        """[texts, tasks]; rows sum to 1."""
        if self.model is None:
            return np.ones((len(texts), 1))
        return softmax(self._scores(texts) / self.temperature)

    def foreignness(self, texts: Sequence[str]) -> Array:
        """[texts] in 0..1; above one half a text is none of the tasks. An empty one always is."""
        return np.where([bool(text.strip()) for text in texts], self.abstainer.foreignness(texts), 1.0)

    def _scores(self, texts: Sequence[str]) -> Array:
        assert self.model is not None  # the callers have looked
        found = np.asarray(self.model.decision_function(self.space.place(texts)))
        return np.stack([-found / 2, found / 2], 1) if found.ndim == 1 else found


def load_detector(run_dir: Path | str) -> TaskDetector:
    """The detector of a run, made once a process."""
    path = Path(run_dir).resolve()
    return _load(str(path), (RunFolder(path).data_dir / SAVED_TASKS).stat().st_mtime)


@lru_cache(maxsize=4)
def _load(run_dir: str, _: float) -> TaskDetector:
    return TaskDetector(load_saved_dataset(RunFolder(run_dir).data_dir))


def examine_detector(run_dir: Path) -> DetectorReport:
    """How good the detector of a run is on rows it has not seen."""
    dataset = load_saved_dataset(RunFolder(run_dir).data_dir)
    return examine_finder(load_detector(run_dir), *find_rows(dataset, "test"))


def examine_finder(finder: Finder, texts: list[str], labels: NDArray[np.int64]) -> DetectorReport:
    """On texts it has not seen, with the place of each one's task among its names."""
    return report_on(finder, finder.judge(texts), labels)


def report_on(
    finder: Finder, judged: tuple[Array, Array], labels: NDArray[np.int64], among: Collection[int] | None = None
) -> DetectorReport:
    """From what it said of such texts; foreign ones are those of the topics `among` (none: nothing is said of
    refusing)."""
    probability, foreign = judged
    guessed = [finder.names[i] for i in probability.argmax(1)]
    wanted = [finder.names[i] for i in labels]
    sure, right = probability.max(1), probability.argmax(1) == labels
    error, bins = calibration(sure, right)
    majority = float(np.bincount(labels).max() / len(labels))
    refusing = finder.abstains(foreign, among) if among is None or among else None
    return DetectorReport(score("accuracy", guessed, wanted), majority, error, bins, refusing)


def rank_tasks(names: Sequence[str], probability: Array, foreign: float) -> Detection:
    """probability [tasks] of a text that is foreign so far."""
    ranking = sorted(zip(names, probability, strict=True), key=lambda pair: -pair[1])
    ranked = tuple((name, round(float(p), 4)) for name, p in ranking)
    return Detection(ranked[0][0], ranked[0][1], ranked, round(foreign, 4))


def describe_detector(report: DetectorReport) -> list[Sentence]:
    """How often the task is told right, and how far stated certainty can be believed."""
    accuracy = report.accuracy
    values = {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high, "majority": report.majority}
    told = {name: f"{100 * value:.1f}" for name, value in values.items()}
    error = 100 * report.calibration_error
    key = "says.certainty_good" if error < HONEST else "says.certainty_off"
    sure = sum(stated * n for stated, _, n in report.bins) / max(1, sum(n for _, _, n in report.bins))
    tone = {"sure": f"{100 * sure:.0f}", "right": told["accuracy"], "error": f"{error:.1f}"}
    return [Sentence("says.detector", {**told, "n": accuracy.n}), Sentence(key, tone), *_abstaining_says(report)]


def _abstaining_says(report: DetectorReport) -> list[Sentence]:
    found = report.abstaining
    if found is None:
        return []
    shares = {name: f"{100 * getattr(found, name):.0f}" for name in ("recall", "refused", "precision")}
    return [Sentence("says.abstaining", {**shares, "foreign": found.num_foreign, "n": found.num_own})]


def question_text(task: TaskSpec, prompt: str) -> str:
    """The input columns of a prompt, without instruction and titles; all of it when the template does not fit."""
    template = task.template.replace("{instruction}", task.instruction).strip()
    parts = _PLACEHOLDER.split(template)  # constant, column, constant, column, ...
    pattern = "".join(re.escape(part) if i % 2 == 0 else "(.*?)" for i, part in enumerate(parts))
    match = re.fullmatch(pattern, prompt, re.DOTALL)
    return "\n".join(match.groups()) if match and match.groups() else prompt


def by_columns(task: TaskSpec, text: str) -> str | dict[str, str]:
    """A text whose task was detected as the task's input: as it is for one column; a line a column where there are
    as many, as an exam question stands in the field; else all of it in the first column, the others blank."""
    if len(task.inputs) == 1:
        return text
    lines = text.strip().split("\n")
    cells = lines if len(lines) == len(task.inputs) else [text, *[""] * (len(task.inputs) - 1)]
    return dict(zip(task.inputs, cells, strict=True))


def find_rows(dataset: TaskDataset, split: str) -> tuple[list[str], NDArray[np.int64]]:
    """The texts of a split, at most MAX_ROWS a task, without instructions, and the place of each one's task."""
    texts: list[str] = []
    labels: list[int] = []
    for index, task in enumerate(dataset.tasks):
        rows = dataset.split(index, split)
        order = np.random.default_rng(index).permutation(len(rows))[:MAX_ROWS]
        texts += [question_text(task, rows[i].prompt) for i in order]
        labels += [index] * len(order)
    return texts, np.array(labels, dtype=np.int64)


def _fit(placed: Any, labels: NDArray[np.int64]) -> Any:
    from sklearn.svm import LinearSVC

    return LinearSVC(C=1.0, class_weight="balanced", random_state=0).fit(placed, labels)

"""How sure an answer is, made honest: temperature scaling (Guo et al. 2017) on rows that were not trained on, and
the expected calibration error that is left. Torch-free.

n rows cannot show that an answer is never wrong: a share of 1 / (n + 2) (Laplace's rule) of every certainty is
spread evenly over the choices, so that no certainty stands above what the rows allow to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.base.files import write_json_atomic
from core.base.records import read_record

Array = NDArray[np.float64]
NUM_BINS = 10
_TEMPERATURES = np.geomspace(0.2, 50.0, 121)  # a hopeless model needs a hot one
_PRIOR = 0.5  # how far, in log units, a temperature may lie from 1 before a handful of rows must speak for it


@dataclass(frozen=True)
class Certainty:
    """Of one task with labels: the temperature that its labels' log-likelihoods are divided by, fitted on `rows`
    check rows, and the expected calibration error there without it (`raw_error`) and with it (`error`), 0..1."""

    temperature: float
    rows: int
    raw_error: float
    error: float

    @property
    def rest(self) -> float:
        """The share of every certainty that is spread evenly over the choices."""
        return _rest(self.rows)

    def probabilities(self, values: Sequence[float] | Array) -> Array:
        """[..., labels] log-likelihoods -> probabilities that sum to 1."""
        found = softmax(np.asarray(values, dtype=np.float64) / self.temperature)
        return _humble(found, self.rows)

    def slack(self, num_labels: int) -> float:
        """Labels that lie more than so many nats behind the best one move no probability by more than 1e-4, all of
        them together."""
        return self.temperature * math.log(1e4 * num_labels)


def softmax(values: Array) -> Array:
    grown = np.exp(values - values.max(-1, keepdims=True))
    found: Array = grown / grown.sum(-1, keepdims=True)
    return found


def fit_temperature(values: Array, right: NDArray[np.int64], prior: float = math.inf) -> float:
    """The temperature with the smallest loss on [rows, choices] scores whose right choices are known.

    prior: a normal prior of this width on the temperature's logarithm, so that a handful of rows that all happen to
    be right does not make every answer certain; inf: none.
    """
    places = np.arange(len(right))
    losses = [-np.log(softmax(values / t)[places, right] + 1e-12).sum() for t in _TEMPERATURES]
    weighed = np.array(losses) + 0.5 * (np.log(_TEMPERATURES) / prior) ** 2
    return float(_TEMPERATURES[int(np.argmin(weighed))])


def fit_certainty(values: Array, right: NDArray[np.int64]) -> Certainty:
    """From the labels' log-likelihoods [rows, labels] on check rows and the places of their right labels."""
    temperature = fit_temperature(values, right, _PRIOR)
    errors = []
    for t in (1.0, temperature):
        found = _humble(softmax(values / t), len(right))
        errors.append(calibration(found.max(-1), found.argmax(-1) == right)[0])
    return Certainty(round(temperature, 4), len(right), round(errors[0], 4), round(errors[1], 4))


def calibration(
    sure: Array, right: NDArray[np.bool_], num_bins: int = NUM_BINS
) -> tuple[float, tuple[tuple[float, float, int], ...]]:
    """The expected calibration error, 0..1, and the bins it comes from: (mean stated certainty, share that was
    right, answers) of the answers that are about equally sure."""
    if not len(sure):
        return 0.0, ()
    places = np.minimum((sure * num_bins).astype(int), num_bins - 1)
    inside = [places == place for place in np.unique(places)]
    bins = tuple((float(sure[i].mean()), float(right[i].mean()), int(i.sum())) for i in inside)
    return float(sum(abs(stated - share) * n for stated, share, n in bins) / len(sure)), bins


def write_certainties(path: Path, found: dict[str, Certainty]) -> None:
    """Of a run's tasks, by their id."""
    write_json_atomic(path, {task_id: asdict(certainty) for task_id, certainty in found.items()})


def read_certainties(path: Path) -> dict[str, Certainty] | None:
    """None where nothing was measured.

    Raises:
        WorkspaceError: the file is damaged.
    """
    if not path.is_file():
        return None
    return read_record(dict[str, Certainty], path)


def _rest(rows: int) -> float:
    return 1.0 / (rows + 2)


def _humble(found: Array, rows: int) -> Array:
    share = _rest(rows)
    return found * (1.0 - share) + share / found.shape[-1]

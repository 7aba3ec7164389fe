"""Which examples of which task an epoch holds, in which order. Fixed by (seed, epoch); no state between epochs.

Strategies (Raffel et al. 2020, section 3.5.2; capped as in the repository of C-Poly, Wang et al. 2024):
proportional, capped (no task more than cap_ratio times the smallest), temperature (n^(1/T)), equal, and balanced:
equal shares dealt out so evenly that every run of as many examples as there are tasks holds about one of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.base.errors import SettingError

STRATEGIES = ("proportional", "capped", "temperature", "equal", "balanced")


@dataclass(frozen=True)
class MixtureSettings:
    """`cap_ratio` serves capped, `temperature` serves temperature (1 = proportional, large = equal)."""

    strategy: str = "capped"
    cap_ratio: float = 3.0
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise SettingError("registry.unknown", kind="mixture", name=self.strategy, known=", ".join(STRATEGIES))
        for name in ("cap_ratio", "temperature"):
            if getattr(self, name) < 1:
                raise SettingError("setting.low", name=name, value=getattr(self, name), bound=1)


class MixtureSampler:
    """Deals out examples of several tasks.

    Args:
        sizes: examples of each task; a task without examples gets no share.
    """

    def __init__(self, sizes: Sequence[int], settings: MixtureSettings | None = None, seed: int = 0) -> None:
        self.sizes = list(sizes)
        self.settings = settings or MixtureSettings()
        self.seed = seed
        if not any(self.sizes):
            raise SettingError("task.no_examples")
        self._counts = self._epoch_counts()

    def shares(self) -> list[float]:
        """Share of each task in an epoch; they add up to 1."""
        total = sum(self._counts)
        return [count / total for count in self._counts]

    def counts(self) -> list[int]:
        """Examples of each task in one epoch."""
        return list(self._counts)

    def passes(self) -> list[float]:
        """How often an epoch goes through each task's examples (1 = once)."""
        return [c / n if n else 0.0 for c, n in zip(self._counts, self.sizes, strict=True)]

    def epoch_examples(self, epoch: int) -> list[tuple[int, int]]:
        """(task index, example index) of one epoch, mixed. Capped tasks go on where the last epoch stopped."""
        pairs: list[tuple[int, int]] = []
        for task, count in enumerate(self._counts):
            # Where the last epoch ended: over several epochs a capped task is seen whole.
            pairs += [(task, index) for index in self._slice(task, epoch * count, count)]
        rng = np.random.default_rng((self.seed, 1, epoch))
        if self.settings.strategy != "balanced":
            return [pairs[i] for i in rng.permutation(len(pairs))]
        # The i-th of a task's n examples stands at (i + chance) / n of the epoch.
        steps = np.concatenate([np.arange(n) for n in self._counts])
        sizes = np.repeat(self._counts, self._counts)
        return [pairs[i] for i in np.argsort((steps + rng.random(len(pairs))) / sizes, kind="stable")]

    def _epoch_counts(self) -> list[int]:
        sizes, settings = self.sizes, self.settings
        if settings.strategy == "proportional":
            return list(sizes)
        if settings.strategy == "capped":
            cap = int(settings.cap_ratio * min(n for n in sizes if n))
            return [min(n, cap) for n in sizes]
        power = 0.0 if settings.strategy in ("equal", "balanced") else 1.0 / settings.temperature
        weights = [n**power if n else 0.0 for n in sizes]
        scale = sum(sizes) / sum(weights)
        # At least one: a small task must not vanish from an epoch by rounding.
        return [max(1, round(w * scale)) if n else 0 for w, n in zip(weights, sizes, strict=True)]

    def _slice(self, task: int, start: int, count: int) -> list[int]:
        """Positions start..start+count of the endless stream of shuffled passes through a task."""
        size = self.sizes[task]
        found: list[int] = []
        while len(found) < count:
            cycle, offset = divmod(start + len(found), size)
            order = np.random.default_rng((self.seed, 2, task, cycle)).permutation(size)
            found += [int(i) for i in order[offset : offset + count - len(found)]]
        return found

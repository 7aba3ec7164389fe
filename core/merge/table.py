"""What a merge is asked for and what it found out about its tasks. Torch-free.

The ways: plain average; task arithmetic (Ilharco et al., arXiv 2212.04089); MetaGPT (Zhou et al., arXiv
2406.11385); TIES (Yadav et al., arXiv 2306.01708); DARE (Yu et al., arXiv 2311.03099). Arrow (Ostapenko et al.,
arXiv 2405.11157) adds nothing up: the LoRAs stay side by side and every token chooses among them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.base.errors import RunError, SettingError, require_between

AVERAGE, ARITHMETIC, METAGPT, TIES, DARE = "average", "task_arithmetic", "metagpt", "ties", "dare"
ARROW = "arrow"
WAYS = (METAGPT, AVERAGE, ARITHMETIC, TIES, DARE, ARROW)
DENSE = (TIES, DARE)  # these work on single numbers of the weight change, not on its factors
MAX_RANK = 256
SAME = 0.9999  # cosine of two changes that are one
_SCALES = {ARITHMETIC: 0.3, TIES: 1.0}  # DARE: 1 / number of tasks
_DENSITIES = {TIES: 0.2, DARE: 0.5}


@dataclass(frozen=True)
class MergeSettings:
    """scale: factor of every task (task arithmetic, TIES, DARE; None: the way's default). density: share of the
    numbers that TIES and DARE keep. rank of the merged adapter (None: large enough for all tasks side by side, at
    most 256; Arrow: that of the largest LoRA). seed of DARE's draws. top: LoRAs that answer for one token (Arrow).

    Raises:
        SettingError: an unknown way, or a value out of bounds.
    """

    way: str = METAGPT
    scale: float | None = None
    density: float | None = None
    rank: int | None = None
    seed: int = 0
    top: int = 3

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise SettingError("registry.unknown", kind="way of merging", name=self.way, known=", ".join(WAYS))
        bounds = {"scale": (0.0, 10.0), "density": (0.01, 1.0), "rank": (1, MAX_RANK), "top": (1, 64)}
        for name, (low, high) in bounds.items():
            require_between(name, getattr(self, name), low, high)

    def require_scale(self, num_tasks: int) -> float:
        return self.scale if self.scale is not None else _SCALES.get(self.way, 1.0 / num_tasks)

    def require_density(self) -> float:
        return self.density if self.density is not None else _DENSITIES.get(self.way, 1.0)


@dataclass(frozen=True)
class MergeTable:
    """For each task: Frobenius norm of its weight change over all layers, its factor (lambda), and the cosine with
    every task's change. `kept`: share of the merged change's squared norm that fits into `rank`. `top`: how many
    LoRAs answer for a token, where they are not added up."""

    way: str
    tasks: list[str]
    norms: list[float]
    factors: list[float]
    cosines: list[list[float]]
    rank: int
    kept: float
    scale: float | None = None
    density: float | None = None
    top: int | None = None

    @property
    def is_of_one_adapter(self) -> bool:
        """Whether all tasks change the weights alike, as those of a method do that shares one adapter."""
        return len(self.tasks) > 1 and min(map(min, self.cosines)) >= SAME

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_merge(run_dir: Path) -> MergeTable:
    """The table of a merged run.

    Raises:
        RunError: the run was not made by merging.
    """
    from core.base.records import read_record
    from core.runs.folder import RunFolder  # the command line lists WAYS before it loads anything

    path = RunFolder(run_dir).merge_path
    if not path.is_file():
        raise RunError("merge.not_merged", run=Path(run_dir).name)
    return read_record(MergeTable, path)


def metagpt_factors(norms: list[float]) -> list[float]:
    """lambda_t = norm_t^2 / sum of norm^2 (MetaGPT, section 3, equation for the optimal coefficients).

    All zero changes share alike.
    """
    squares = [norm * norm for norm in norms]
    total = sum(squares)
    return [square / total for square in squares] if total else [1.0 / len(norms)] * len(norms)


def merge_factors(settings: MergeSettings, norms: list[float]) -> list[float]:
    """The factor of each task's change for a way of merging."""
    if settings.way == METAGPT:
        return metagpt_factors(norms)
    if settings.way == ARROW:
        return [1.0] * len(norms)
    if settings.way == AVERAGE:
        return [1.0 / len(norms)] * len(norms)
    return [settings.require_scale(len(norms))] * len(norms)

"""What the workbench knows about a task. Lives as task.json beside its rows; older files load with defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.base.errors import SettingError
from core.base.files import write_json_atomic
from core.base.records import read_record
from core.tasks.cell_text import LABEL_MARKS, MARKS
from core.tasks.guessing.kinds import KINDS, METRICS, kind_word

SPLITS = ("train", "validation", "test")
LABELLED = ("classification",)  # kinds of tasks whose answers are one of a few labels
SPLIT_METHODS = ("random", "stratified", "group", "column")


@dataclass(frozen=True)
class SplitSettings:
    """Shares of all rows (0 to 1) held back for validation and test, and the seed of the draw.

    `method` is random, stratified, group or column; the last two look at `column`.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    method: str = "random"
    column: str = ""

    def __post_init__(self) -> None:
        if self.method not in SPLIT_METHODS:
            known = ", ".join(SPLIT_METHODS)
            raise SettingError("registry.unknown", kind="way of splitting", name=self.method, known=known)
        if self.method in ("group", "column") and not self.column:
            raise SettingError("task.no_split_column", method=self.method)
        for name in ("validation", "test"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise SettingError("task.bad_share", name=name, value=share)
        if self.validation + self.test >= 1:
            raise SettingError("task.bad_share", name="validation + test", value=self.validation + self.test)


@dataclass(frozen=True)
class SourceInfo:
    """Where the rows came from. `sha256` is that of the train file."""

    file: str = ""
    test_file: str = ""
    validation_file: str = ""
    format: str = ""
    encoding: str = ""
    sha256: str = ""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True)
class TaskSpec:
    """One task: its columns, wording, metric and sizes. Immutable; changes go through `update_task`."""

    task_id: str
    name: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    instruction: str
    template: str  # the one that exams and chat use
    metric: str
    kind: str
    target_separator: str = " | "
    split: SplitSettings = field(default_factory=SplitSettings)
    source: SourceInfo = field(default_factory=SourceInfo)
    columns: tuple[str, ...] = ()
    num_train: int = 0
    num_validation: int = 0
    num_test: int = 0
    labels: tuple[str, ...] = ()
    label_names: dict[str, str] = field(default_factory=dict)
    label_marks: str = MARKS  # how several labels of one cell are parted: one of LABEL_MARKS
    templates: tuple[str, ...] = ()  # further wordings, drawn at random in training
    system: str = ""
    weight: str = ""  # a column of numbers: how much a practice row counts, against the mean row of its task
    created: float = 0.0
    version: int = 1
    highest_version: int = field(default=0, compare=False)  # ever given out: none comes back after an undo

    @property
    def next_version(self) -> int:
        return max(self.version, self.highest_version) + 1

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise SettingError("registry.unknown", kind="metric", name=self.metric, known=", ".join(METRICS))
        if self.label_marks not in LABEL_MARKS:
            known = ", ".join(LABEL_MARKS)
            raise SettingError("registry.unknown", kind="label marks", name=self.label_marks, known=known)
        if self.kind not in KINDS:
            raise SettingError(
                "registry.unknown", kind="task kind", name=self.kind, known=", ".join(map(kind_word, KINDS))
            )

    @property
    def num_examples(self) -> dict[str, int]:
        return {"train": self.num_train, "validation": self.num_validation, "test": self.num_test}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def write_spec(spec: TaskSpec, task_dir: Path) -> None:
    write_json_atomic(task_dir / "task.json", spec.as_dict())


def read_spec(task_dir: Path) -> TaskSpec:
    return read_record(TaskSpec, task_dir / "task.json")

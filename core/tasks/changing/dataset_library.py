"""What is left to the library `datasets`: what a data set's card declares, and its folders of Arrow files.

It takes two seconds and 150 MB to load, so it is loaded in the child process that parses (`child.py`) and by the
command that writes such a folder, never by the page. Nothing here reaches the network or runs code of a data set.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from core.base.errors import TaskFileError
from core.base.files import read_json, write_json_atomic
from core.base.folders import whole_folder
from core.tasks.cell_text import target_text
from core.tasks.reading.split_words import split_of_name
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import get_task, not_writable, read_rows, task_dir
from core.workspace import Project

ROLES = "taskloom.json"  # beside the splits: what the columns are for, which the library has no place for
DICT, SINGLE = "dataset_dict.json", "dataset_info.json"
_KEPT = ("name", "inputs", "targets", "instruction", "template", "metric", "kind", "target_separator", "weight")
_LABELLED = ("classification",)


@dataclass(frozen=True)
class CardFiles:
    """What a card declares of one configuration: files by split, and the names of label codes by column."""

    config: str
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_card(card: str, names: Sequence[str], config: str | None) -> CardFiles | None:
    """The files that the card of a repository with the files `names` declares; None where it declares none.

    Raises:
        TaskFileError: several configurations and none chosen, an unknown one, files that are not in the repository.
    """
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    try:
        data: Any = DatasetCard(card, ignore_metadata_errors=True).data
    except (ValueError, yaml.YAMLError):  # no card that declares anything
        return None
    try:
        configs = MetadataConfigs.from_dataset_card_data(data)
    except (ValueError, TypeError, KeyError) as error:
        raise TaskFileError("hub.bad_card", detail=str(error).strip().splitlines()[0][:200]) from error
    if not any("data_files" in declared for declared in configs.values()):
        return None
    chosen = config or configs.get_default_config_name()
    if chosen is None or chosen not in configs:
        raise TaskFileError("hub.which_config", config=config or "", known=", ".join(configs))
    splits = _find_files(configs[chosen], names)
    return CardFiles(chosen, splits, _label_names(data, chosen))


def _find_files(declared: Mapping[str, Any], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The library matches patterns against folders; so it gets one with empty files of those names."""
    from datasets.data_files import DataFilesDict, sanitize_patterns

    patterns = sanitize_patterns(declared.get("data_files") or {})
    for pattern in (p for some in patterns.values() for p in some):
        if "://" in pattern or PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
            raise TaskFileError("hub.outside_files", name=pattern[:200])
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve()
        for name in names:
            if not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).touch()
        base = root / str(declared.get("data_dir") or "")
        if not base.resolve().is_relative_to(root):
            raise TaskFileError("hub.outside_files", name=str(declared["data_dir"])[:200])
        try:
            found = DataFilesDict.from_patterns(patterns, base_path=str(base))
        except FileNotFoundError as error:
            raise TaskFileError("hub.missing_files", detail=str(error).splitlines()[0][:200]) from error
        empty = [str(split) for split in patterns if not found.get(split)]
        if empty:
            raise TaskFileError("hub.missing_files", detail=", ".join(empty))
        return {str(split): tuple(_inside(root, path) for path in paths) for split, paths in found.items()}


def _inside(root: Path, path: str) -> str:
    found = Path(path).resolve()
    if not found.is_relative_to(root):
        raise TaskFileError("hub.outside_files", name=path[:200])
    return found.relative_to(root).as_posix()


def _label_names(data: Any, config: str) -> dict[str, tuple[str, ...]]:
    """Names of the codes of every column of classes, as the card declares them."""
    from datasets import ClassLabel
    from datasets.info import DatasetInfosDict

    try:
        infos = DatasetInfosDict.from_dataset_card_data(data)
    except (ValueError, TypeError, KeyError, AttributeError):  # features are often written by hand
        return {}
    features = infos[config].features if config in infos else None
    return {n: tuple(f.names) for n, f in (features or {}).items() if isinstance(f, ClassLabel) and f.names}


def unpack_folder(folder: Path, target: Path) -> dict[str, Any]:
    """Writes every split of a folder of Arrow files as a parquet file -> {splits: {split: path}, roles}.

    Raises:
        TaskFileError: no folder that the library saved.
    """
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded: Any = datasets.load_from_disk(str(folder))
        parts = loaded if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
        splits = {}
        for number, (name, rows) in enumerate(parts.items()):
            path = target / f"{number}.parquet"
            rows.to_parquet(str(path))
            splits[str(name)] = str(path)
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are ValueErrors or OSErrors
        detail = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise TaskFileError("file.bad_arrow", file=folder.name, detail=detail) from error
    roles = read_json(folder / ROLES) if (folder / ROLES).is_file() else {}
    return {"splits": splits, "roles": roles}


def is_dataset_folder(folder: Path) -> bool:
    """Whether `datasets` has saved this folder (`save_to_disk`)."""
    return folder.is_dir() and any((folder / name).is_file() for name in (DICT, SINGLE))


def choose_splits(names: Iterable[str]) -> dict[str, str]:
    """{train, test, validation: name of the split} as far as the names say it; the first is train where none is."""
    listed = list(names)
    found: dict[str, str] = {}
    for name in listed:
        split = split_of_name(name)
        if split is not None:
            found.setdefault(split, name)
    if "train" not in found and listed:
        found["train"] = next((name for name in listed if name not in found.values()), listed[0])
    return found


def save_folder(project: Project, name: str, folder: Path) -> dict[str, int]:
    """Writes a task as a folder that `datasets.load_from_disk` opens -> rows by split.

    Labels become a column of classes; what the columns are for stands in a file beside the splits.

    Raises:
        WorkspaceError: no such task, or the folder cannot be written. TaskFileError: it is in use.
    """
    import datasets

    datasets.disable_progress_bars()
    spec = get_task(project, name)
    if folder.exists() and any(folder.iterdir()):
        raise TaskFileError("serving.target_used", folder=str(folder))
    source = task_dir(project, spec.task_id)
    rows = {split: [row for _, row in read_rows(source, split)] for split in SPLITS}
    features = _features(spec, [row for some in rows.values() for row in some])
    about = {"citation": spec.source.citation, "license": spec.source.licence}
    info = datasets.DatasetInfo(description=spec.instruction, features=features, **about)
    parts = datasets.DatasetDict(
        {
            split: datasets.Dataset.from_dict(_columns(some, features), features=features, info=info)
            for split, some in rows.items()
            if some
        }
    )
    try:
        with whole_folder(folder) as building:
            parts.save_to_disk(str(building))
            write_json_atomic(building / ROLES, {k: v for k, v in asdict(spec).items() if k in _KEPT})
    except OSError as error:
        raise not_writable(folder.parent, error) from error
    return {split: len(some) for split, some in rows.items()}


def _features(spec: TaskSpec, rows: Sequence[Mapping[str, Any]]) -> Any:
    """Numbers, lists of texts and classes keep their type; everything else is text."""
    from datasets import ClassLabel, Features, List, Value

    found: dict[str, Any] = {}
    for column in spec.columns:
        cells = [row.get(column) for row in rows]
        kinds = {type(cell) for cell in cells if cell is not None}
        if [column] == list(spec.targets) and spec.kind in _LABELLED and kinds == {str} and not spec.label_names:
            names = sorted({str(cell) for cell in cells if cell is not None})
            found[column] = ClassLabel(names=names)
        elif kinds and kinds <= {int} and all(abs(cell) < 2**63 for cell in cells if cell is not None):
            found[column] = Value("int64")
        elif kinds and kinds <= {int, float}:
            found[column] = Value("float64")
        elif kinds == {bool}:
            found[column] = Value("bool")
        elif kinds == {list} and all(isinstance(part, str) for cell in cells if cell for part in cell):
            found[column] = List(Value("string"))
        else:
            found[column] = Value("string")
    return Features(found)


def _columns(rows: Sequence[Mapping[str, Any]], features: Mapping[str, Any]) -> dict[str, list[Any]]:
    from datasets import Value

    text = Value("string")
    return {
        column: [_as_text(row.get(column)) if kind == text else row.get(column) for row in rows]
        for column, kind in features.items()
    }


def _as_text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict | list) else target_text(cell)

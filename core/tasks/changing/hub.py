"""Data sets from the Hugging Face Hub, for local use: data files only, no script of the data set is ever run.

The files are downloaded to the Hub's own cache and imported like dropped files: train and test parts are paired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import TaskFileError
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import stage
from core.tasks.changing.pairing import bare_name
from core.tasks.changing.staging import commit_tasks, free_name, taken_names
from core.tasks.reading.files import SUFFIXES
from core.tasks.reading.shards import SHARD, name_parts, require_total
from core.tasks.reading.split_words import split_of_name
from core.tasks.spec import TaskSpec
from core.workspace import Project

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
TIMEOUT = 20.0  # seconds until the Hub answers


@dataclass(frozen=True)
class HubFiles:
    """The files of a data set that make one task, several where a split is cut into numbered parts; `others` are
    further splits that were not chosen."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    others: tuple[str, ...]
    validation: tuple[str, ...] = ()


def choose_files(names: list[str], config: str | None = None) -> HubFiles:
    """Picks train, test and check file of a repository: of `config`, else of the first folder with a train part.

    Raises:
        TaskFileError: nothing that this program can read, or a numbered part is missing.
    """
    usable = sorted(n for n in names if n.lower().endswith(SUFFIXES) and not n.startswith("."))
    if config:
        usable = [n for n in usable if config in Path(n).parts or Path(n).name.startswith(f"{config}.")]
    data = [n for n in usable if Path(n).name not in ("dataset_infos.json", "README.txt", "LICENSE.txt")]
    trains = [n for n in data if _split_of(n) == "train"] or [n for n in data if _split_of(n) is None] or data[:1]
    if not trains:
        raise TaskFileError("hub.no_files", known=", ".join(SUFFIXES))
    beside = [n for n in data if Path(n).parent == Path(trains[0]).parent]
    train = _all_parts(trains[0], beside)
    test, check = (_part(split, beside, train) for split in ("test", "validation"))
    return HubFiles(train, test, tuple(n for n in beside if n not in (*train, *test, *check)), check)


def _part(split: str, beside: list[str], train: tuple[str, ...]) -> tuple[str, ...]:
    found = next((n for n in beside if _split_of(n) == split and n not in train), None)
    return _all_parts(found, beside) if found else ()


def _split_of(name: str) -> str | None:
    shard = SHARD.fullmatch(Path(name).name)
    return split_of_name(shard[1] if shard else bare_name(Path(name)))


def _all_parts(name: str, beside: list[str]) -> tuple[str, ...]:
    """The file and the other numbered parts of its split, in order."""
    shard = SHARD.fullmatch(name)
    if shard is None:
        return (name,)
    kin = ((n, SHARD.fullmatch(n)) for n in beside)
    found = {int(m[2]): n for n, m in kin if m and (m[1], m[3], m[4]) == (shard[1], shard[3], shard[4])}
    count = int(shard[3])
    for i in range(count):
        if i not in found:
            raise TaskFileError("hub.missing_part", file=f"{shard[1]}-{i:05d}-of-{shard[3]}{shard[4]}", parts=count)
    return tuple(found[i] for i in range(count))


def add_hub_dataset(project: Project, dataset_id: str, config: str | None = None) -> TaskSpec:
    """Downloads a data set's train and test file and adds them as a task.

    Raises:
        TaskFileError: no such data set, no connection, or nothing usable in it.
    """
    if not _ID.fullmatch(dataset_id):
        raise TaskFileError("hub.bad_id", dataset=dataset_id[:100])
    chosen, revision = _look_up(dataset_id, config)
    train, *more = (_download(dataset_id, name, revision) for name in chosen.train)
    tests, checks = (
        [_download(dataset_id, n, revision) for n in part] for part in (chosen.test, chosen.validation)
    )
    taken = taken_names(project)
    request = TaskRequest(
        name=free_name(dataset_id.rpartition("/")[2][:70], taken),
        more_paths=tuple(more),
        test_path=tests[0] if tests else None,
        more_test_paths=tuple(tests[1:]),
        file_name=_label(chosen.train),
        test_file_name=_label(chosen.test) if chosen.test else None,
        validation_path=checks[0] if checks else None,
        more_validation_paths=tuple(checks[1:]),
        validation_file_name=_label(chosen.validation) if chosen.validation else None,
        citation=f"https://huggingface.co/datasets/{dataset_id}" + (f" ({revision[:12]})" if revision else ""),
    )
    return commit_tasks(project, [stage(project, train, request, taken, isolated=True)])[0]


def _label(names: tuple[str, ...]) -> str:
    return name_parts([Path(name).name for name in names])


def _look_up(dataset_id: str, config: str | None) -> tuple[HubFiles, str | None]:
    """The files to take, and the commit that they are taken from; what is too large is not downloaded at all."""
    from huggingface_hub import HfApi  # here: only this door needs the network

    with _client_errors_worded(dataset_id):
        info = HfApi().dataset_info(dataset_id, timeout=TIMEOUT, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    chosen = choose_files(list(sizes), config)
    for names in (chosen.train, chosen.test, chosen.validation):
        require_total((sizes[name] for name in names), _label(names) if names else "")
    return chosen, info.sha


def _download(dataset_id: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    with _client_errors_worded(dataset_id):
        return Path(hf_hub_download(dataset_id, name, repo_type="dataset", revision=revision))


@contextmanager
def _client_errors_worded(dataset_id: str) -> Iterator[None]:
    """Around calls of the Hub's client and nothing else: it raises the errors of three libraries."""
    try:
        yield
    except Exception as error:
        detail = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise TaskFileError("hub.unreachable", dataset=dataset_id, detail=detail) from error

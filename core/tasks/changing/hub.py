"""Data sets from the Hugging Face Hub, for local use: data files only, no script of the data set is ever run.

Which files are the train, test and check part is what the data set's card declares (the library `datasets` reads
it, in a child process without network); else their names say it. They are downloaded to the Hub's own cache,
nothing that is too large or lies elsewhere, and imported like dropped files: our reader finds encodings and
separators, and tells what it did (see assets/docs/decisions.md for the library's own loaders).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import TaskFileError
from core.base.records import from_record
from core.tasks.changing.dataset_library import CardFiles, choose_splits
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import ParseLimits, ask_child, stage
from core.tasks.changing.pairing import bare_name
from core.tasks.changing.staging import commit_tasks, free_name, taken_names
from core.tasks.reading.files import SUFFIXES
from core.tasks.reading.shards import SHARD, name_parts, require_total
from core.tasks.reading.split_words import split_of_name
from core.tasks.spec import TaskSpec
from core.workspace import Project

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
TIMEOUT = 20.0  # seconds until the Hub answers
CARD, CARD_SECONDS, MAX_CARD_BYTES = "README.md", 120, 4 << 20


@dataclass(frozen=True)
class HubFiles:
    """The files of a data set that make one task, several where a split is cut into numbered parts; `others` are
    further splits and configurations, which are named and not taken."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    others: tuple[str, ...]
    validation: tuple[str, ...] = ()


# How a file's name says that it is to practise on: the first that any file fulfils decides.
_TRAIN: tuple[Callable[[str | None], bool], ...] = (
    lambda split: split == "train",
    lambda split: split is None,
    lambda split: True,
)
_ABOUT = ("dataset_infos.json", "README.txt", "LICENSE.txt")


def choose_files(names: list[str], config: str | None = None) -> HubFiles:
    """Picks train, test and check file of a repository: of `config`, else of the first folder with a train part.

    Raises:
        TaskFileError: nothing that this program can read, or a numbered part is missing.
    """
    data = [n for n in sorted(names) if _is_data(n) and (not config or _is_of(config, n))]
    first = next((n for holds in _TRAIN for n in data if holds(_split_of(n))), None)
    if first is None:
        raise TaskFileError("hub.no_files", known=", ".join(SUFFIXES))
    beside = [n for n in data if Path(n).parent == Path(first).parent]
    train = _all_parts(first, beside)
    test, check = (_part(split, beside, train) for split in ("test", "validation"))
    return HubFiles(train, test, tuple(n for n in data if n not in (*train, *test, *check)), check)


def _is_data(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".") and Path(name).name not in _ABOUT


def _is_of(config: str, name: str) -> bool:
    """A configuration has a folder, or one file that begins with its name."""
    return config in Path(name).parts or Path(name).name.startswith(f"{config}.")


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
    chosen, revision, label_names = _look_up(dataset_id, config)
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
        targets=tuple(label_names) or None,
        label_names={str(code): name for names in label_names.values() for code, name in enumerate(names)},
        not_taken=chosen.others,
        citation=f"https://huggingface.co/datasets/{dataset_id}" + (f" ({revision[:12]})" if revision else ""),
    )
    return commit_tasks(project, [stage(project, train, request, taken, isolated=True)])[0]


def _label(names: tuple[str, ...]) -> str:
    return name_parts([Path(name).name for name in names])


def _look_up(dataset_id: str, config: str | None) -> tuple[HubFiles, str | None, dict[str, tuple[str, ...]]]:
    """The files to take, the commit that they are taken from, and the declared names of label codes by column; what
    is too large is not downloaded at all."""
    from huggingface_hub import HfApi  # here: only this door needs the network

    with _client_errors_worded(dataset_id):
        info = HfApi().dataset_info(dataset_id, timeout=TIMEOUT, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    card = _read_card(dataset_id, list(sizes), config, info.sha) if CARD in sizes else None
    chosen = choose_files(list(sizes), config) if card is None else declared_files(card)
    for names in (chosen.train, chosen.test, chosen.validation):
        require_total((sizes[name] for name in names), _label(names) if names else "")
    return chosen, info.sha, _names_of_codes(card, chosen)


def declared_files(card: CardFiles) -> HubFiles:
    """The files of a card's splits.

    Raises:
        TaskFileError: no train split that this program can read.
    """
    usable = {
        split: tuple(n for n in names if n.lower().endswith(SUFFIXES)) for split, names in card.splits.items()
    }
    splits = choose_splits(split for split, names in usable.items() if names)
    if "train" not in splits:
        raise TaskFileError("hub.no_files", known=", ".join(SUFFIXES))
    parts = [usable[splits[part]] if part in splits else () for part in ("train", "test", "validation")]
    others = tuple(n for split, names in usable.items() if split not in splits.values() for n in names)
    return HubFiles(parts[0], parts[1], others, parts[2])


def _names_of_codes(card: CardFiles | None, chosen: HubFiles) -> dict[str, tuple[str, ...]]:
    """The one declared column of classes, which is the answer; parquet files bring the names of theirs along."""
    if card is None or len(card.labels) != 1 or chosen.train[0].lower().endswith(".parquet"):
        return {}
    return card.labels


def _read_card(dataset_id: str, names: list[str], config: str | None, revision: str | None) -> CardFiles | None:
    path = _download(dataset_id, CARD, revision)
    if path.stat().st_size > MAX_CARD_BYTES:
        raise TaskFileError("hub.bad_card", detail=f"{CARD} > {MAX_CARD_BYTES >> 20} MB")
    text = path.read_text(encoding="utf-8", errors="replace")
    request = {"verb": "card", "card": text, "names": names, "config": config}
    found = ask_child(request, dataset_id, ParseLimits(CARD_SECONDS))["card"]
    return None if found is None else from_record(CardFiles, found, CARD)


def _download(dataset_id: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    with _client_errors_worded(dataset_id):
        return Path(hf_hub_download(dataset_id, name, repo_type="dataset", revision=revision))


@contextmanager
def _client_errors_worded(dataset_id: str) -> Iterator[None]:
    """Around calls of the Hub's client and nothing else: it raises the errors of three libraries.

    Its refusals and those of the network are OSErrors, names it does not take ValueErrors; the others stand alone.
    """
    from huggingface_hub import errors

    alone = (errors.HTTPError, errors.EntryNotFoundError, errors.RevisionResolutionError, errors.XetDownloadError)
    try:
        yield
    except (OSError, ValueError, RuntimeError, *alone) as error:
        detail = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise TaskFileError("hub.unreachable", dataset=dataset_id, detail=detail) from error

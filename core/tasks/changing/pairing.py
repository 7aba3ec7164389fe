"""Which dropped files belong together: by whole words of their names (train, test, dev), numbered parts, labels.

A file whose name says test or check set and that finds no partner is not paired with anything: it is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.base.errors import Problem
from core.tasks.reading.files import SUFFIXES
from core.tasks.reading.split_words import name_tokens, split_of_name, split_of_word, stem_tokens

_SHARD = re.compile(
    r"(?P<base>.*?)[-_. ]*(?<!\d)(?P<part>\d{1,5})[-_ ]?of[-_ ]?(?P<count>\d{1,5})(?:-[0-9a-f]{16})?", re.I
)
_LABELS = frozenset(("label", "labels"))
Hint = dict[str, Any]


@dataclass(frozen=True)
class FileSet:
    """The files of one task to be, each as its parts in order, and what a domain.json says about it."""

    train: tuple[Path, ...]
    test: tuple[Path, ...] = ()
    validation: tuple[Path, ...] = ()
    labels: Path | None = None
    hint: Hint = field(default_factory=dict)

    @property
    def paths(self) -> tuple[Path, ...]:
        return (*self.train, *self.test, *self.validation, *((self.labels,) if self.labels else ()))


@dataclass(frozen=True)
class LoneFile:
    """A file that its name calls test or validation, without the file it belongs to."""

    path: Path
    split: str

    @property
    def problem(self) -> Problem:
        """The question, as an import report shows it."""
        return Problem(self.path.name, "pair.lone", {"file": self.path.name, "split": self.split}, "warning")


@dataclass(frozen=True)
class Pairing:
    sets: tuple[FileSet, ...]
    lone: tuple[LoneFile, ...] = ()
    failed: tuple[tuple[str, Problem], ...] = ()


@dataclass(frozen=True)
class _Named:
    """One table, perhaps in numbered parts, and what its name says."""

    paths: tuple[Path, ...]
    suffix: str
    split: str | None
    stem: tuple[str, ...]
    in_folder: bool  # the split is said by the folder

    @property
    def folder(self) -> Path:
        parent = self.paths[0].parent
        return parent.parent if self.in_folder else parent


def pair_files(paths: Sequence[Path], alone: Sequence[str] = ()) -> Pairing:
    """Groups files into tasks, in the order of their training files.

    Args:
        alone: names of files that are tasks of their own, whatever they are called.
    """
    failed: list[tuple[str, Problem]] = []
    named = _named(paths, failed)
    labels = _label_files(named)
    tables = [n for n in named if n not in labels.values()]
    mains = [n for n in tables if n.split in (None, "train") or n.paths[0].name in alone]
    by_main: dict[int, dict[str, _Named]] = {}
    lone = []
    for part in (n for n in tables if n not in mains):
        main = _main_of(part, mains)
        taken = by_main.setdefault(id(main), {}) if main else {}
        rival = taken.get(part.split or "")
        if main is None or (rival is not None and not _fits_better(part, rival, main)):
            lone.append(LoneFile(part.paths[0], part.split or ""))
            continue
        if rival is not None:
            lone.append(LoneFile(rival.paths[0], rival.split or ""))
        taken[part.split or ""] = part
    sets = []
    for main in mains:
        parts = by_main.get(id(main), {})
        test, validation = (parts[s].paths if s in parts else () for s in ("test", "validation"))
        names = labels.get(main.stem)
        sets.append(FileSet(main.paths, test, validation, names.paths[0] if names else None))
    asked = _not_told_by_folder(lone, sets)
    return Pairing(tuple(sets), tuple(asked), tuple(failed))


def bare_name(path: Path) -> str:
    """The name without its ending: mail.test.csv.gz -> mail.test"""
    return path.name[: len(path.name) - len(_suffix(path))]


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s)), "")


def _named(paths: Sequence[Path], failed: list[tuple[str, Problem]]) -> list[_Named]:
    """Every file with what its name says; numbered parts of one table are one."""
    shards: dict[tuple[str, int, str], dict[int, Path]] = {}
    found: list[_Named | tuple[str, int, str]] = []
    for path in paths:
        match = _SHARD.fullmatch(bare_name(path))
        if match and _is_part(match):
            key = (match["base"], int(match["count"]), _suffix(path))
            if key not in shards:
                found.append(key)
            shards.setdefault(key, {})[int(match["part"])] = path
        else:
            found.append(_describe((path,), bare_name(path)))
    named = []
    for item in found:
        if isinstance(item, _Named):
            named.append(item)
            continue
        parts, count = shards[item], item[1]
        first = 0 if 0 in parts else 1
        missing = [n for n in range(first, first + count) if n not in parts]
        if missing:
            name = parts[min(parts)].name
            values = {"file": name, "parts": count, "missing": ", ".join(map(str, missing[:10]))}
            failed.append((name, Problem(name, "pair.missing_parts", values)))
            continue
        named.append(_describe(tuple(parts[n] for n in sorted(parts)), item[0]))
    return named


def _is_part(match: re.Match[str]) -> bool:
    """00000-of-00001 is a whole that is numbered; '1 of 1' is a name like any other."""
    part, count = int(match["part"]), int(match["count"])
    return part <= count and (count > 1 or (count == 1 and len(match["count"]) == 5))


def _describe(paths: tuple[Path, ...], name: str) -> _Named:
    split = split_of_name(name)
    folder = split_of_word(paths[0].parent.name) if split is None else None
    stem = stem_tokens(name) if split else tuple(name_tokens(name))
    return _Named(paths, _suffix(paths[0]), split or folder, stem, folder is not None)


def _label_files(named: Sequence[_Named]) -> dict[tuple[str, ...], _Named]:
    """NAME_labels.EXT beside NAME.EXT, by the stem of NAME."""
    stems = {n.stem for n in named}
    return {n.stem[:-1]: n for n in named if len(n.stem) > 1 and n.stem[-1] in _LABELS and n.stem[:-1] in stems}


def _main_of(part: _Named, mains: Sequence[_Named]) -> _Named | None:
    """The training file of the same name: of several the one of the same folder, the same ending, called train."""
    same = [m for m in mains if m.stem == part.stem]
    if not part.stem:
        same = [m for m in same if m.split == "train"]
    return max(
        same, key=lambda m: (m.folder == part.folder, m.split == "train", m.suffix == part.suffix), default=None
    )


def _fits_better(part: _Named, rival: _Named, main: _Named) -> bool:
    def fit(n: _Named) -> tuple[bool, bool]:
        return n.folder == main.folder, n.suffix == main.suffix

    return fit(part) > fit(rival)


def _not_told_by_folder(lone: list[LoneFile], sets: list[FileSet]) -> list[LoneFile]:
    """A folder called test says nothing about a file that came alone: it becomes a task."""
    kept = []
    for item in lone:
        if split_of_name(bare_name(item.path)) is None:
            sets.append(FileSet((item.path,)))
        else:
            kept.append(item)
    return kept

"""Folders that appear whole or not at all: written under a hidden name, then renamed in one step.

A name that begins with a point is work in progress; every list of folders passes it over.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from core.base.files import sync_files

HIDDEN = ".part-"
STALE_S = 24 * 3600.0
_RENAMEAT2 = getattr(ctypes.CDLL(None), "renameat2", None)  # of glibc; Python has no name for it
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def hidden_beside(place: Path) -> Path:
    """A free hidden name in the same folder, so that a rename to `place` is one step of the file system."""
    return place.with_name(f"{HIDDEN}{secrets.token_hex(6)}")


@contextlib.contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A new folder to write into, which becomes `place` when the block ends well, in place of what stood there.

    After any other end, Ctrl-C among them, it is gone and `place` is as it was.

    Raises:
        OSError: the folder cannot be made or renamed.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    building = hidden_beside(place)
    building.mkdir()
    with undone_on_error(lambda: shutil.rmtree(building, ignore_errors=True)):
        yield building
        replace_folder(building, place)


def replace_folder(new: Path, place: Path) -> None:
    """Lets `new` stand in `place`; what stood there is removed, or put back when the rename fails.

    Where the system can exchange two folders (Linux, most of its file systems) there is no moment without one. Else
    a process that dies between the two renames leaves the old one as `.NAME.old`, and `restore_folder` finds it.

    Raises:
        OSError: a rename failed.
    """
    if not place.exists():
        new.rename(place)
    elif _exchange(new, place):
        sync_files([place])
        shutil.rmtree(new, ignore_errors=True)
    else:
        old = _old_name(place)
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        with undone_on_error(lambda: old.rename(place)):
            new.rename(place)
        sync_files([place])
        shutil.rmtree(old, ignore_errors=True)


def restore_folder(place: Path) -> None:
    """Puts back what a process that died inside `replace_folder` had set aside."""
    old = _old_name(place)
    if old.is_dir() and not place.is_dir():
        old.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(place: Path) -> None:
    """Takes a folder out of every list at once, even when removing its files takes a while.

    Raises:
        OSError: it cannot be renamed, or not all of it can be removed.
    """
    grave = hidden_beside(place)
    place.rename(grave)
    shutil.rmtree(grave)


def remove_leftovers(folder: Path, older_than_s: float = STALE_S) -> None:
    """Work in progress that a killed process left in a folder."""
    for leftover in folder.glob(f"{HIDDEN}*"):
        with contextlib.suppress(FileNotFoundError):  # finished by its owner meanwhile
            if time.time() - leftover.stat().st_mtime >= older_than_s:
                shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def undone_on_error(undo: Callable[[], object]) -> Iterator[None]:
    """Calls `undo` when the block ends by an error of any kind, Ctrl-C among them, and lets the error go on."""
    with contextlib.ExitStack() as ends:
        ends.callback(undo)
        yield
        ends.pop_all()


def _old_name(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _exchange(first: Path, second: Path) -> bool:
    """Exchanges two folders in one step; False where the system or the file system cannot."""
    if _RENAMEAT2 is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    return bool(_RENAMEAT2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)

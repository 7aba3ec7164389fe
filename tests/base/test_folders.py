"""Folders appear whole or not at all, and what stood there is never lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from core.base import folders
from core.base.folders import (
    hidden_beside,
    remove_folder,
    remove_leftovers,
    replace_folder,
    restore_folder,
    undone_on_error,
    whole_folder,
)
from core.base.processes import Order, end_group, python, start_piped


def make(place: Path, text: str) -> Path:
    place.mkdir()
    (place / "file").write_text(text)
    return place


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two renames":
        monkeypatch.setattr(folders, "_RENAMEAT2", None)
    return str(request.param)


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "place"
    with whole_folder(place) as building:
        (building / "file").write_text("new")
        assert not place.exists()
        assert building.name.startswith(".")
    assert (place / "file").read_text() == "new"
    assert names(place.parent) == ["place"]


def test_one_that_stood_there_is_replaced(tmp_path: Path, way: str) -> None:
    place = make(tmp_path / "place", "old")
    with whole_folder(place) as building:
        (building / "file").write_text("new")
        assert (place / "file").read_text() == "old"
    assert (place / "file").read_text() == "new"
    assert names(tmp_path) == ["place"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_after_any_error_all_is_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    place = make(tmp_path / "place", "old")

    def build() -> None:
        with whole_folder(place) as building:
            (building / "file").write_text("new")
            raise error

    with pytest.raises(error):
        build()
    assert (place / "file").read_text() == "old"
    assert names(tmp_path) == ["place"]


def test_a_rename_that_fails_puts_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_RENAMEAT2", None)
    place = make(tmp_path / "place", "old")
    with pytest.raises(OSError, match="missing"):
        replace_folder(tmp_path / "missing", place)
    assert (place / "file").read_text() == "old"
    assert names(tmp_path) == ["place"]


def test_there_is_no_moment_without_the_folder(tmp_path: Path) -> None:
    """A reader looks all the time while the folder is replaced two hundred times."""
    place, missed, over = make(tmp_path / "place", "0"), [], threading.Event()

    def look() -> None:
        while not over.is_set():
            if not place.exists():
                missed.append(time.time())

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(200):
        replace_folder(make(tmp_path / "new", str(number)), place)
    over.set()
    reader.join()
    assert not missed
    assert (place / "file").read_text() == "199"


def test_what_a_killed_process_set_aside_is_put_back(tmp_path: Path) -> None:
    """Killed between the two renames, where the file system cannot exchange."""
    place = make(tmp_path / "place", "old")
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom core.base import folders\n"
        "folders._RENAMEAT2 = None\n"
        "class Stuck(type(Path())):\n    def rename(self, target):\n"
        "        print('now', flush=True)\n        time.sleep(60)\n"
        f"new = Path({str(tmp_path)!r}) / 'new'\nnew.mkdir()\n"
        f"folders.replace_folder(Stuck(new), Path({str(place)!r}))\n"
    )
    process = start_piped(Order(python("-c", code)), tmp_path / "log")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"now\n", (tmp_path / "log").read_text()
    os.killpg(process.pid, signal.SIGKILL)
    end_group(process, 5)
    process.stdin.close()
    process.stdout.close()
    assert not place.exists()
    restore_folder(place)
    assert (place / "file").read_text() == "old"
    restore_folder(place)
    assert names(tmp_path) == ["log", "new", "place"]


def test_removal_and_leftovers(tmp_path: Path) -> None:
    remove_folder(make(tmp_path / "place", "x"))
    assert names(tmp_path) == []
    old, fresh = make(hidden_beside(tmp_path / "a"), "x"), make(hidden_beside(tmp_path / "a"), "y")
    os.utime(old, (0, 0))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [fresh.name]
    remove_leftovers(tmp_path, older_than_s=0)
    assert names(tmp_path) == []


def test_undo_is_called_for_errors_only() -> None:
    called: list[str] = []
    with undone_on_error(lambda: called.append("good")):
        pass
    with pytest.raises(KeyError), undone_on_error(lambda: called.append("bad")):
        raise KeyError
    assert called == ["bad"]

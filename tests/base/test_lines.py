"""Files of JSON lines: torn tails, damage that is named, writers at the same time, a full disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.base.errors import WorkspaceError
from core.base.limits import Limits
from core.base.lines import append_records, end_of_last_line, read_records, whole_lines
from core.base.processes import Order, python, run_to_end


def test_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert read_records(path) == []
    append_records(path, [{"text": "é\u2028 one line"}, [1, 2]])
    append_records(path, iter([3]), is_synced=True)
    assert read_records(path) == [{"text": "é\u2028 one line"}, [1, 2], 3]


@pytest.mark.parametrize("torn", [b'{"a": ', '{"a": "é'.encode()[:-1], b"4"])
def test_a_torn_line_is_not_read_and_cut_off_by_the_next_writer(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n2\n" + torn)
    assert read_records(path) == [1, 2]
    append_records(path, [5])
    assert path.read_bytes() == b"1\n2\n5\n"


@pytest.mark.parametrize("damage", [b"{]\n", b"\xff\xff\n", b"[" * 100_000 + b"\n"])
def test_damage_names_file_and_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n" + damage)
    with pytest.raises(WorkspaceError, match=r"a\.jsonl") as caught:
        read_records(path)
    assert b"\xff" in damage or "line 2" in caught.value.values["detail"]


def test_several_writers_leave_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    def write(name: int) -> None:
        for number in range(50):
            append_records(path, [{"writer": name, "number": number, "text": "x" * 500}])

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((r["writer"], r["number"]) for r in read_records(path)) == [
        (w, n) for w in range(4) for n in range(50)
    ]


def test_a_full_disk_leaves_the_lines_as_they_were(tmp_path: Path) -> None:
    """The second line fits in part only: nothing of it stays."""
    path = tmp_path / "a.jsonl"
    code = (
        "from pathlib import Path\nfrom core.base.errors import WorkspaceError\n"
        "from core.base.lines import append_records\n"
        f"append_records(Path({str(path)!r}), ['first'])\n"
        "try:\n"
        f"    append_records(Path({str(path)!r}), ['x' * 9000])\n"
        "except WorkspaceError as error:\n    print(error.key)\n"
    )
    no_torn_programs = {"PYTHONDONTWRITEBYTECODE": "1"}
    done = run_to_end(Order(python("-c", code), variables=no_torn_programs, limits=Limits(written_bytes=4096)), 60)
    assert done.output == "workspace.read_only\n", done.complaints
    assert path.read_bytes() == b'"first"\n'


def test_the_end_of_whole_lines_is_found_in_long_files(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n" + b"x" * 200_000)
    assert end_of_last_line(path) == 2
    path.write_bytes(b"x" * 200_000)
    assert end_of_last_line(path) == 0
    assert whole_lines(path) == []

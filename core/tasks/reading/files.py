"""Reading a task file: which format it is (name and content must agree), then the reader of that format."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import TaskFileError
from core.tasks.reading.asked_encoding import ask_encoding
from core.tasks.reading.columnar import read_parquet
from core.tasks.reading.delimited import read_delimited
from core.tasks.reading.forms.registry import unfold_forms
from core.tasks.reading.jsons import read_json, read_jsonl
from core.tasks.reading.limits import MAX_FILE_BYTES
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.sheets import read_sheet
from core.tasks.reading.table import ProblemLog, Table
from core.tasks.reading.task_csv import read_task_csv
from core.tasks.reading.text_encoding import GZIP_MAGIC, Source

_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
    ".pq": "parquet",
}
SUFFIXES = (*_BY_SUFFIX, *(f"{s}.gz" for s, f in _BY_SUFFIX.items() if f not in ("xlsx", "parquet")))
_MAGIC = (
    (b"PK\x03\x04", "xlsx"),
    (b"PAR1", "parquet"),
    (b"\xd0\xcf\x11\xe0", "xls"),
    (b"%PDF", "pdf"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"SQLite format 3", "database"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"Rar!", "rar"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x80\x04\x95", "pickle"),
    (b"{\\rtf", "rtf"),
)
_OLD_CONTAINER = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_LOOKED_AT_BYTES = 4 << 20
DELIMITED = frozenset(("csv", "tsv", "txt"))
_TEXT = DELIMITED | {"jsonl", "json"}


@dataclass(frozen=True)
class FileKind:
    format: str
    gzipped: bool


def read_table(path: Path | str, options: ReadOptions | None = None, name: str | None = None) -> Table:
    """Reads a task file of any supported format.

    Args:
        path: the file on this machine.
        options: what the user set by hand; all else is found out.
        name: the file's name as the user knows it, when `path` is a temporary copy.

    Raises:
        TaskFileError: with file, line or column, and what to do.
    """
    path = Path(path)
    options = options or ReadOptions()
    log = ProblemLog(name or path.name)
    kind = detect_kind(path, log.file)
    try:
        table = unfold_forms(_read(path, kind, options, log))
    except (UnicodeError, OSError) as error:
        raise TaskFileError("file.unreadable", file=log.file, detail=str(error)) from error
    if table.truncated and options.max_rows is None:
        raise TaskFileError("file.many_rows", file=log.file, rows=len(table.rows) + 1, bound=options.row_cap)
    return table


def _read(path: Path, kind: FileKind, options: ReadOptions, log: ProblemLog) -> Table:
    if kind.format == "xlsx":
        return read_sheet(path, options, log)
    if kind.format == "parquet":
        return read_parquet(path, options, log)
    # Our own export first: it is read strictly, by its marks, and never guessed at.
    own = read_task_csv(path, options, log) if kind == FileKind("csv", False) else None
    if own is not None:
        return own
    source = Source(path, log.file, kind.gzipped)
    if kind.format in ("json", "jsonl"):
        read = read_json if kind.format == "json" else read_jsonl
        table = read(source, options, log)
        return ask_encoding(table, source, options, lambda other: read(source, other, ProblemLog(log.file)))
    return read_delimited(source, kind.format, options, log)


def detect_kind(path: Path, name: str) -> FileKind:
    """The format by the name's ending, checked against the first bytes.

    Raises:
        TaskFileError: missing, empty, too large, unknown ending, or an ending that the content contradicts.
    """
    expected = format_of_name(name)
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise TaskFileError("file.unreadable", file=name, detail=error.strerror or str(error)) from error
    if size == 0:
        raise TaskFileError("file.empty", file=name)
    if size > MAX_FILE_BYTES:
        raise TaskFileError("file.too_large", file=name, bound=MAX_FILE_BYTES >> 20)
    gzipped = head.startswith(GZIP_MAGIC)
    if gzipped != name.lower().endswith(".gz"):
        ending = name.rpartition(".")[2]
        raise TaskFileError("file.wrong_suffix", file=name, expected=ending, found="gzip" if gzipped else "text")
    if gzipped:
        head = _unpacked_head(path, name)
    if expected == "xlsx" and _is_encrypted(path, head):
        raise TaskFileError("file.sheet_locked", file=name)
    return FileKind(_agreed_format(expected, head, name), gzipped)


def _is_encrypted(path: Path, head: bytes) -> bool:
    """A workbook with a password stands inside Excel's old kind of container."""
    if not head.startswith(_OLD_CONTAINER):
        return False
    with open(path, "rb") as file:
        return _ENCRYPTED in file.read(_LOOKED_AT_BYTES)


def format_of_name(name: str) -> str:
    lower = name.lower().removesuffix(".gz")
    suffix = "." + lower.rpartition(".")[2] if "." in lower else ""
    if suffix == ".xls":
        raise TaskFileError("file.old_excel", file=name)
    if suffix not in _BY_SUFFIX:
        known = ", ".join(_BY_SUFFIX)
        raise TaskFileError("file.unknown_suffix", file=name, suffix=suffix or "(none)", known=known)
    return _BY_SUFFIX[suffix]


def _unpacked_head(path: Path, name: str) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(4096)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TaskFileError("file.gzip_broken", file=name, detail=str(error)) from error


def _agreed_format(expected: str, head: bytes, name: str) -> str:
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found == expected:
        return expected
    if found is not None or expected not in _TEXT:
        if found == "xls":
            raise TaskFileError("file.old_excel", file=name)
        raise TaskFileError("file.wrong_suffix", file=name, expected=expected, found=found or "text")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1].isascii() and start[:64].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise TaskFileError("file.wrong_suffix", file=name, expected=expected, found="a web page")
    # A text may begin with a bracket; JSON goes on with another or a brace.
    looks_json = start[:1] == b"{" or (start[:1] == b"[" and start[1:].lstrip()[:1] in (b"{", b"]"))
    if expected == "txt" and looks_json:
        return "jsonl" if start[:1] == b"{" else "json"
    # With a quote behind the brackets it is JSON; {a} or [[1]] may be the first cell of a table.
    if expected in ("csv", "tsv") and looks_json and start.lstrip(b"[ \t\r\n{")[:1] == b'"':
        raise TaskFileError("file.wrong_suffix", file=name, expected=expected, found="json")
    if expected == "jsonl" and start[:1] == b"[":
        return "json"
    return expected

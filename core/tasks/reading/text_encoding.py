"""From bytes to lines of text: gzip, size caps, and which encoding a file is in.

Order: byte-order mark, UTF-16 without one, ISO-2022-JP by its escapes, strict UTF-8, UTF-8 with a few broken bytes,
then a guess among the legacy encodings (`legacy`), which is said in words and asked about where others come close.
"""

from __future__ import annotations

import codecs
import gzip
import io
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from core.base.errors import TaskFileError
from core.tasks.reading.legacy import EncodingGuess, encoding_words, rank_encodings
from core.tasks.reading.limits import MAX_LINE_CHARS, MAX_UNPACKED_BYTES
from core.tasks.reading.table import ProblemLog

CHUNK = 1 << 20
SAMPLE_BYTES = 1 << 18
_ASCII = bytes(range(128))
# What text files hold: everything but the control characters (tab, line ends, escape and Ctrl-Z are common).
_TEXT_BYTES = bytes(b for b in range(256) if b >= 32 or b in b"\t\n\r\x0b\x0c\x1a\x1b\x01")
_JAPANESE_ESCAPES = (b"\x1b$B", b"\x1b$@")
NEAR, MOST_RIVALS = 8.0, 3  # logarithms of odds within which the other evidence of a file may decide
GZIP_MAGIC = b"\x1f\x8b"
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Source:
    """A text file to read: where, whether packed, and in which encoding. `name` is what the user sees."""

    path: Path
    name: str
    gzipped: bool
    encoding: str = "utf-8"
    guessed: bool = False
    repair: bool = False  # broken bytes become U+FFFD and their lines are noted
    ranked: tuple[EncodingGuess, ...] = ()  # of a guess among legacy encodings: it and those that come close


def open_bytes(source: Source) -> BinaryIO:
    """The unpacked bytes, counted against the size cap."""
    raw: BinaryIO = open(source.path, "rb")  # noqa: SIM115 - the caller closes it through the wrapper
    if source.gzipped:
        raw = gzip.GzipFile(fileobj=raw, mode="rb")  # type: ignore[assignment]
    return io.BufferedReader(_Capped(raw, source.name), CHUNK)


class _Capped(io.RawIOBase):
    """Counts what flows through and words what goes wrong in a packed file."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        self._raw, self._name, self._seen = raw, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._raw.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TaskFileError("file.gzip_broken", file=self._name, detail=str(error)) from error
        self._seen += len(data)
        if self._seen > MAX_UNPACKED_BYTES:
            raise TaskFileError("file.unpacks_too_large", file=self._name, bound=MAX_UNPACKED_BYTES >> 20)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            inner = getattr(self._raw, "fileobj", None)
            self._raw.close()
            if inner is not None:
                inner.close()
        super().close()


def detect_encoding(source: Source, wanted: str | None = None) -> Source:
    """The source with its encoding filled in.

    Raises:
        TaskFileError: binary content, or an unknown encoding asked for.
    """
    if wanted:
        try:
            name = codecs.lookup(wanted).name
        except LookupError as error:
            raise TaskFileError("file.unknown_encoding", file=source.name, encoding=wanted) from error
        return replace(source, encoding="utf-8-sig" if name == "utf-8" else name, repair=True)
    with open_bytes(source) as stream:
        head = stream.read(4096)
        for mark, name in _BOMS:
            if head.startswith(mark):
                return replace(source, encoding=name, repair=True)
        wide = _guess_wide(head)
        if wide:
            return replace(source, encoding=wide, repair=True)
        if head.isascii() and any(escape in head for escape in _JAPANESE_ESCAPES):
            return replace(source, encoding="iso2022_jp", repair=True)
        if len(head.translate(None, _TEXT_BYTES)) * 20 > len(head):
            raise TaskFileError("file.binary", file=source.name)
        scan = _scan_utf8(head, stream)
    if not scan.broken:
        return source
    if scan.good >= scan.broken * 10:
        return replace(source, guessed=True, repair=True)
    ranked = rank_encodings(scan.sample)
    close = tuple(guess for guess in ranked if ranked[0].score - guess.score < NEAR)[:MOST_RIVALS]
    return replace(source, encoding=ranked[0].encoding, guessed=True, repair=True, ranked=close)


def tell_encoding(source: Source, log: ProblemLog) -> None:
    """Says in words which encoding was taken where the file does not tell it itself."""
    if source.ranked:
        log.tell("reading.encoding", found=encoding_words(source.encoding), encoding=source.encoding)


@dataclass(frozen=True)
class _Scan:
    good: int  # characters beyond ASCII that decode as UTF-8
    broken: int  # bytes that do not
    sample: bytes  # lines with bytes beyond ASCII


def _scan_utf8(head: bytes, stream: BinaryIO) -> _Scan:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    good = broken = 0
    sample: list[bytes] = []
    size = 0
    chunk = head
    while chunk:
        if not chunk.isascii():
            text = decoder.decode(chunk)
            bad = text.count("\ufffd") - chunk.count(b"\xef\xbf\xbd")
            broken += max(0, bad)
            good += sum(1 for c in text if c > "\x7f") - bad if bad > 0 else len(chunk.translate(None, _ASCII)) // 3
            if size < SAMPLE_BYTES:
                lines = b"\n".join(line for line in chunk.split(b"\n") if not line.isascii())[:SAMPLE_BYTES]
                sample.append(lines)
                size += len(lines)
        else:
            broken += decoder.decode(chunk).count("\ufffd")
        chunk = stream.read(CHUNK)
    broken += decoder.decode(b"", True).count("\ufffd")
    return _Scan(good, broken, b"\n".join(sample))


def _guess_wide(head: bytes) -> str | None:
    """UTF-16 without a mark: the zero bytes of its ASCII characters (line ends, digits) all stand on one side, and
    what comes out is text."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) < 8 or even + odd < 2 or min(even, odd) * 20 > max(even, odd):
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = head[: len(head) // 2 * 2].decode(name, "replace")
    strange = sum(1 for c in text if c not in "\t\n\r" and unicodedata.category(c) in ("Cc", "Cn", "Co"))
    return name if strange * 50 <= len(text) else None


def read_lines(source: Source, log: ProblemLog) -> Iterator[str]:
    """Physical lines with their line ends; NUL characters removed and broken bytes noted with their line."""
    errors = "replace" if source.repair else "strict"
    with (
        open_bytes(source) as stream,
        io.TextIOWrapper(stream, encoding=source.encoding, errors=errors, newline="") as text,
    ):
        number = 0
        while line := text.readline(MAX_LINE_CHARS):
            number += 1
            if len(line) >= MAX_LINE_CHARS:
                raise TaskFileError("file.giant_line", file=source.name, line=number, bound=MAX_LINE_CHARS >> 20)
            if "\0" in line:
                log.add("file.nul", "warning", line=number, raw=line, at=line.index("\0"))
                line = line.replace("\0", "")
            if number == 1:
                line = line.removeprefix("\ufeff")
            if "\ufeff" in line:
                log.add("reading.inner_mark", "note", line=number, raw=line, at=line.index("\ufeff"))
                line = line.replace("\ufeff", "")
            if source.repair and "\ufffd" in line:
                at = line.index("\ufffd")
                log.add("file.broken_bytes", "warning", line=number, encoding=source.encoding, raw=line, at=at)
            yield line


def read_text(source: Source, log: ProblemLog, max_bytes: int) -> str:
    """The whole text, for formats that are one value."""
    with open_bytes(source) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TaskFileError("file.too_large", file=source.name, bound=max_bytes >> 20)
    text = data.decode(source.encoding, "replace" if source.repair else "strict")
    text = text.removeprefix("\ufeff")
    if "\ufeff" in text:
        log.tell("reading.inner_mark", line=text[: text.index("\ufeff")].count("\n") + 1)
        text = text.replace("\ufeff", "")
    if "\0" in text:
        log.add("file.nul", "warning", line=text[: text.index("\0")].count("\n") + 1)
        text = text.replace("\0", "")
    if source.repair and "\ufffd" in text:
        line = text[: text.index("\ufffd")].count("\n") + 1
        log.add("file.broken_bytes", "warning", line=line, encoding=source.encoding)
    return text

"""Nasty files made on the spot: name, bytes, and what reading them must come to."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import openpyxl
import pyarrow
import pyarrow.parquet

GOOD_CSV = "text,label\nhello there,a\nbye now,b\nhow are you,a\n"


@dataclass(frozen=True)
class Nasty:
    """`error` is the key of the TaskFileError; else `rows` good rows and `notes` among the problems."""

    file: str
    make: Callable[[], bytes]
    error: str = ""
    rows: int = 0
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.file}-{self.error or self.rows}"


def text(content: str, encoding: str = "utf-8") -> Callable[[], bytes]:
    return lambda: content.encode(encoding)


def sheet(rows: list[list[object]], title: str = "Data", more: tuple[str, ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    for name in more:
        book.create_sheet(name).append(["x", "y"])
    return _saved(book)


def _saved(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as found:
        for name, data in files.items():
            found.writestr(name, data)
    return buffer.getvalue()


def sheet_bomb() -> bytes:
    return archive({"[Content_Types].xml": b"<x/>", "xl/worksheets/sheet1.xml": b"0" * (80 << 20)})


def parquet(columns: dict[str, list[object]]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def lines(*rows: object) -> str:
    return "\n".join(json.dumps(r) for r in rows) + "\n"


ROW = {"text": "hello", "label": "a"}
FILES = [
    # --- empty and nearly empty
    Nasty("empty.csv", text(""), "file.empty"),
    Nasty("blank_lines.csv", text("\n\n  \n"), "file.empty"),
    Nasty("only_header.csv", text("text,label\n"), "file.header_only"),
    Nasty("only_header.tsv", text("text\tlabel\n"), "file.header_only"),
    Nasty("only_bom.csv", lambda: b"\xef\xbb\xbf", "file.empty"),
    Nasty("empty.json", text("  \n"), "file.empty"),
    Nasty("empty_array.json", text("[]"), "file.empty"),
    Nasty("empty_object.json", text("{}"), "file.json_no_rows"),
    Nasty("empty.jsonl", text("\n\n"), "file.empty"),
    Nasty("empty.xlsx", lambda: sheet([]), "file.empty"),
    Nasty("only_header.xlsx", lambda: sheet([["text", "label"]]), "file.header_only"),
    Nasty("no_rows.parquet", lambda: parquet({"text": [], "label": []}), "file.header_only"),
    Nasty("empty.csv.gz", lambda: gzip.compress(b""), "file.empty"),
    # --- packed and cut
    Nasty("cut.csv.gz", lambda: gzip.compress(GOOD_CSV.encode() * 500)[:-40], "file.gzip_broken"),
    Nasty("cut_in_header.csv.gz", lambda: gzip.compress(b"x")[:5], "file.gzip_broken"),
    Nasty("not_packed.csv.gz", text(GOOD_CSV), "file.wrong_suffix"),
    Nasty("packed.csv", lambda: gzip.compress(GOOD_CSV.encode()), "file.wrong_suffix"),
    Nasty("packed.jsonl.gz", lambda: gzip.compress(lines(ROW, ROW).encode()), rows=2),
    Nasty("bad_crc.csv.gz", lambda: gzip.compress(GOOD_CSV.encode() * 500)[:-8] + b"12345678", "file.gzip_broken"),
    # --- ending against content
    Nasty("sheet.csv", lambda: sheet([["a", "b"], ["c", "d"]]), "file.wrong_suffix"),
    Nasty("text.xlsx", text(GOOD_CSV), "file.wrong_suffix"),
    Nasty("text.parquet", text(GOOD_CSV), "file.wrong_suffix"),
    Nasty("parquet.csv", lambda: parquet({"a": ["x"], "b": ["y"]}), "file.wrong_suffix"),
    Nasty("zip.xlsx", lambda: archive({"readme.txt": b"hello"}), "file.zip_not_sheet"),
    Nasty("old.xls", lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 600, "file.old_excel"),
    Nasty("old_renamed.xlsx", lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 600, "file.old_excel"),
    Nasty(
        "password.xlsx",
        lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"),
        "file.sheet_locked",
    ),
    Nasty("page.csv", text("<!DOCTYPE html><html><body>login</body></html>"), "file.wrong_suffix"),
    Nasty("report.csv", lambda: b"%PDF-1.7 ....", "file.wrong_suffix"),
    Nasty("weights.json", lambda: b"\x80\x04\x95\x10\x00pickle", "file.wrong_suffix"),
    Nasty("objects.csv", text(lines(ROW, ROW)), "file.wrong_suffix"),
    Nasty("notes.docx", text("hello"), "file.unknown_suffix"),
    Nasty("noending", text(GOOD_CSV), "file.unknown_suffix"),
    Nasty("lines.json", text(lines(ROW, ROW)), rows=2, notes=("file.json_is_jsonl",)),
    Nasty("array.jsonl", text(json.dumps([ROW, ROW])), rows=2),
    Nasty("lines.txt", text(lines(ROW, ROW)), rows=2),
    Nasty("tabs.csv", text("text\tlabel\nhello, you\ta\nbye\tb\n"), rows=2),
    # --- bytes
    Nasty("binary.csv", lambda: bytes(range(256)) * 8, "file.binary"),
    Nasty("nul.csv", text("text,label\nhel\0lo,a\nbye,b\n"), rows=2, notes=("file.nul",)),
    Nasty(
        "mixed.csv",
        lambda: "text,label\n你好世界你好世界,a\n再见再见再见,b\n".encode() + b"caf\xe9,b\n",
        rows=3,
        notes=("file.broken_bytes",),
    ),
    Nasty("gb.csv", text("文本,标签\n今天天气很好，我们去公园吧,好\n这个东西不好用,差\n", "gb18030"), rows=2),
    Nasty("utf16.csv", text(GOOD_CSV, "utf-16"), rows=3),
    Nasty("utf16_no_mark.csv", text(GOOD_CSV, "utf-16-le"), rows=3),
    Nasty("utf16be_no_mark.tsv", text(GOOD_CSV.replace(",", "\t"), "utf-16-be"), rows=3),
    Nasty("cp1252.csv", text("text,label\ncafé “olé”,a\nnaïve,b\n", "cp1252"), rows=2),
    Nasty("surrogate.jsonl", text('{"text": "\\ud800 half", "label": "a"}\n'), rows=1),
    # --- delimiters, quotes, widths
    Nasty("semicolon.csv", text("text;label\nhello, you;a\nbye;b\n"), rows=2),
    Nasty("excel_sep.csv", text("sep=;\ntext;label\nhello;a\n"), rows=1),
    Nasty("ragged.csv", text("text,label\nhello,a\none,two,three\nonly\nbye,b\n"), rows=2, notes=("file.ragged",)),
    Nasty("trailing.csv", text("text,label,\nhello,a,\nbye,b,\n"), rows=2, notes=("file.blank_header",)),
    Nasty(
        "open_quote.csv",
        text('text,label\nhello,a\n"never closed,b\nbye,b\nlast,a\n'),
        rows=4,
        notes=("file.open_quote",),
    ),
    Nasty("stray_quotes.tsv", text('text\tlabel\n"tall" he said\ta\n5" screen\tb\n"half\tb\nend\ta\n'), rows=4),
    Nasty("newlines.csv", text('text,label\n"two\nlines",a\n"three\r\nlines\nhere",b\nplain,a\n'), rows=3),
    Nasty("mac.csv", text("text,label\rhello,a\rbye,b\r"), rows=2),
    Nasty("blanks.csv", text(" text , label \nhello,a\n\n\nbye,b\n"), rows=2),
    Nasty("spaced_quotes.csv", text('text, label\n"hello, you", "a"\n"bye, you", "b"\n'), rows=2),
    Nasty("all_ragged.csv", text("text,label\na,b,c\nd,e,f,g\nh\n"), "file.no_good_row"),
    # --- headers
    Nasty("blank_header.csv", text("text,,label\nhello,x,a\nbye,y,b\n"), rows=2, notes=("file.blank_header",)),
    Nasty("twice.csv", text("text,text,label\nhello,x,a\nbye,y,b\n"), rows=2, notes=("file.duplicate_header",)),
    Nasty("braces.csv", text("{text},label\nhello,a\nbye,b\n"), rows=2),
    Nasty("no_header.tsv", text("good thing\t1\nbad thing\t0\nfine thing\t1\n"), rows=3),
    Nasty(
        "title.csv",
        text("Complaints of May\n\ntext,label\nhello there,a\nbye now,b\n"),
        rows=2,
        notes=("file.title_row",),
    ),
    Nasty(
        "title.xlsx",
        lambda: sheet([["Complaints"], [], ["text", "label"], ["hey", "a"], ["bye", "b"]]),
        rows=2,
        notes=("file.title_row",),
    ),
    Nasty("first_empty.csv", text("good thing,\nbad thing,0\nfine thing,1\nold thing,0\n"), rows=4),
    # --- size
    Nasty(
        "columns.csv",
        text(",".join(f"c{i}" for i in range(100_000)) + "\n" + ",".join("1" * 100_000) + "\n"),
        "file.many_columns",
    ),
    Nasty("columns.jsonl", text(json.dumps({f"c{i}": i for i in range(100_000)}) + "\n"), "file.many_columns"),
    Nasty("columns.xlsx", lambda: sheet([[f"c{i}" for i in range(1200)], list(range(1200))]), "file.many_columns"),
    Nasty("cell.csv", text(f"text,label\n{'x' * 10_000_000},a\nbye,b\n"), rows=1, notes=("file.giant_cell",)),
    Nasty(
        "quoted_cell.csv", text(f'text,label\n"{"x" * 1_500_000}",a\nbye,b\n'), rows=1, notes=("file.giant_cell",)
    ),
    Nasty(
        "cell.jsonl", text(lines({"text": "x" * 2_000_000, "label": "a"}, ROW)), rows=1, notes=("file.giant_cell",)
    ),
    Nasty("bomb.xlsx", sheet_bomb, "file.sheet_bomb"),
    # --- json
    Nasty("bad_line.jsonl", text(lines(ROW) + '{"text": \n' + lines(ROW)), rows=2, notes=("file.bad_json",)),
    Nasty("all_bad.jsonl", text("hello\nyou\n"), "file.no_good_row"),
    Nasty("deep.json", text(deep(200_000)), "file.deep_json"),
    Nasty("deep.jsonl", text(nested(200_000) + "\n" + lines(ROW)), rows=1, notes=("file.deep_json",)),
    Nasty("nested.jsonl", text(nested(60) + "\n" + lines(ROW)), rows=1, notes=("file.deep_json",)),
    Nasty("cut.json", text(json.dumps([ROW, ROW])[:-20]), "file.bad_json"),
    Nasty("comma.json", text(json.dumps([ROW, ROW])[:-1] + ",]"), rows=2),
    Nasty("two_values.json", text('{"data": [{"a": 1}]} tail'), "file.bad_json"),
    Nasty("scalars.json", text("[1, 2, 3]"), "file.no_good_row"),
    Nasty("mixed_items.json", text('[{"text": "a", "label": "x"}, 7, "b"]'), rows=1, notes=("file.not_an_object",)),
    Nasty("nan.json", text('[{"text": "a", "label": NaN}, {"text": "b", "label": -Infinity}]'), rows=2),
    Nasty("number.json", text("17"), "file.bad_json"),
    Nasty("no_list.json", text('{"name": "x", "version": "2"}'), "file.json_no_rows"),
    Nasty("by_id.json", text('{"q1": {"text": "a", "label": "x"}, "q2": {"text": "b", "label": "y"}}'), rows=2),
    Nasty("by_column.json", text('{"text": ["a", "b"], "label": ["x", "y"]}'), rows=2),
    Nasty("inside.json", text('{"version": 2, "data": {"rows": [{"text": "a", "label": "x"}]}}'), rows=1),
    Nasty("huge_number.jsonl", text('{"text": "a", "label": ' + "9" * 6000 + "}\n"), rows=1),
    # --- sheets and parquet
    Nasty(
        "sheets.xlsx",
        lambda: sheet([["text", "label"], ["a b", "x"]], more=("Other",)),
        rows=1,
        notes=("file.other_sheets",),
    ),
    Nasty(
        "errors.xlsx",
        lambda: sheet([["text", "label"], ["hello", "#N/A"], ["bye", "a"]]),
        rows=2,
        notes=("file.excel_error",),
    ),
    Nasty("gaps.xlsx", lambda: sheet([["text", "label"], [], ["hello", "a"], [None, None], ["bye", "b"]]), rows=2),
    Nasty("cut.xlsx", lambda: sheet([["text", "label"], ["a", "b"]])[:900], "file.bad_sheet"),
    Nasty(
        "hollow.xlsx",
        lambda: archive({"xl/workbook.xml": b"<broken", "[Content_Types].xml": b"<x/>"}),
        "file.bad_sheet",
    ),
    Nasty("cut.parquet", lambda: parquet({"a": ["x"] * 50, "b": ["y"] * 50})[:-30], "file.bad_parquet"),
    Nasty("nan.parquet", lambda: parquet({"text": ["a", "b"], "score": [1.5, float("nan")]}), rows=2),
    Nasty("bytes.parquet", lambda: parquet({"text": [b"a", b"\xff"], "label": ["x", "y"]}), rows=2),
]

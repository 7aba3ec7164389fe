"""Our reading of text files beside well-kept libraries, on tables of our own making:

    python tests/benchmarks/reading_libraries.py [--messy FOLDER] [--tables 400]

Encodings: the sentences of encodings.json as tables of 2 and 60 rows, and the words of Gradio's own screens in 25
languages (not looked at when the rules were written), in tables of 1 to 30 rows. Dialects: tables of eight
languages in every dialect (tests/tasks/dialect_tables.py); the libraries are given the text in the right encoding.
Counted are tables read exactly, and tables read wrongly without a question.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import json
import random
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import chardet  # noqa: E402
import charset_normalizer  # noqa: E402
import clevercsv  # noqa: E402
import duckdb  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

from core.base.errors import TaskFileError  # noqa: E402
from core.tasks.reading.files import read_table  # noqa: E402
from tests.tasks.dialect_tables import Written, written_tables  # noqa: E402

MESSY = ROOT.parent / "shared" / "data" / "messy"
USUAL = {
    "cp1252": "fr de es pt-BR pt-PT it ca nl sv fi nb da eu",
    "cp1250": "pl cs ro hu",
    "cp1251": "ru uk",
    "koi8-r": "ru",
    "cp1253": "el",
    "cp1254": "tr",
    "cp1255": "he",
    "cp1256": "ar fa",
    "cp1257": "lt",
    "cp874": "th",
    "gb18030": "zh-CN",
    "big5": "zh-TW",
    "shift_jis": "ja",
    "cp949": "ko",
    "mac_roman": "fr de",
    "iso8859-2": "pl",
}
_TEXT = re.compile(r'"((?:[^"\\]|\\.){8,})"|`([^`$]{8,})`')
SIZES = (1, 2, 6, 30)


def encoding_tables(messy: Path) -> Iterator[tuple[str, str, bytes]]:
    """(group, right encoding, bytes)"""
    for code, text in json.loads((messy / "encodings.json").read_text(encoding="utf-8")).values():
        for size in (2, 60):
            yield f"sentences, {size} rows", code, as_table([text] * size, code)
    rng = random.Random(0)
    for code, languages in USUAL.items():
        for language in languages.split():
            words = [word for word in screen_words(language) if fits(word, code)]
            for size in SIZES if words else ():
                lines = [rng.choice(words) for _ in range(size)]
                if not all(line.isascii() for line in lines):
                    yield f"screens, {size} rows", code, as_table(lines, code)


def screen_words(language: str) -> list[str]:
    assets = Path(importlib.util.find_spec("gradio").origin).parent / "templates" / "frontend" / "assets"
    found = set()
    for path in assets.glob(f"{language}-*.js"):
        found |= {(a or b) for a, b in _TEXT.findall(path.read_text(encoding="utf-8"))}
    return sorted(word for word in found if not word.isascii() and '"' not in word and "\n" not in word)


def fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def as_table(lines: list[str], encoding: str) -> bytes:
    rows = "".join(f'"{line}",{"ab"[number % 2]}\r\n' for number, line in enumerate(lines))
    return f"text,label\r\n{rows}".encode(encoding)


def decoded(data: bytes, encoding: str | None) -> str:
    return data.decode(encoding or "ascii", "replace")


def by_chardet(data: bytes) -> str:
    return decoded(data, chardet.detect(data)["encoding"])


def by_normalizer(data: bytes) -> str:
    best = charset_normalizer.from_bytes(data).best()
    return decoded(data, best.encoding if best else None)


def by_ours(data: bytes) -> tuple[str, bool]:
    """The text, and whether the reading was asked about."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(data)
        table = read_table(path)
    return decoded(data, table.encoding), bool(table.doubts)


def measure_encodings(messy: Path) -> None:
    right: Counter[tuple[str, str]] = Counter()
    silent: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for group, code, data in encoding_tables(messy):
        totals[group] += 1
        text = data.decode(code)
        ours, asked = by_ours(data)
        right[group, "ours"] += ours == text
        silent[group] += ours != text and not asked
        right[group, "chardet"] += by_chardet(data) == text
        right[group, "charset-normalizer"] += by_normalizer(data) == text
    print("| tables | number | ours | ours, wrong in silence | chardet 7.7 | charset-normalizer 3.5 |")
    print("|---|---:|---:|---:|---:|---:|")
    for group, total in totals.items():
        others = " | ".join(str(right[group, name]) for name in ("chardet", "charset-normalizer"))
        print(f"| {group} | {total} | {right[group, 'ours']} | {silent[group]} | {others} |")


Rows = list[tuple[str, ...]]


def by_clevercsv(text: str) -> Rows:
    dialect = clevercsv.Sniffer().sniff(text)
    return [tuple(row) for row in clevercsv.reader(io.StringIO(text, newline=""), dialect) if row]


def by_sniffer(text: str) -> Rows:
    dialect = csv.Sniffer().sniff(text)
    return [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), dialect) if row]


def by_duckdb(text: str) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text, encoding="utf-8", newline="")
        found = duckdb.sql(f"SELECT * FROM read_csv('{path}', all_varchar=true, header=false)").fetchall()
    return [tuple("" if cell is None else cell for cell in row) for row in found]


READERS: dict[str, Callable[[str], Rows]] = {
    "clevercsv 0.8": by_clevercsv, "duckdb 2.0": by_duckdb, "csv.Sniffer": by_sniffer,
}  # fmt: skip


def measure_dialects(num_tables: int) -> None:
    right: Counter[str] = Counter()

    @seed(7)
    @settings(max_examples=num_tables, deadline=None, phases=[Phase.generate], database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(written_tables())
    def judge(written: Written) -> None:
        right["tables"] += 1
        judge_ours(written, right)
        text = re.sub("^\ufeff", "", written.data.decode(written.encoding))
        wanted = ([written.columns] if written.columns else []) + written.rows
        for name, reader in READERS.items():
            try:
                right[name] += reader(text) == wanted
            except (csv.Error, clevercsv.Error, duckdb.Error, TypeError, AttributeError):
                right[f"{name} refused"] += 1

    judge()
    print("\n| reader | tables read exactly | refused | wrong in silence |\n|---|---:|---:|---:|")
    asked, refused = right["ours asked"], right["ours refused"]
    print(f"| ours ({asked} asked about) | {right['ours']} | {refused} | {right['ours silent']} |")
    for name in READERS:
        wrong = right["tables"] - right[name] - right[f"{name} refused"]
        print(f"| {name} | {right[name]} | {right[f'{name} refused']} | {wrong} |")
    print(f"of {right['tables']}")


def judge_ours(written: Written, right: Counter[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(written.data)
        try:
            table = read_table(path)
        except TaskFileError:
            right["ours refused"] += 1
            return
    same = [tuple(row.values()) for row in table.rows] == written.rows
    same = same and (table.columns == written.columns if written.columns else not table.has_header)
    right["ours"] += same
    right["ours asked"] += bool(table.doubts)
    right["ours silent"] += not same and not table.doubts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messy", type=Path, default=MESSY)
    parser.add_argument("--tables", type=int, default=400)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    measure_encodings(args.messy)
    measure_dialects(args.tables)


if __name__ == "__main__":
    main()

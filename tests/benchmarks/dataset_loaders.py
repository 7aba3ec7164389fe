"""What the library `datasets` would save: its loaders on messy files, and Arrow for a task of a million rows.

    python tests/benchmarks/dataset_loaders.py files MESSY_FOLDER     encodings.json and the folders of messy files
    python tests/benchmarks/dataset_loaders.py rows [COUNT]           a task's rows as JSON lines and as Arrow

`files`: how many tables its csv and json loaders read with the sentences and columns as they are, beside ours.
`rows`: processor seconds and megabytes for reading all rows as examples (what a run does), for one pass of random
draws, and on the disk. Every measurement runs in a process of its own. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
LONG = (
    "the patient came back on the third day with a fever and was given {n} mg of the usual, which helped a little"
)
READ_BY_LOADERS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")


def files(folder: Path) -> None:
    """Encodings: the sentence must be found as it was. Other files: read at all, with how many columns."""
    sentences = json.loads((folder / "encodings.json").read_text(encoding="utf-8"))
    right = {"datasets": 0, "ours": 0}
    with tempfile.TemporaryDirectory() as place:
        for name, (codec, sentence) in sentences.items():
            path = Path(place) / f"{name}.csv"
            rows = "".join(f'"{sentence} {n}",{"ab"[n % 2]}\n' for n in range(60))
            path.write_bytes(f"text,label\n{rows}".encode(codec, errors="replace"))
            for who, read in (("datasets", by_datasets), ("ours", by_us)):
                found = read(path)
                right[who] += isinstance(found, list) and found[0].get("text") == f"{sentence} 0"
    print(f"legacy encodings: datasets {right['datasets']}, ours {right['ours']} of {len(sentences)}")
    names = [p for p in sorted(folder.rglob("*/*")) if p.suffix in READ_BY_LOADERS and p.name != "EXPECTED.txt"]
    refused, other = {"datasets": 0, "ours": 0}, 0
    for path in names:
        found = {"datasets": by_datasets(path), "ours": by_us(path)}
        shown = {who: _told(value) for who, value in found.items()}
        for who, value in found.items():
            refused[who] += not isinstance(value, list)
        if shown["datasets"] != shown["ours"]:
            other += 1
            print(f"{path.relative_to(folder)!s:48} datasets: {shown['datasets']:28} ours: {shown['ours']}")
    refusals = f"refused by datasets {refused['datasets']}, by us {refused['ours']}"
    print(f"{len(names)} files; {refusals}; read otherwise {other}")


def by_datasets(path: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    kind = {".tsv": "csv", ".jsonl": "json", ".txt": "text"}.get(path.suffix, path.suffix[1:])
    with tempfile.TemporaryDirectory() as cache:
        try:
            return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=cache).to_list()
        except Exception as error:
            return error


def by_us(path: Path) -> Any:
    from core.base.errors import TaskloomError
    from core.tasks.reading.files import read_table

    try:
        return read_table(path).rows
    except TaskloomError as error:
        return error


def _told(found: Any) -> str:
    if isinstance(found, list):
        return f"{len(found)} rows, {len(found[0]) if found else 0} columns"
    return f"{type(found).__name__} {getattr(found, 'key', '')}"


def rows(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        started = time.monotonic()
        with open(Path(place) / "rows.jsonl", "w", encoding="utf-8") as file:
            for n in range(count):
                record = {"prompt": f"{n} {LONG.format(n=n)}", "target": "ab"[n % 2], "line": n, "weight": 1.0}
                file.write(json.dumps(record) + "\n")
        print(f"made in {time.monotonic() - started:.0f} s")
        for what in ("write_arrow", "jsonl", "arrow", "jsonl_draw", "arrow_draw"):
            print(what, subprocess.check_output([sys.executable, __file__, what, place], text=True).strip())
        sizes = {p.name: p.stat().st_size >> 20 for p in Path(place).rglob("*") if p.is_file()}
        print("MB on the disk:", sizes)


def measure(what: str, place: Path) -> None:
    ways = {way.__name__: way for way in (write_arrow, jsonl, arrow, jsonl_draw, arrow_draw)}
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    ways[what](place)
    spent, now = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{spent:.1f} s of the processor, {(now - before) >> 10} MB more at most")


def write_arrow(place: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    cache = str(place / "cache")
    table = datasets.load_dataset("json", data_files=str(place / "rows.jsonl"), split="train", cache_dir=cache)
    table.save_to_disk(str(place / "arrow"))


def jsonl(place: Path) -> Any:
    """As a run reads its frozen copy."""
    from core.tasks.dataset import _read_examples

    return _read_examples(place / "rows.jsonl")


def arrow(place: Path) -> Any:
    """The same examples, made from the memory-mapped table a thousand at a time."""
    from core.tasks.dataset import Example

    found: list[Example] = []
    for batch in _open(place).iter(1000):
        found += [Example(*values) for values in zip(*(batch[n] for n in FIELDS), strict=True)]
    return found


FIELDS = ("prompt", "target", "line", "weight")


def jsonl_draw(place: Path) -> None:
    found = jsonl(place)
    for n in _order(len(found)):
        assert found[n].prompt


def arrow_draw(place: Path) -> None:
    """Nothing is read beforehand: batches of 16 rows drawn from the memory-mapped table."""
    table = _open(place)
    order = _order(len(table))
    for start in range(0, len(order), 16):
        assert table[order[start : start + 16]]["prompt"]


def _order(count: int) -> list[int]:
    import random

    return random.Random(0).sample(range(count), count)


def _open(place: Path) -> Any:
    import datasets

    return datasets.load_from_disk(str(place / "arrow"))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if sys.argv[1] == "files":
        files(Path(sys.argv[2]))
    elif sys.argv[1] == "rows":
        rows(int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
    else:
        measure(sys.argv[1], Path(sys.argv[2]))

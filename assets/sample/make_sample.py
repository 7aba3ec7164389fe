"""Makes the sample project's files: python assets/sample/make_sample.py FOLDER_WITH_DOMAINS

Five small tasks with short inputs, each in another file format. Rows are drawn by a hash, so the same source gives
the same rows on every machine.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from core.tasks.reading.files import read_table  # noqa: E402

Row = dict[str, Any]
BANK_INTENTS = (
    "balance",
    "bill_due",
    "credit_score",
    "credit_limit",
    "interest_rate",
    "order_checks",
    "pay_bill",
    "report_lost_card",
    "transfer",
    "pin_change",
)


@dataclass(frozen=True)
class Recipe:
    """How one sample task is cut from a larger one. `balance` names the column whose values get equal shares."""

    domain: str
    source: str
    name: str
    suffix: str
    num_train: int
    num_test: int
    instruction: str
    keep: Callable[[Row], bool]
    balance: str = ""


def words(row: Row, column: str) -> int:
    return len(str(row[column]).split())


RECIPES = (
    Recipe(
        "customer_service",
        "pros_cons",
        "review_verdict",
        "xlsx",
        360,
        100,
        "Does the review snippet list Pros or Cons?",
        lambda r: 2 <= words(r, "text") <= 12,
        "label",
    ),
    Recipe(
        "finance",
        "clinc_finance",
        "bank_requests",
        "csv",
        400,
        100,
        "Name the intent of the bank request.",
        lambda r: r["intent"] in BANK_INTENTS,
        "intent",
    ),
    Recipe(
        "customer_service",
        "restaurant8k",
        "table_booking",
        "json",
        400,
        100,
        'List the booking details as "slot: value", or write none.',
        lambda r: words(r, "userInput.text") <= 12 and len(r["context.requestedSlots"]) <= 1,
        "",
    ),
    Recipe(
        "medical",
        "ncbi_disease",
        "disease_mentions",
        "tsv",
        400,
        100,
        "List the diseases named in the sentence, or write none.",
        lambda r: 5 <= words(r, "sentence") <= 18 and len(r["entities"].split(";")) <= 2,
        "",
    ),
    Recipe(
        "customer_service",
        "disfl_qa",
        "question_cleaning",
        "jsonl",
        400,
        100,
        "Rewrite the spoken question without its slips.",
        lambda r: words(r, "disfluent") <= 18,
        "",
    ),
)


def draw(rows: Iterable[Row], recipe: Recipe, count: int) -> list[Row]:
    """`count` rows that the recipe keeps, equal shares of each label, mixed; the order hangs on the text alone."""
    ordered = sorted((r for r in rows if recipe.keep(r)), key=_hash)
    if not recipe.balance:
        return ordered[:count]
    groups: dict[str, list[Row]] = {}
    for row in ordered:
        groups.setdefault(str(row[recipe.balance]), []).append(row)
    share = -(-count // len(groups))
    return sorted((r for group in groups.values() for r in group[:share]), key=_hash)[:count]


def _hash(row: Row) -> str:
    return hashlib.sha256(json.dumps(row, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def write_rows(path: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for values in (columns, *([r[c] for c in columns] for r in rows)):
            book.active.append(list(values))
        book.save(path)
    elif path.suffix in (".json", ".jsonl"):
        nested = [_nested(r) for r in rows]
        lines = (json.dumps(r, ensure_ascii=False) for r in nested)
        text = json.dumps(nested, ensure_ascii=False, indent=1) if path.suffix == ".json" else "\n".join(lines)
        path.write_text(text + "\n", encoding="utf-8")
    else:
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([r[c] for c in columns] for r in rows)


def _nested(row: Row) -> Row:
    """a.b columns as nested objects again, as the source has them."""
    found: Row = {}
    for name, value in row.items():
        *parents, last = name.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found


def make_task(data: Path, recipe: Recipe) -> dict[str, Any]:
    """Writes the two files of one task and returns its entry for domain.json."""
    hints = json.loads((data / recipe.domain / "domain.json").read_text(encoding="utf-8"))["tasks"]
    hint = next(t for t in hints if t["name"] == recipe.source)
    rows = {}
    for part, count in (("train", recipe.num_train), ("test", recipe.num_test)):
        table = read_table(data / recipe.domain / hint[part])
        columns = tuple(c for c in table.columns if c in (*hint["inputs"], hint["target"]))
        rows[part] = [{c: r[c] for c in columns} for r in draw(table.rows, recipe, count)]
        write_rows(HERE / f"{recipe.name}.{part}.{recipe.suffix}", columns, rows[part])
    return {
        "name": recipe.name,
        "train": f"{recipe.name}.train.{recipe.suffix}",
        "test": f"{recipe.name}.test.{recipe.suffix}",
        "inputs": hint["inputs"],
        "target": hint["target"],
        "instruction": recipe.instruction,
        "kind": hint["kind"],
        "metric": hint["metric"],
        "rows": {part: len(r) for part, r in rows.items()},
        "source": hint["source"],
        "licence": hint["licence"],
        "citation": hint["citation"],
    }


def main() -> None:
    data = Path(sys.argv[1])
    domain = {
        "domain": "sample",
        "description": "Five small tasks to try everything on",
        "tasks": [make_task(data, recipe) for recipe in RECIPES],
    }
    (HERE / "domain.json").write_text(json.dumps(domain, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for task in domain["tasks"]:
        print(task["name"], task["rows"])


if __name__ == "__main__":
    main()

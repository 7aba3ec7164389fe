"""What is guessed about real task files without a hint, beside what their domain.json says:

    python tests/benchmarks/guess_table.py FOLDER_OF_DOMAINS

One line a file: are answer, inputs, kind, metric, encoding and number of rows right? A test holds 90 % of the
first three.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.tasks.guessing.kinds import kind_from_hint, metric_from_hint  # noqa: E402
from core.tasks.guessing.roles import guess_roles  # noqa: E402
from core.tasks.reading.files import read_table  # noqa: E402
from core.tasks.reading.table import Table  # noqa: E402

JUDGED = ("target", "inputs", "kind", "metric", "encoding", "rows")


@dataclass(frozen=True)
class Measured:
    text: str
    scores: dict[str, int]
    count: int


def measure(folder: Path) -> Measured:
    """Reads every train file below `folder` and compares the guesses with its domain.json."""
    lines, scores, count = [], dict.fromkeys(JUDGED, 0), 0
    for path in sorted(folder.glob("*/domain.json")):
        for task in json.loads(path.read_text(encoding="utf-8"))["tasks"]:
            right, said = judge(path.parent, task)
            count += 1
            for name, hit in right.items():
                scores[name] += hit
            marks = "  ".join(f"{name} {'yes' if hit else 'NO '}" for name, hit in right.items())
            lines.append(f"{task['name']:28} {marks}  {said}")
    lines.append("  ".join(f"{name} {n}/{count}" for name, n in scores.items()))
    return Measured("\n".join(lines), scores, count)


def judge(folder: Path, task: dict[str, Any]) -> tuple[dict[str, bool], str]:
    table = read_table(folder / task["train"])
    guess = guess_roles(table)
    inputs, targets = expected_columns(task, table)
    right = {
        "target": set(guess.targets) == targets,
        "inputs": set(guess.inputs) == inputs,
        "kind": guess.kind == kind_from_hint(task["kind"]),
        "metric": guess.metric == metric_from_hint(task["metric"]),
        "encoding": table.encoding == task["encoding"],
        "rows": len(table.rows) == task["rows"]["train"],
    }
    return right, f"{', '.join(guess.inputs)} -> {', '.join(guess.targets)}"


def expected_columns(task: dict[str, Any], table: Table) -> tuple[set[str], set[str]]:
    targets = [task["target"]] if isinstance(task["target"], str) else task["target"]
    if table.has_header:
        return set(task["inputs"]), set(targets)
    order = task["columns"]  # a file without header: its columns are called by their number
    number = {name: f"column_{order.index(name) + 1}" for name in order}
    return {number[n] for n in task["inputs"]}, {number[n] for n in targets}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    print(measure(parser.parse_args().folder).text)

"""What is guessed about files without a hint, beside what is right: three sets of tables, one figure.

    python tests/benchmarks/guess_table.py [FOLDER_OF_DOMAINS] [--json assets/docs/guesses.json]

- the real task files (answer, inputs, kind, metric, encoding and rows against their domain.json),
- the messy files (tests/tasks/messy/: columns, rows, roles, kind, metric, notes, questions),
- small tables of many trades and languages (tests/tasks/guess_cases.py), and such as were written after the rules
  (tests/tasks/fresh_cases.py).

A wrong answer column that nobody is asked about is counted apart: there must be none.
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
from core.tasks.guessing.roles import RoleGuess, guess_roles  # noqa: E402
from core.tasks.reading.files import read_table  # noqa: E402
from core.tasks.reading.table import Table  # noqa: E402
from tests.tasks.fresh_cases import FRESH  # noqa: E402
from tests.tasks.guess_cases import CASES  # noqa: E402
from tests.tasks.made_tables import Case  # noqa: E402
from tests.tasks.messy_facts import judge_facts, read_facts  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"
JUDGED = ("target", "inputs", "kind", "metric", "encoding", "rows")


@dataclass(frozen=True)
class Measured:
    """`scores`: right answers by fact; `silent`: tables whose answer column was wrong and not asked about."""

    text: str
    scores: dict[str, int]
    count: int
    asked: int
    silent: tuple[str, ...]

    @property
    def facts(self) -> tuple[int, int]:
        return sum(self.scores.values()), self.count * len(self.scores)


def measure(folder: Path) -> Measured:
    """Reads every train file below `folder` and compares the guesses with its domain.json."""
    lines, scores, count, asked = [], dict.fromkeys(JUDGED, 0), 0, 0
    silent = []
    for path in sorted(folder.glob("*/domain.json")):
        for task in json.loads(path.read_text(encoding="utf-8"))["tasks"]:
            right, guess = judge(path.parent, task)
            count += 1
            asked += bool(guess.other or guess.close)
            for name, hit in right.items():
                scores[name] += hit
            if not right["target"] and guess.other is None:
                silent.append(task["name"])
            marks = "  ".join(f"{name} {'yes' if hit else 'NO '}" for name, hit in right.items())
            lines.append(f"{task['name']:28} {marks}  {', '.join(guess.inputs)} -> {', '.join(guess.targets)}")
    lines.append("  ".join(f"{name} {n}/{count}" for name, n in scores.items()))
    return Measured("\n".join(lines), scores, count, asked, tuple(silent))


def judge(folder: Path, task: dict[str, Any]) -> tuple[dict[str, bool], RoleGuess]:
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
    return right, guess


def expected_columns(task: dict[str, Any], table: Table) -> tuple[set[str], set[str]]:
    targets = [task["target"]] if isinstance(task["target"], str) else task["target"]
    if table.has_header:
        return set(task["inputs"]), set(targets)
    order = task["columns"]  # a file without header: its columns are called by their number
    number = {name: f"column_{order.index(name) + 1}" for name in order}
    return {number[n] for n in task["inputs"]}, {number[n] for n in targets}


def judge_case(case: Case) -> tuple[dict[str, bool], RoleGuess]:
    """A made table against what is right about it; its metric counts where the case names one."""
    cells = zip(*case.columns.values(), strict=True)
    rows = [dict(zip(case.columns, row, strict=True)) for row in cells]
    guess = guess_roles(
        Table("t.csv", "csv", "utf-8", tuple(case.columns), rows, list(range(2, len(rows) + 2)), [])
    )
    right = {
        "target": guess.targets == case.targets,
        "inputs": set(guess.inputs) == set(case.inputs),
        "kind": guess.kind == case.kind,
    }
    return right | ({"metric": guess.metric == case.metric} if case.metric else {}), guess


def figures(folder: Path) -> dict[str, Any]:
    """The figure of every set of tables: facts, right ones, tables asked about, wrong in silence."""
    real = measure(folder)
    sets: dict[str, dict[str, Any]] = {}
    right, facts = real.facts
    sets["real task files"] = {
        "tables": real.count, "facts": facts, "right": right, "asked": real.asked, "silent": list(real.silent)
    }  # fmt: skip
    judged = judge_facts()
    facts, wrong = sum(n for n, _ in judged.values()), sum(len(some) for _, some in judged.values())
    files = {fact.file for fact in read_facts()}
    sets["messy files"] = {"tables": len(files), "facts": facts, "right": facts - wrong}
    sets["made tables"] = _figures_of(CASES)
    sets["tables made after the rules"] = _figures_of(FRESH)
    total = {key: sum(one[key] for one in sets.values()) for key in ("tables", "facts", "right")}
    return {"sets": sets, "all": total | {"share": round(total["right"] / total["facts"], 4)}}


def _figures_of(cases: dict[str, Case]) -> dict[str, Any]:
    found = {name: judge_case(case) for name, case in cases.items()}
    return {
        "tables": len(cases),
        "facts": sum(len(right) for right, _ in found.values()),
        "right": sum(sum(right.values()) for right, _ in found.values()),
        "asked": sum(bool(guess.other or guess.close) for _, guess in found.values()),
        "silent": [name for name, (right, guess) in found.items() if not right["target"] and guess.other is None],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED / "tasks")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    args = parser.parse_args()
    print(measure(args.folder).text)
    found = figures(args.folder)
    for name, one in found["sets"].items():
        asked = f", {one['asked']} asked about, {len(one['silent'])} wrong in silence" if "asked" in one else ""
        print(f"{name}: {one['right']} of {one['facts']} facts about {one['tables']} tables{asked}")
    print(f"all: {found['all']['right']} of {found['all']['facts']} ({100 * found['all']['share']:.1f} %)")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

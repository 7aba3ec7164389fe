"""All facts about the messy files (tests/tasks/messy/), how many hold, as the table of assets/docs/reading.md:

python tests/benchmarks/messy_table.py
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.tasks.messy_facts import judge_facts, read_facts  # noqa: E402


def table() -> str:
    facts = list(read_facts())
    files = {fact.file for fact in facts}
    wrong = [fact for _, some in judge_facts().values() for fact in some]
    count = Counter(fact.file.partition("/")[0] for fact in facts)
    failed = Counter(fact.file.partition("/")[0] for fact in wrong)
    lines = ["| folder | files | facts | right |", "|---|---:|---:|---:|"]
    for folder in sorted(count):
        inside = sum(1 for file in files if file.startswith(f"{folder}/"))
        lines.append(f"| {folder} | {inside} | {count[folder]} | {count[folder] - failed[folder]} |")
    lines.append(f"| all | {len(files)} | {len(facts)} | {len(facts) - len(wrong)} |")
    lines += [f"- does not hold: {fact.file}: {fact.name} is {fact.value!r}" for fact in wrong]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())

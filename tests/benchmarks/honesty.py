"""The benchmark of honesty: does every staged run get the one right verdict, and how fast is it judged?

    python tests/benchmarks/honesty.py [--out DIR]

The stages (`tests/staged_runs.py`) are run folders with made data and answers: collapsed, cut, leaky, torn,
a tiny exam, untrained, good, below guessing, unseen labels, too few rows, copy the input, a noisy gain, and kin.
Exit code 1 when a verdict is wrong. With --out the folders are kept to look at.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.commands.output import table  # noqa: E402
from core.insight.verdicts import read_verdicts  # noqa: E402
from tests.staged_runs import Stage, stages, write_stage  # noqa: E402


def judge_stage(stage: Stage, run_dir: Path) -> tuple[bool, list[object]]:
    """Whether the verdict is the right one, and a line of the table: seconds are those of scores and guesses."""
    began = time.perf_counter()
    found = read_verdicts(write_stage(stage, run_dir))[0]
    seconds = time.perf_counter() - began
    is_right = (found.verdict, found.rule, found.step) == (stage.verdict, stage.rule, stage.step)
    mark = "" if is_right else f"WRONG, not {stage.verdict} ({stage.rule}, {stage.step})"
    return is_right, [stage.name, found.verdict, found.step, round(seconds, 2), mark, found.reason.text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="keep the staged run folders here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = args.out or Path(place)
        judged = [judge_stage(stage, root / stage.name.replace(" ", "_")) for stage in stages()]
    print(table([line for _, line in judged], ["stage", "verdict", "next", "s", "", "reason"]))
    right = sum(is_right for is_right, _ in judged)
    print(f"\n{right} of {len(judged)} verdicts are right.")
    return 0 if right == len(judged) else 1


if __name__ == "__main__":
    sys.exit(main())

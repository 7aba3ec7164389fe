"""What the three goal cards give on the sample project, for the cards to say it.

    python tests/benchmarks/goal_cards.py [--goal quick ...] [--write]

Trains the sample once a goal as a user would (starter model, default method, exam of both models); prints seconds
from Start to the end of the exam and the mean exam score before and after, beside the best guesses'. --write puts
the figures under "goals" into assets/docs/study.json, whose other parts stay; run it on a machine that does nothing
else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.training.config import config_to_yaml  # noqa: E402
from core.training.goals import GOALS, STUDY_PATH, config_for_goal  # noqa: E402
from tests.benchmarks.sample_project import call  # noqa: E402


def measure(goal: str) -> dict[str, Any]:
    """One training of the sample with a goal's settings."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        call(workspace, "sample", "--name", "Sample")
        plan = workspace / "plan.yaml"
        plan.write_text(config_to_yaml(config_for_goal(goal)), encoding="utf-8")
        started = time.monotonic()
        results = call(workspace, "train", "Sample", "--config", str(plan))["results"]
        seconds = time.monotonic() - started
    score, base = (sum(r[side]["value"] for r in results) / len(results) for side in ("tuned", "base"))
    guess = sum(r["guesses"][r["best_guess"]]["value"] for r in results) / len(results)
    found = {"score": round(score, 4), "base": round(base, 4), "guess": round(guess, 4)}
    return {"seconds": round(seconds, 1), **found, "cores": os.cpu_count()}


def write(measured: dict[str, Any]) -> None:
    study = json.loads(STUDY_PATH.read_text(encoding="utf-8")) if STUDY_PATH.is_file() else {}
    study["goals"] = {**study.get("goals", {}), **measured}
    STUDY_PATH.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goal", action="append", choices=GOALS.names())
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    measured = {}
    for goal in chosen.goal or GOALS.names():
        measured[goal] = measure(goal)
        print(goal, measured[goal], flush=True)
    if chosen.write:
        write(measured)


if __name__ == "__main__":
    main()

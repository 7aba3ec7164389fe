"""The sample project from nothing to scores, as a new user runs it, timed; writes README's table.

    python tests/benchmarks/sample_project.py [--base-model FOLDER_OR_ID] [--set KEY=VALUE ...] [--write]

Makes a workspace in a temporary folder, loads the sample, trains with the default settings in a worker (two stages,
exam of the untouched and of the tuned model on all test rows), reads the heatmap's table, and prints times and
scores. --write puts them into assets/docs/sample.json and into README.md between the sample marks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERDICTS = ROOT / "assets/locales/en/messages/verdicts.json"
BEGIN, END = "<!-- sample:begin -->", "<!-- sample:end -->"
WORDS = {
    key.removeprefix("verdict."): told
    for key, (told, _) in json.loads(VERDICTS.read_text("utf-8")).items()
    if key.startswith("verdict.")
}


def call(workspace: Path, *words: str) -> Any:
    """One command line verb; its JSON answer."""
    command = [sys.executable, "-m", "core", *words, "--workspace", str(workspace), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(workspace: Path, base_model: str, assignments: list[str]) -> dict[str, Any]:
    """Sample, training with both stages and exam, skills: scores by task and seconds by part."""
    started = time.monotonic()
    call(workspace, "sample", "--name", "Sample")
    loaded = time.monotonic()
    sets = [word for text in ["exam_rows=none", *assignments] for word in ("--set", text)]
    run = call(workspace, "train", "Sample", "--base-model", base_model, *sets)
    trained = time.monotonic()
    call(workspace, "skills", run["run_id"])
    ended = time.monotonic()
    verdicts = {v["task"]: v["verdict"] for v in call(workspace, "evaluate", run["run_id"])["verdicts"]}
    return {
        "base_model": base_model,
        "settings": assignments,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "seconds": {
            "sample": loaded - started,
            "train_and_exam": trained - loaded,
            "skills": ended - trained,
            "all": ended - started,
        },
        "results": [{**result, "verdict": verdicts[result["task"]]} for result in run["results"]],
    }


def table(measured: dict[str, Any]) -> str:
    """Markdown: task, metric, untuned, best guess and tuned score with 95 % interval, in percent; the verdict."""
    heads = ("task", "metric", "rows", "untuned", "best guess", "tuned (95 % interval)", "verdict")
    lines = [f"| {' | '.join(heads)} |", "| --- | --- | ---: | ---: | ---: | ---: | --- |"]
    for result in measured["results"]:
        base, tuned = result["base"], result["tuned"]
        span = f"{100 * tuned['low']:.0f} to {100 * tuned['high']:.0f}"
        name, metric = result["task"].replace("_", " "), result["metric"].replace("_", " ")
        lines.append(
            f"| {name} | {metric} | {result['n']} | {100 * base['value']:.1f} | "
            f"{100 * result['guesses'][result['best_guess']]['value']:.1f} | "
            f"**{100 * tuned['value']:.1f}** ({span}) | {WORDS[result['verdict']]} |"
        )
    minutes = measured["seconds"]["all"] / 60
    lines += [
        "",
        f"Both stages, the exam of both models and the skill table took {minutes:.1f} minutes on "
        f"{measured['cores']} CPU cores (`python tests/benchmarks/sample_project.py --write`).",
    ]
    return "\n".join(lines)


def write(measured: dict[str, Any]) -> None:
    (ROOT / "assets/docs/sample.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    path = ROOT / "README.md"
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{table(measured)}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-model", default="starter")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), chosen.base_model, chosen.set)
    print(table(measured))
    print({name: round(seconds, 1) for name, seconds in measured["seconds"].items()})
    if chosen.write:
        write(measured)


if __name__ == "__main__":
    main()

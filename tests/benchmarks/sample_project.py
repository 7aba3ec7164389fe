"""The sample project from nothing to scores, as a new user runs it, timed; writes README's table.

    python tests/benchmarks/sample_project.py [--base-model FOLDER_OR_ID] [--set KEY=VALUE ...] [--write]
    python tests/benchmarks/sample_project.py --workspace DIR --run RUN [--write]

Makes a workspace in a temporary folder, loads the sample, trains with the default settings in a worker (two stages,
exam of the untouched and of the tuned model on all test rows), reads the heatmap's table, and prints times and
scores. --write puts them into assets/docs/sample.json and into README.md between the sample marks; those of another
base model than the starter into sample-NAME.json and between the marks of its name. The second form is for a slow
or busy machine: it goes on with a run of the sample that was broken off, or reads a finished one.
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


def measure_run(workspace: Path, run_id: str) -> dict[str, Any]:
    """The same of a run of the sample in a workspace that stays; one that was broken off goes on first."""
    folder = next(workspace.glob(f"projects/*/runs/{run_id}*"))
    if not (folder / "DONE").exists():
        call(workspace, "resume", folder.name)
    found = call(workspace, "evaluate", folder.name)
    record = json.loads((folder / "record.json").read_text("utf-8"))
    verdicts = {v["task"]: v["verdict"] for v in found["verdicts"]}
    config, actual = record["config"], record["actual"]
    names = ("max_steps", "num_threads")
    sets = [f"{name}={config[name]}" for name in names if config[name] is not None]
    if (
        start := config["adapter"].get("private_start")
    ) is not None:  # its default has changed between measurements
        sets.append(f"adapter.private_start={start:g}")
    return {
        "base_model": config["base_model"].rpartition("/")[2],
        "settings": sets,
        "cores": config["num_threads"] or os.cpu_count(),
        "machine": platform.machine(),
        "seconds": {
            "train_and_exam": actual["seconds"],
            "all": actual["seconds"],
            "processor": actual["processor_s"],
        },
        "results": [{**result, "verdict": verdicts[result["task"]]} for result in found["results"]],
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
    return "\n".join([*lines, "", _time_told(measured)])


def _time_told(measured: dict[str, Any]) -> str:
    seconds, script = measured["seconds"], "`python tests/benchmarks/sample_project.py"
    if "processor" in seconds:
        spent, waited = (f"{seconds[name] / 60:.0f}" for name in ("processor", "all"))
        return (
            f"{', '.join(measured['settings'])}, else the defaults; {spent} minutes of one core, {waited} "
            f"by the clock on a machine that did much else ({script} --run RUN --write`)."
        )
    sets = "".join(f"--set {one} " for one in measured["settings"])
    return (
        f"Both stages, the exam of both models and the skill table took {seconds['all'] / 60:.1f} minutes on "
        f"{measured['cores']} CPU cores ({script} {sets}--write`)."
    )


def write(measured: dict[str, Any]) -> None:
    base = measured["base_model"]
    name, begin, end = "sample", BEGIN, END
    if base != "starter":
        name, begin, end = f"sample-{base}", *(mark.replace("sample", f"sample {base}") for mark in (BEGIN, END))
    (ROOT / f"assets/docs/{name}.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    path = ROOT / "README.md"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    path.write_text(f"{before}{begin}\n{table(measured)}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-model", default="starter")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--run", help="a run of the sample in --workspace")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    if chosen.run:
        measured = measure_run(chosen.workspace, chosen.run)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(Path(folder), chosen.base_model, chosen.set)
    print(table(measured))
    print({name: round(seconds, 1) for name, seconds in measured["seconds"].items()})
    if chosen.write:
        write(measured)


if __name__ == "__main__":
    main()

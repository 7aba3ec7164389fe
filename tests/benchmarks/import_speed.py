"""A large csv through preview, import and health report, beside pandas.read_csv alone:

    python tests/benchmarks/import_speed.py [--rows 1000000] [--json FILE]

Every stage runs in a process of its own, so that its peak memory is its own. The file is made on the spot (about
200 bytes a row). Goals: import and health report under 60 s on two idle cores and under 2 GB, preview under 2 s.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGES = {
    "pandas.read_csv": "import pandas; pandas.read_csv(path)",
    "preview": "from core.tasks.changing.preview import preview_file; preview_file(path)",
    "import": "from core.tasks.changing.add_task import add_task; add_task(project, path)",
    "health": "from core.tasks.health.report import health_report; health_report(project)",
}
PROLOGUE = """
import json, resource, sys, time
path, workspace = sys.argv[1:]
from core.workspace import Workspace
project = Workspace(workspace).get_project("Benchmark")
wall, used = time.monotonic(), time.process_time()
"""
EPILOGUE = """
print(json.dumps({"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - used,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def write_file(path: Path, num_rows: int) -> None:
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20_000)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label"])
        for number in range(num_rows):
            text = " ".join(rng.choices(words, k=rng.randint(20, 36)))
            writer.writerow([number, text, f"label_{rng.randrange(40)}"])


def run_stage(body: str, path: Path, workspace: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + body + EPILOGUE, str(path), str(workspace)], check=True,
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return {k: round(v, 2) for k, v in json.loads(done.stdout.splitlines()[-1]).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from core.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder:
        path, workspace = Path(folder) / "large.csv", Path(folder) / "workspace"
        write_file(path, args.rows)
        Workspace(workspace).create_project("Benchmark")
        load = os.getloadavg()[0]
        print(f"{args.rows} rows, {path.stat().st_size / 1e6:.0f} MB, load before the start {load:.1f}")
        results = {}
        for name, body in STAGES.items():
            started = time.monotonic()
            results[name] = run_stage(body, path, workspace)
            shown = "  ".join(f"{key} {value}" for key, value in results[name].items())
            print(f"{name:16} {shown}  (with start {time.monotonic() - started:.1f} s)", flush=True)
    total = results["import"]["seconds"] + results["health"]["seconds"]
    print(f"import and health report: {total:.1f} s")
    if args.json:
        record = {"rows": args.rows, "load": load, "stages": results}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How exactly exports answer: largest difference of logits between trained runs and their files, loaded again by
plain transformers and PEFT in a fresh process (fp32).

    python tests/benchmarks/export_exactness.py WORKSPACE [--write]

Exports every finished run of the workspace as LoRA and as merged models, where its method can, and prints a table;
--write keeps the figures in assets/docs/export-exactness.json. Fails when one is 1e-4 or more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
OUT = ROOT / "assets" / "docs" / "export-exactness.json"
GOAL = 1e-4


def measure(run_dir: Path) -> list[dict]:
    """One entry a kind: method, base model, tasks, rank, largest difference of logits."""
    from core.base.errors import ModelError
    from core.export.base_names import public_name
    from core.export.bundle import ExportWish, export_run
    from core.runs.folder import RunFolder

    config, found = RunFolder(run_dir).read_config(), []
    for kind in ("lora", "merged"):
        with tempfile.TemporaryDirectory() as place:
            try:
                exports = export_run(run_dir, Path(place) / "out", ExportWish(kind))
            except ModelError as error:
                print(f"{config.method} {kind}: {error.message}")
                continue
        found.append(
            {
                "method": config.method,
                "base_model": public_name(config.base_model),
                "kind": kind,
                "tasks": len(exports),
                "rank": exports[0].rank,
                "largest": max(e.difference for e in exports),
            }
        )
        print(json.dumps(found[-1]), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    runs = sorted(path.parent for path in arguments.workspace.glob("projects/*/runs/*/DONE"))
    entries = [entry for run_dir in runs for entry in measure(run_dir)]
    if arguments.write:
        OUT.write_text(json.dumps({"goal": GOAL, "exports": entries}, indent=1) + "\n", encoding="utf-8")
    return 0 if entries and all(entry["largest"] < GOAL for entry in entries) else 1


if __name__ == "__main__":
    sys.exit(main())

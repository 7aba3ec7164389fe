"""A study of 12 small runs on a Ray cluster of two nodes, against the same runs one after the other.

    pip install ray; python tests/benchmarks/spread_study.py --out assets/docs/spread_study.json

The cluster is a real one of several nodes on this machine (`ray.cluster_utils`), one processor a node; the serial
runs use one processor too. Half of them go before the spread ones and half after, so that what else the machine
does weighs on both alike; its load stands in the outcome. So do the seconds of the runs' own processes, by the
clock and of the processor: what is spent beside them is the cluster's. It is joined before the clock starts, as the
question for its terms does before every start. Every run has to end bit for bit as its serial twin. Goal: 0.6 of
the serial time.
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
sys.path[:0] = [str(ROOT)]
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "RAY_worker_niceness", "0"
)  # Ray's own is 15: beside other people's work its runs would starve

from core.base.files import read_json  # noqa: E402
from core.insight.study import Arm, Study, create_study, read_study, run_study, run_study_on  # noqa: E402
from core.runs import where  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.launchers import LAUNCHERS  # noqa: E402
from core.training.config import RunConfig  # noqa: E402
from core.workspace import Project  # noqa: E402
from tests.tiny_models import build_tiny_llama  # noqa: E402
from tests.toy_project import build_toy_project, quick_config  # noqa: E402

GOAL, NODES, STORE = 0.6, 2, 80 * 2**20
ARMS = (Arm("C-Poly", "cpoly"), Arm("LoRA", "lora"))


def timed(project: Project, config: RunConfig, name: str, seeds: tuple[int, ...], on: where.Engine | None) -> float:
    folder = create_study(project, Study(name, config, ARMS, seeds))
    began = time.monotonic()
    if on is None:
        run_study(project, folder, lambda *_: None)
    else:
        run_study_on(project, folder, on, lambda _: None)
    took = time.monotonic() - began
    print(f"{name}: {len(seeds) * len(ARMS)} runs in {took:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    return took


def runs_of(project: Project, names: list[str]) -> dict[tuple[str, int], RunFolder]:
    """(arm, seed) -> its run."""
    found = {}
    for path in (project.path / "studies").glob("*"):
        study = read_study(path)
        if study.name in names:
            for cell in study.cells:
                found[cell.arm, cell.seed] = RunFolder(project.runs_dir / cell.run_id)
    return found


def spent(runs: dict[tuple[str, int], RunFolder]) -> dict[str, float]:
    """Seconds of all the runs' own processes."""
    actual = [read_json(run.record_path)["actual"] for run in runs.values()]
    return {name: round(sum(one[name] for one in actual), 1) for name in ("seconds", "processor_s")}


def measure(root: Path, num_seeds: int, steps: int) -> dict[str, Any]:
    from ray.cluster_utils import Cluster

    project, model = build_toy_project(root), root / "model"
    build_tiny_llama(model)
    config = quick_config(model, max_steps=steps)
    seeds, half = tuple(range(num_seeds)), num_seeds // 2
    load = [os.getloadavg()[0]]
    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(NODES):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        text = json.dumps({"nodes": {"launcher": "ray", "address": cluster.address}})
        (root / where.FILE).write_text(text, encoding="utf-8")
        engine = where.find_engine(root, "nodes")
        LAUNCHERS.get(engine.launcher).expect(engine.settings)
        before = timed(project, config, "serial, first half", seeds[:half], None)
        load.append(os.getloadavg()[0])
        spread = timed(project, config, "spread", seeds, engine)
        load.append(os.getloadavg()[0])
        after = timed(project, config, "serial, second half", seeds[half:], None)
        load.append(os.getloadavg()[0])
    finally:
        cluster.shutdown()
    serial, there = runs_of(project, ["serial, first half", "serial, second half"]), runs_of(project, ["spread"])
    same = [run.weights_path.read_bytes() == there[cell].weights_path.read_bytes() for cell, run in serial.items()]
    share = spread / (before + after)
    return {
        "runs": len(serial),
        "nodes": NODES,
        "cores": os.cpu_count(),
        "serial_s": round(before + after, 1),
        "halves_s": [round(before, 1), round(after, 1)],
        "spread_s": round(spread, 1),
        "share": round(share, 3),
        "goal": GOAL,
        "holds": share <= GOAL,
        "equal_bit_for_bit": all(same) and len(serial) == len(there),
        "own_serial": spent(serial),
        "own_spread": spent(there),
        "load": [round(value, 1) for value in load],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6, help="of each of the two arms")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = measure(Path(place), chosen.seeds, chosen.steps)
    text = json.dumps(found, indent=1)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0 if found["holds"] and found["equal_bit_for_bit"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""Two processes of data parallel give what one process gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, os, sys
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from core.models.loading import load_base
from core.models.modular import build_modular

folder, method, out = sys.argv[1:]
ranks = int(os.environ.get("WORLD_SIZE", "1"))
rank = int(os.environ.get("RANK", "0"))
config = {"noise": False} if method in ("cpoly", "mhr") else {}
model = build_modular(load_base(folder), method, config, 4)
wrapped = model
if ranks > 1:
    dist.init_process_group("gloo")
    wrapped = DistributedDataParallel(model, find_unused_parameters=True)
generator = torch.Generator().manual_seed(0)
ids = torch.randint(5, 400, (3, 4, 8), generator=generator)
tasks = [[0, 1, 2, 1], [2, 2, 0, 0], [1, 0, 1, 0]]  # task 3 is never there
optimizer = torch.optim.AdamW([p for ps in model.parameter_groups(1).values() for p in ps], lr=0.01)
for step in range(3):
    rows = list(range(4))[rank::ranks]
    output = wrapped(ids[step][rows], labels=ids[step][rows], task_ids=[tasks[step][i] for i in rows])
    optimizer.zero_grad()
    output.loss.backward()
    optimizer.step()
if rank == 0:
    state = model.adapter.state_dict()
    sums = {k: [float(v.double().sum()), float(v.double().abs().sum())] for k, v in state.items()}
    json.dump(sums, open(out, "w"))
"""


def run(folder: Path, method: str, out: Path, ranks: int, root: Path) -> dict[str, Any]:
    program = out.with_suffix(".py")
    program.write_text(PROGRAM)
    launcher = [sys.executable]
    if ranks > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    environment = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}
    subprocess.run(
        [*launcher, str(program), str(folder), method, str(out)], check=True, cwd=root, env=environment,
        capture_output=True, timeout=300,
    )
    return json.loads(out.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cpoly", "mta", "lora"])
def test_two_processes_equal_one(bench, tmp_path, repo_root, method):
    base = bench.bases["llama"]
    one = run(Path(base.model_id), method, tmp_path / "one", 1, repo_root)
    two = run(Path(base.model_id), method, tmp_path / "two", 2, repo_root)
    assert one.keys() == two.keys()
    for name, values in one.items():
        if name.startswith("usage."):
            continue  # shown averages, counted by each process for itself
        assert two[name] == pytest.approx(values, rel=2e-4, abs=2e-4), name

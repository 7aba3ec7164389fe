"""Two processes of data parallel give what one process gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.adapters.registry import METHODS

PROGRAM = """
import json, os, sys
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from core.adapters.registry import METHODS
from core.models.loading import load_base
from core.models.building import build_modular

llama, t5, out = sys.argv[1:]
ranks = int(os.environ.get("WORLD_SIZE", "1"))
rank = int(os.environ.get("RANK", "0"))
if ranks > 1:
    dist.init_process_group("gloo")
generator = torch.Generator().manual_seed(0)
ids = torch.randint(5, 400, (3, 4, 8), generator=generator)
tasks = [[0, 1, 2, 1], [2, 2, 0, 0], [1, 0, 1, 0]]  # task 3 is never there
sums = {}
for folder, method, stage in [(f, m, s) for f in (llama, t5) for m in METHODS.names()
                              for s in range(1, len(METHODS.get(m).stages) + 1)]:
    config = {"noise": False} if method in ("cpoly", "poly", "mhr") else {}
    model = build_modular(load_base(folder), method, config, 4)
    model.set_stage(stage)
    torch.manual_seed(0)
    with torch.no_grad():
        for p in model.adapter.parameters():
            p += 0.1 * torch.randn(p.shape)
    wrapped = model if ranks == 1 else DistributedDataParallel(model, find_unused_parameters=True)
    optimizer = torch.optim.AdamW([p for ps in model.parameter_groups(stage).values() for p in ps], lr=0.01)
    for step in range(3):
        rows = list(range(4))[rank::ranks]
        output = wrapped(ids[step][rows], labels=ids[step][rows], task_ids=[tasks[step][i] for i in rows])
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    for name, value in model.adapter.state_dict().items():
        key = f"{os.path.basename(folder)} {method} {stage} {name}"
        sums[key] = [float(value.double().sum()), float(value.double().abs().sum())]
if rank == 0:
    json.dump(sums, open(out, "w"))
"""


def run(folders: list[str], out: Path, ranks: int, root: Path) -> dict[str, Any]:
    program = out.with_suffix(".py")
    program.write_text(PROGRAM)
    launcher = [sys.executable]
    if ranks > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    environment = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}
    subprocess.run(
        [*launcher, str(program), *folders, str(out)],
        check=True,
        cwd=root,
        env=environment,
        capture_output=True,
        timeout=600,
    )
    return json.loads(out.read_text())


@pytest.mark.slow
def test_two_processes_equal_one(bench, tmp_path, repo_root):
    """Every method and stage, on both architectures, in one launch each."""
    folders = [bench.bases["llama"].model_id, bench.bases["t5"].model_id]
    one = run(folders, tmp_path / "one", 1, repo_root)
    two = run(folders, tmp_path / "two", 2, repo_root)
    assert one.keys() == two.keys()
    expected = {f"{folder} {method}" for folder in ("llama", "t5") for method in METHODS.names()}
    assert {" ".join(name.split()[:2]) for name in one} == expected
    for name, values in one.items():
        assert two[name] == pytest.approx(values, rel=2e-4, abs=2e-4), name

"""Exports are loaded again by plain transformers and PEFT in a fresh process and compared before they are offered.

What was written is what is read: nothing of this process (patched layers, cached weights) can hide a fault.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.base.errors import RunError
from core.base.processes import Order, python, run_to_end
from core.models.modular import ModularModel

READER = Path(__file__).with_name("plain_reader.py")
MOST_S = 1800
# Of logits in 32-bit floats; above 1, of the largest logit. Trained runs stay below 1e-4 outright, which
# tests/benchmarks/export_exactness.py measures; only random factors make the rounding of large logits larger.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Written:
    """An export on the disk: `kind` lora, merged or gguf; `task` is the row that it must answer like.
    `tolerance`: of the largest logit (or of 1 where that is less), which numbers of fewer bits need larger."""

    kind: str
    folder: Path
    task: int
    base: str
    revision: str | None = None
    tolerance: float = TOLERANCE


def recheck(model: ModularModel, exports: Sequence[Written], probe: Tensor) -> list[float]:
    """The largest difference of logits of each export against the live model on `probe` [b, n], in fp32.

    Raises:
        RunError: an export cannot be loaded, or answers differently.
    """
    with tempfile.TemporaryDirectory(prefix="taskloom-recheck-") as place:
        root = Path(place)
        save_file({"ids": probe.cpu()}, root / "ids")
        orders = [
            {
                "kind": e.kind,
                "base": e.base,
                "revision": e.revision,
                "folder": str(e.folder),
                "ids": str(root / "ids"),
                "out": str(root / str(i)),
            }
            for i, e in enumerate(exports)
        ]
        request = root / "request.json"
        request.write_text(json.dumps(orders), encoding="utf-8")
        _run_reader([str(READER), str(request)], exports[0].folder)
        return [_compare(model, e, probe, load_file(root / str(i))["logits"]) for i, e in enumerate(exports)]


def recheck_run(model: ModularModel, folder: Path, probe: Tensor) -> float:
    """The same for a whole run, which the workbench itself loads in a fresh process: the largest of all tasks.

    Raises:
        RunError: as `recheck`.
    """
    with tempfile.TemporaryDirectory(prefix="taskloom-recheck-") as place:
        root = Path(place)
        save_file({"ids": probe.cpu()}, root / "ids")
        order = {"folder": str(folder), "ids": str(root / "ids"), "out": str(root / "out")}
        (root / "request.json").write_text(json.dumps(order), encoding="utf-8")
        _run_reader(["-m", "core.export.run_reader", str(root / "request.json")], folder)
        found = load_file(root / "out")
        return max(_compare(model, Written("run", folder, int(t), ""), probe, found[t]) for t in found)


def _run_reader(words: list[str], folder: Path) -> None:
    try:
        done = run_to_end(Order(python(*words), Path(words[-1]).parent), MOST_S)
    except TimeoutError as error:
        raise RunError("export.unreadable", folder=str(folder), detail=str(error)) from error
    if done.code != 0:
        raise RunError("export.unreadable", folder=str(folder), detail=done.last_words)


@torch.no_grad()
def _compare(model: ModularModel, export: Written, probe: Tensor, found: Tensor) -> float:
    probe = probe.to(model.device)
    extra = {"decoder_input_ids": probe} if model.architecture == "encoder_decoder" else {}
    expected = model(probe, task_ids=[export.task] * len(probe), **extra).logits.float().cpu()
    difference, largest = float((found - expected).abs().max()), float(expected.abs().max())
    if not difference <= export.tolerance * max(1.0, largest):
        raise RunError("export.differs", folder=str(export.folder), difference=f"{difference:.2g}")
    return difference

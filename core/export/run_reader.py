"""Loads a whole exported run as another workbench would, in a process of its own, and writes down its logits.

    python -m core.export.run_reader REQUEST.json

The counterpart of `plain_reader` for the workbench's own format: REQUEST.json holds {"folder", "ids", "out"}; `out`
becomes a safetensors file with the logits [b, n, V] of every task under the task's row.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from core.export.bundle import load_for_export


@torch.no_grad()
def write_logits(order: dict[str, str]) -> None:
    ids = load_file(order["ids"])["ids"]
    run = load_for_export(Path(order["folder"]))
    extra = {"decoder_input_ids": ids} if run.base.architecture == "encoder_decoder" else {}
    found = {
        str(task): run.model(ids, task_ids=[task] * len(ids), **extra).logits.float().contiguous()
        for task in range(len(run.tasks))
    }
    save_file(found, order["out"])


if __name__ == "__main__":
    write_logits(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

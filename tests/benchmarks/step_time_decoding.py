"""Cost of writing an answer: base, plain PEFT LoRA, C-Poly on one task and on a mixed batch, and a merged task.

    python tests/benchmarks/step_time_decoding.py --out assets/docs/decoding_time.json

Interleaved like `step_time.py`; ratios are to the base model of the same round. Goals: one task costs what a LoRA
costs, a mixed batch at most 1.2 times one task.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import step_variants  # it also puts the repository root on the path
import torch
from transformers.utils import logging

from core.export.weights import merge_task
from core.models.building import build_modular
from core.models.loading import LoadedBase

Writer = Callable[[], Any]


def build_writers(work: step_variants.Workload, new_tokens: int) -> dict[str, Writer]:
    base = step_variants.build_base(work).eval()
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, base.config.vocab_size, (work.batch, work.tokens), generator=generator).to(work.device)
    options: dict[str, Any] = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": new_tokens,
        "min_new_tokens": new_tokens,
        "do_sample": False,
        "pad_token_id": 0,
    }
    lora = step_variants.build_peft("peft-lora", work, copy.deepcopy(base)).eval()
    loaded = LoadedBase(copy.deepcopy(base), None, "decoder", work.tokens, "cpoly")
    cpoly = build_modular(loaded, "cpoly", {}, work.tasks).eval()
    merged = merge_task(cpoly, 0)
    mixed = [row % work.tasks for row in range(work.batch)]
    return {
        "base": lambda: base.generate(ids, **options),
        "merged": lambda: merged.generate(ids, **options),
        "peft-lora": lambda: lora.generate(input_ids=ids, **options),
        "cpoly, one task": lambda: cpoly.generate(ids, task_ids=[0] * work.batch, **options),
        "cpoly, mixed": lambda: cpoly.generate(ids, task_ids=mixed, **options),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=step_variants.SHAPES, default="small")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    work = step_variants.Workload(
        options.shape, options.batch, options.tokens, options.tasks, options.dtype, options.device
    )
    writers = build_writers(work, options.new_tokens)
    seconds: dict[str, list[float]] = {name: [] for name in writers}
    clock = time.perf_counter if options.device == "cuda" else time.process_time
    for number in range(options.rounds + 1):
        for name, write in writers.items():
            start = clock()
            write()
            if options.device == "cuda":
                torch.cuda.synchronize()
            if number:  # the first round warms up
                seconds[name].append(clock() - start)
    rows = []
    for name, times in seconds.items():
        ratio = statistics.median(t / b for t, b in zip(times, seconds["base"], strict=True))
        milliseconds = round(1000 * statistics.median(times))
        rows.append({"variant": name, "ratio": round(ratio, 3), "milliseconds": milliseconds})
        print(f"{name:18s} {ratio:6.3f}  {rows[-1]['milliseconds']} ms")
    if options.out:
        report = {
            "shape": options.shape,
            "batch": options.batch,
            "prompt": options.tokens,
            "new_tokens": options.new_tokens,
            "rounds": options.rounds,
            "results": rows,
        }
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

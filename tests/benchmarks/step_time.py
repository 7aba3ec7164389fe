"""Cost of a training step, method against method, interleaved in one run.

    python tests/benchmarks/step_time.py                       small Llama shape on the CPU, minutes
    python tests/benchmarks/step_time.py --shape smollm2-135m --device cuda --dtype bfloat16
    python tests/benchmarks/step_time.py --tasks 4 16 64 256 1000 --variants cpoly peft-poly
    python tests/benchmarks/step_time.py --shape qwen2.5-0.5b --layers 2 --batch 2 --tokens 512 --answers 128

Compares the frozen base (gradient flowing through it: the floor), plain PEFT LoRA of equal active rank, PEFT's
Poly, and every registered method. Rounds go through all variants in turn (A B C, A B C, ..), so that a busy machine
slows all of them alike (on one CPU thread its own seconds are counted); medians and quartiles of the ratios to the
frozen base of the same round are reported, then milliseconds. Also counted, exactly and without a clock: operations
per adapted layer, host synchronisations, bytes kept for backward.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from step_variants import OURS, SHAPES, THEIRS, Bench, Counter, Workload, build_base
from transformers.utils import logging

from tests.kept import kept_bytes


@dataclass
class Result:
    """Ratios are to the frozen base of the same round."""

    variant: str
    tasks: int
    ratio: float
    ratio_low: float
    ratio_high: float
    milliseconds: float
    tokens_per_second: float
    operations_per_layer: float
    host_syncs: int
    kept_mb: float
    peak_mb: float | None
    parameters: int


def compare(work: Workload, variants: list[str], rounds: int, say: Callable[[str], None]) -> list[Result]:
    base = build_base(work)
    names = ["frozen", *[v for v in variants if v != "frozen"]]
    benches, skipped = [], []
    for name in names:
        try:
            bench = Bench(name, work, base)
            bench.step()
            benches.append(bench)
        except (RuntimeError, ValueError, TypeError) as error:
            skipped.append(f"{name}: {str(error)[:100]}")
    say("\n".join(skipped))
    counts = {b.variant: count(b) for b in benches}
    seconds: dict[str, list[float]] = {b.variant: [] for b in benches}
    for number in range(rounds):
        order = benches if number % 2 == 0 else benches[::-1]
        for bench in order:
            seconds[bench.variant].append(bench.timed())
    floor = counts["frozen"][0]
    results = []
    for bench in benches:
        times = seconds[bench.variant]
        ratios = sorted(t / f for t, f in zip(times, seconds["frozen"], strict=True))
        low, middle, high = quartiles(ratios)
        operations, syncs, kept, peak = counts[bench.variant]
        results.append(
            Result(
                bench.variant,
                work.tasks,
                round(middle, 3),
                round(low, 3),
                round(high, 3),
                round(1000 * statistics.median(times), 1),
                round(work.batch * work.tokens / statistics.median(times)),
                round((operations - floor) / bench.layers, 1),
                syncs,
                round(kept / 2**20, 1),
                peak,
                sum(p.numel() for p in bench.parameters),
            )
        )
        say(f"{bench.variant:14s} {middle:6.3f} [{low:.3f}, {high:.3f}]  {results[-1]}")
    return results


def count(bench: Bench) -> tuple[int, int, int, float | None]:
    with Counter() as counter:
        bench.step()
    kept = kept_bytes(bench.loss, bench.model.parameters())
    bench.update()
    peak = None
    if bench.work.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        bench.step()
        peak = round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)
    return counter.operations, counter.syncs, kept, peak


def quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def draw(results: list[Result], work: Workload, path: Path) -> None:
    """A bar chart as SVG, without any library."""
    width, row = 760, 26
    largest = max(r.ratio_high for r in results)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{70 + row * len(results)}" '
        'font-family="sans-serif" font-size="13">',
        f'<text x="10" y="22" font-size="15">Training step, relative to the frozen base: {work.shape}, '
        f"{work.batch} x {work.tokens} tokens, {work.tasks} tasks, {work.dtype}, {work.device}</text>",
    ]
    for index, r in enumerate(sorted(results, key=lambda r: r.ratio)):
        y, length = 40 + row * index, 480 * r.ratio / largest
        colour = "#888" if r.variant in THEIRS else "#4a7bd0"
        lines += [
            f'<text x="150" y="{y + 15}" text-anchor="end">{r.variant}</text>',
            f'<rect x="160" y="{y}" width="{length:.0f}" height="20" fill="{colour}"/>',
            f'<text x="{170 + length:.0f}" y="{y + 15}">{r.ratio:.2f}</text>',
        ]
    path.write_text("\n".join([*lines, "</svg>"]) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--layers", type=int, help="another number of blocks than the shape has")
    parser.add_argument("--answers", type=int, help="tokens of a row that carry loss (and reach the head)")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--tasks", type=int, nargs="+", default=[4])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--variants", nargs="+", default=[*THEIRS, *OURS])
    parser.add_argument("--out", type=Path, help="JSON file; a plot is written beside it")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    everything = []
    for tasks in options.tasks:
        work = Workload(
            options.shape,
            options.batch,
            options.tokens,
            tasks,
            options.dtype,
            options.device,
            options.layers,
            options.answers,
        )
        results = compare(work, options.variants, options.rounds, print)
        everything.append({"workload": asdict(work), "results": [asdict(r) for r in results]})
        if options.out and tasks == options.tasks[0]:
            draw(results, work, options.out.with_suffix(".svg"))
    if options.out:
        machine = {"torch": torch.__version__, "threads": options.threads, "machine": platform.machine()}
        report = {"rounds": options.rounds, **machine, "runs": everything}
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

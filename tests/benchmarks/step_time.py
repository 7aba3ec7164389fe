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
import copy
import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.adapters.half import use_half_products  # noqa: E402
from core.adapters.methods import METHODS  # noqa: E402
from core.models.loading import LoadedBase  # noqa: E402
from core.models.modular import build_modular  # noqa: E402

SYNCS = ("_local_scalar_dense", "nonzero", "_unique2", "item", "equal", "is_nonzero")
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 1024},
    "small": {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8,
              "num_key_value_heads": 4, "vocab_size": 8192},
    "smollm2-135m": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
                     "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152},
    "qwen2.5-0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
                     "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936},
}
# Equal active rank 8: C-Poly 3 + 1 skills of rank 2, Poly and MoE 4 of rank 2, LoRA rank 8.
OURS: dict[str, tuple[str, dict[str, Any], int]] = {
    **{name: (name, {}, 1) for name in METHODS.names()},
    "cpoly-plain": ("cpoly", {"kernel": "plain"}, 1),
    "cpoly-mix": ("cpoly", {"combine": "mix", "rank": 8}, 1),
    "cpoly-r8": ("cpoly", {"rank": 8}, 1),
    "cpoly-stage2": ("cpoly", {}, 2),
    "cpoly-half": ("cpoly", {}, 1),
    "mta-stage2": ("mta", {}, 2),
    "lora-r32": ("lora", {"rank": 32}, 1),
}
HALF = ("cpoly-half",)  # products of the frozen layers in bfloat16, as training does where the processor has them
THEIRS = ("frozen", "peft-lora", "peft-poly")


@dataclass(frozen=True)
class Workload:
    shape: str
    batch: int
    tokens: int
    tasks: int
    dtype: str
    device: str
    layers: int | None = None
    answers: int | None = None  # the loss is on this many tokens at the end of a row; None: on all


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


class Bench:
    """One variant, ready to step."""

    def __init__(self, variant: str, work: Workload, base: Any) -> None:
        self.variant, self.work = variant, work
        self.layers = sum(isinstance(m, torch.nn.Linear) for m in base.model.layers.modules())
        self.model, self.parameters = build_variant(variant, work, copy.deepcopy(base))
        self.model.train()
        generator = torch.Generator().manual_seed(0)
        vocabulary = base.config.vocab_size
        self.ids = torch.randint(5, vocabulary, (work.batch, work.tokens), generator=generator).to(work.device)
        self.tasks = [int(t) for t in torch.randint(0, work.tasks, (work.batch,), generator=generator)]
        trained = [p for p in self.parameters if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True) if trained else None

    def step(self) -> None:
        extra: dict[str, Any] = {}
        if self.variant in OURS:
            extra["task_ids"] = self.tasks
        elif self.variant == "peft-poly":
            extra["task_ids"] = torch.tensor(self.tasks, device=self.work.device)
        self._loss(extra).backward()
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad()

    def _loss(self, extra: dict[str, Any]) -> torch.Tensor:
        answers = self.work.answers
        if answers is None:
            loss: torch.Tensor = self.model(input_ids=self.ids, labels=self.ids, use_cache=False, **extra).loss
            return loss
        logits = self.model(input_ids=self.ids, use_cache=False, logits_to_keep=answers + 1, **extra).logits
        return torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), self.ids[:, -answers:].flatten()
        )

    def timed(self) -> float:
        """Seconds of a step: of this process on one CPU thread (others cannot take them away), of the clock
        else.
        """
        on_gpu = self.work.device == "cuda"
        clock = time.process_time if not on_gpu and torch.get_num_threads() == 1 else time.perf_counter
        if on_gpu:
            torch.cuda.synchronize()
        start = clock()
        self.step()
        if on_gpu:
            torch.cuda.synchronize()
        return clock() - start


def build_variant(variant: str, work: Workload, base: Any) -> tuple[Any, list[torch.nn.Parameter]]:
    base.requires_grad_(False)
    if variant == "frozen":
        # The gradient must flow through the base as it does with adapters in the first block.
        base.get_input_embeddings().register_forward_hook(lambda _, __, y: y.requires_grad_(True))
        return base, []
    if variant in ("peft-lora", "peft-poly"):
        model = build_peft(variant, work, base)
        return model, [p for p in model.parameters() if p.requires_grad]
    method, config, stage = OURS[variant]
    if variant in HALF:
        use_half_products(base)
    loaded = LoadedBase(base, None, "decoder", work.tokens, variant)
    model = build_modular(loaded, method, config, work.tasks)
    model.set_stage(stage)
    return model, [p for ps in model.parameter_groups(stage).values() for p in ps]


def build_peft(variant: str, work: Workload, base: Any) -> Any:
    from peft import LoraConfig, PolyConfig, get_peft_model

    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    if variant == "peft-lora":
        return get_peft_model(base, LoraConfig(r=8, lora_alpha=8, target_modules=names, task_type="CAUSAL_LM"))
    return get_peft_model(base, PolyConfig(
        poly_type="poly", r=2, n_tasks=work.tasks, n_skills=4, n_splits=1, target_modules=names,
        task_type="CAUSAL_LM",
    ))


class Counter(TorchDispatchMode):
    """Counts operations and host synchronisations of a step, from torch's own dispatch."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.syncs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if not func.is_view:
            self.operations += 1
        self.syncs += name in SYNCS
        return func(*args, **(kwargs or {}))


def kept_bytes(bench: Bench) -> int:
    """Bytes that the forward pass keeps for the backward pass, weights of the base not counted."""
    weights = {p.untyped_storage().data_ptr() for p in bench.model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        bench.step()
    return sum(kept.values())


def build_base(work: Workload) -> Any:
    torch.manual_seed(0)
    options = {**SHAPES[work.shape], "tie_word_embeddings": True, "max_position_embeddings": work.tokens}
    if work.layers is not None:
        options["num_hidden_layers"] = work.layers
    if work.shape.startswith("qwen"):
        model = Qwen2ForCausalLM(Qwen2Config(**options))
    else:
        model = LlamaForCausalLM(LlamaConfig(**options))
    return model.to(device=work.device, dtype=getattr(torch, work.dtype))


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
        results.append(Result(
            bench.variant, work.tasks, round(middle, 3), round(low, 3), round(high, 3),
            round(1000 * statistics.median(times), 1),
            round(work.batch * work.tokens / statistics.median(times)),
            round((operations - floor) / bench.layers, 1), syncs, round(kept / 2**20, 1), peak,
            sum(p.numel() for p in bench.parameters),
        ))
        say(f"{bench.variant:14s} {middle:6.3f} [{low:.3f}, {high:.3f}]  {results[-1]}")
    return results


def count(bench: Bench) -> tuple[int, int, int, float | None]:
    with Counter() as counter:
        bench.step()
    kept = kept_bytes(bench)
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
        f'{work.batch} x {work.tokens} tokens, {work.tasks} tasks, {work.dtype}, {work.device}</text>',
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
        work = Workload(options.shape, options.batch, options.tokens, tasks, options.dtype, options.device,
                        options.layers, options.answers)
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

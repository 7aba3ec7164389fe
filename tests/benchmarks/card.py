"""Everything that has to be seen on a graphics card, in one go of at most eight minutes.

    python tests/benchmarks/card.py --out card.json            on a card
    python tests/benchmarks/card.py --quick                    the same, smaller: every part comes to its end
    python tests/benchmarks/card.py --device cpu               on a processor, always quick, five minutes

Five parts, each within its share of the time; what no time is left for is named and left out:

1. `methods`: every registered method, forward and gradients, on the device in float32 and in bfloat16, against the
   same weights in float64 on the processor by the plain definition.
2. `kill`: a run on the device is killed after its first checkpoint and resumed; compared with one left alone, and
   on a card with how far two that are left alone are apart.
3. `steps`: step time, operations, host synchronisations and memory of frozen base, PEFT LoRA, PEFT Poly and C-Poly.
   The targets of time are those of a card; on a processor they are told and decide nothing.
4. `ways`: C-Poly's step over uneven rows in every way of `card_paths`, side by side, and which is the quickest.
5. `training`: one real training of the starter on the sample tasks, with its scores.

The JSON says for each part what was measured, whether it holds, and on which machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import torch  # noqa: E402
from card_kill import check_kill, run_to  # noqa: E402
from card_ways import time_ways  # noqa: E402
from step_time import compare  # noqa: E402
from step_variants import Workload  # noqa: E402
from transformers.utils import logging  # noqa: E402

from core.adapters.registry import METHODS  # noqa: E402
from core.models.building import build_modular  # noqa: E402
from core.models.loading import load_base  # noqa: E402
from core.models.modular import ModularModel  # noqa: E402
from core.runs.liveness import run_state  # noqa: E402
from core.training.device import card_has_bfloat16  # noqa: E402
from tests.tiny_models import build_tiny_llama  # noqa: E402

TASKS, TEXT = 4, "Is it positive or negative?"
BOUNDS = {"float32": 2e-4, "bfloat16": 6e-2}  # of the largest value of the definition
TARGETS = {"cpoly over peft-lora": 1.05, "cpoly over frozen": 1.25, "host syncs": 0}
SECONDS, CPU_SECONDS = 470.0, 300.0
# A run on a card, and a quick one: as much as shows that everything works, whatever it scores.
STEPS = {
    True: {"max_steps": 200},
    False: {"max_steps": 4, "stage2_steps": 2, "batch_size": 4, "validation_rows": 4},
}
EXAM: dict[bool, dict[str, Any]] = {True: {}, False: {"exam_rows": 2, "exam_base": False, "max_new_tokens": 4}}
SHARES = {"methods": 0.15, "kill": 0.3, "steps": 0.15, "ways": 0.15, "training": 0.25}


class Clock:
    """What is left of the time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._began = seconds, time.monotonic()

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self._began)


def machine(device: str) -> dict[str, Any]:
    found: dict[str, Any] = {"torch": torch.__version__, "python": platform.python_version(), "device": device}
    if device != "cpu":
        one = torch.cuda.get_device_properties(0)
        found |= {
            "card": one.name,
            "memory_gb": round(one.total_memory / 2**30, 1),
            "bfloat16": card_has_bfloat16(),
        }
        found["cards"] = torch.cuda.device_count()
    return found


def check_methods(model: Path, device: str, clock: Clock) -> dict[str, Any]:
    """Largest difference from the definition in float64, relative to its largest value, by method and precision."""
    found: dict[str, Any] = {}
    precisions = ["float32"] + (["bfloat16"] if device == "cpu" or card_has_bfloat16() else [])
    for name in METHODS.names():
        if clock.left < 0:
            found[name] = "no time left"
            continue
        expected = _answers(_shaken(model, name, "float64", "cpu"))
        found[name] = {}
        for precision in precisions:
            got = _answers(_shaken(model, name, precision, device))
            worst = max(
                float((a - b).abs().max() / b.abs().max().clamp_min(1e-12))
                for a, b in zip(got, expected, strict=True)
            )
            found[name][precision] = round(worst, 8)
    measured = [one for one in found.values() if isinstance(one, dict)]
    holds = all(value <= BOUNDS[p] for one in measured for p, value in one.items())
    return {"bounds": BOUNDS, "differences": found, "holds": holds and len(measured) == len(found)}


def _shaken(folder: Path, method: str, precision: str, device: str) -> ModularModel:
    """A model whose adapter is away from its start by the same numbers in every precision; the plain definition
    where the method has both."""
    base = load_base(str(folder))
    names = METHODS.get(method).config_class.__dataclass_fields__
    settings = {"kernel": "plain"} if "kernel" in names and precision == "float64" else {}
    model = build_modular(base, method, settings, TASKS, seed=0)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    if precision == "float64":
        model.base.double()
        model.adapter.double()
    else:
        model.base.to(device, getattr(torch, precision))
        model.adapter.to(device)
        model.adapter.float()
    model.adapter.compute_dtype = getattr(torch, precision)
    return model.eval()


def _answers(model: ModularModel) -> list[torch.Tensor]:
    """Logits, and the gradient of their sum of squares for the adapter, in float64 on the processor."""
    ids = torch.arange(3, 27).reshape(4, 6).to(model.device)
    logits = model(ids, torch.ones_like(ids), task_ids=[0, 1, 2, 0]).logits
    logits.double().square().mean().backward()
    grads = [p.grad for p in model.adapter.parameters() if p.grad is not None]
    total = torch.cat([g.flatten().double().cpu() for g in grads]) if grads else torch.zeros(1)
    return [logits.detach().double().cpu(), total]


def workload(device: str) -> Workload:
    on_card = device != "cpu"
    dtype = "bfloat16" if on_card and card_has_bfloat16() else "float32"
    return Workload("smollm2-135m" if on_card else "tiny", 16, 128, TASKS, dtype, device)


def time_steps(device: str, is_whole: bool, clock: Clock) -> dict[str, Any]:
    """The table of step times, with the targets for a card."""
    on_card, work = device != "cpu", workload(device)
    began = time.monotonic()
    variants = ["peft-lora", "peft-poly", "cpoly", "lora"]
    compare(work, variants, 1, lambda _: None)  # warms, and tells how long a round takes
    rounds = int(max(3, min(30 if is_whole else 3, (clock.left - 5) / max(0.1, time.monotonic() - began))))
    results = {r.variant: r for r in compare(work, variants, rounds, lambda _: None)}
    against_lora = results["cpoly"].milliseconds / results["peft-lora"].milliseconds
    syncs = results["cpoly"].host_syncs - results["frozen"].host_syncs
    held = {
        "cpoly over peft-lora": (round(against_lora, 3), against_lora <= TARGETS["cpoly over peft-lora"]),
        "cpoly over frozen": (results["cpoly"].ratio, results["cpoly"].ratio <= TARGETS["cpoly over frozen"]),
        "host syncs": (syncs, syncs <= TARGETS["host syncs"]),
    }
    table = [asdict(one) for one in results.values()]
    values = {name: {"value": value, "target": TARGETS[name], "holds": ok} for name, (value, ok) in held.items()}
    return {
        "workload": asdict(work),
        "rounds": rounds,
        "table": table,
        "targets": values,
        "holds": all(ok for name, (_, ok) in held.items() if on_card or name == "host syncs"),
    }


def train_for_real(folder: Path, device: str, is_whole: bool, clock: Clock) -> dict[str, Any]:
    """The starter on the sample tasks, with the defaults but for the steps that there is time for."""
    from core.runs.creation import create_run
    from core.tasks.changing.sample import load_sample
    from core.training.config import RunConfig, change_config
    from core.workspace import Workspace

    project = Workspace(folder / "real").create_project("card")
    load_sample(project)
    steps = {**STEPS[is_whole], **EXAM[is_whole]}
    run = create_run(project, change_config(RunConfig(), {"device": "cpu" if device == "cpu" else "cuda", **steps}))
    began = time.monotonic()
    run_to(run, clock, lambda folder: run_state(folder).is_terminal)
    status, results = run_state(run), run.read_results() or {}
    record = json.loads(run.record_path.read_text()) if run.record_path.exists() else {}
    return {
        "holds": status.state == "succeeded",
        "why": "" if clock.left > 0 else "no time left",
        "state": status.state,
        "seconds": round(time.monotonic() - began, 1),
        "tokens_per_s": status.tokens_per_s,
        "means": results.get("mean"),
        "hardware": record.get("hardware"),
        "log": "" if status.state == "succeeded" else run.read_log()[-2000:],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--seconds", type=float, help=f"at most (default {SECONDS:g}; on a processor {CPU_SECONDS:g})"
    )
    parser.add_argument("--quick", action="store_true", help="fewer steps and rows; always so on a processor")
    parser.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--out", type=Path, help="JSON file")
    chosen = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if chosen.device == "cpu":
        torch.set_num_threads(1)
    on_card = chosen.device != "cpu"
    is_whole = on_card and not chosen.quick
    whole = Clock(chosen.seconds or (SECONDS if on_card else CPU_SECONDS))
    report = {"machine": machine(chosen.device), "quick": not is_whole}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = build_tiny_llama(folder / "model")
        parts: dict[str, Callable[[Clock], dict[str, Any]]] = {
            "methods": lambda clock: check_methods(model, chosen.device, clock),
            "kill": lambda clock: check_kill(folder / "kill", model, chosen.device, clock),
            "steps": lambda clock: time_steps(chosen.device, is_whole, clock),
            "ways": lambda clock: time_ways(workload(chosen.device), clock.left if is_whole else clock.left / 4),
            "training": lambda clock: train_for_real(folder, chosen.device, is_whole, clock),
        }
        for name in chosen.only:
            left = sum(SHARES[other] for other in chosen.only[chosen.only.index(name) :])
            began = time.monotonic()
            report[name] = parts[name](Clock(max(0.0, whole.left) * SHARES[name] / left))
            report[name]["took_s"] = round(time.monotonic() - began, 1)
            print(
                name, "holds" if report[name]["holds"] else "DOES NOT HOLD", report[name]["took_s"], "s", flush=True
            )
            if chosen.out:  # after every part: what was measured is not lost with the machine
                chosen.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if not chosen.out:
        print(json.dumps(report, indent=1))
    sys.exit(not all(report[name]["holds"] for name in chosen.only))


if __name__ == "__main__":
    main()

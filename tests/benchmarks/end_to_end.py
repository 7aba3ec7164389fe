"""Training on real tasks, end to end: this workbench against a plain PEFT-LoRA script on transformers' Trainer.

    PYTHONPATH=. python tests/benchmarks/end_to_end.py --domain FOLDER --model FOLDER [--rows 200]
        [--repeats 3] [--output FILE]

Every variant trains on the same examples, as many as one pass over `--rows` rows of every task, and is then
checked on the same rows. Variants take turns (A B C A B C ...), so that other work on the machine hits all alike;
the numbers are medians. With one thread the processor time is the measure that other work disturbs least.

The plain script is what a tutorial does: LoRA of rank 8 on all linear layers, shuffled batches padded to the
longest row, the model's own loss, float32. Active rank is 8 everywhere (C-Poly: 3 common skills and 1 private one
of rank 2).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import Trainer, TrainingArguments

from core.models.loading import load_base
from core.models.modular import build_modular
from core.tasks.batching import Collator
from core.tasks.dataset import TaskDataset, load_dataset_of
from core.tasks.domain import add_domain
from core.training.answers import AnswerModel
from core.training.batches import BatchPlan, EncodedSplit
from core.training.config import RunConfig, change_config
from core.training.device import apply_device, choose_device, load_chosen_base
from core.training.journal import Journal
from core.training.manifest import TrainingState
from core.training.pace import Pace
from core.training.plan import build_sampler, plan_run
from core.training.session import build_encoder
from core.training.stage import RunWork, run_stage
from core.training.trainer import Shard
from core.training.validation import TaskLossMeter, check_losses
from core.workspace import Workspace

BATCH = 16
MAX_TOKENS = 512
VARIANTS: dict[str, dict[str, Any]] = {
    "plain PEFT LoRA, float32": {"plain": True},
    "LoRA, float32": {"method": "lora", "adapter.rank": 8, "precision": "float32"},
    "C-Poly, float32": {"method": "cpoly", "precision": "float32"},
    "C-Poly, auto": {"method": "cpoly", "precision": "auto"},
    "C-Poly, bfloat16": {"method": "cpoly", "precision": "bfloat16"},
}


class Quiet:
    """A journal that keeps nothing."""

    def event(self, kind: str, **fields: Any) -> None: ...

    def progress(self, **changes: Any) -> None: ...

    def wish(self) -> str | None:
        return None


class Stopwatch:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self._began = (time.perf_counter(), time.process_time())

    def read(self) -> dict[str, float]:
        wall, processor = self._began
        return {"train_s": time.perf_counter() - wall, "processor_s": time.process_time() - processor}


def read_tasks(domain: Path, rows: int, workspace: Path) -> TaskDataset:
    project = Workspace(workspace).create_project("benchmark")
    add_domain(project, domain)
    dataset = load_dataset_of(project)
    limits = {"train": rows, "validation": 24, "test": 0}
    examples = {key: found[: limits[key[1]]] for key, found in dataset.examples.items()}
    return TaskDataset(dataset.tasks, examples)


def run_ours(dataset: TaskDataset, model: str, changes: dict[str, Any], threads: int) -> dict[str, float]:
    """The run as the worker does it, without checks in between, checkpoints and exam."""
    config = change_config(RunConfig(base_model=model), {
        "epochs": 1.0, "batch_size": BATCH, "max_tokens": MAX_TOKENS, "mixture": "proportional",
        "stage2_fraction": 0.0, "log_every": 1000, "learning_rate_skills": 2e-3, "num_threads": threads,
        "device": "cpu", **changes,
    })
    choice = choose_device(config)
    device = apply_device(choice)
    base = load_chosen_base(model, choice)
    modular = build_modular(base, config.method, config.adapter, dataset.names(), config.seed)
    encoder = build_encoder(base, config)
    train, validation = EncodedSplit(dataset, "train", encoder), EncodedSplit(dataset, "validation", encoder)
    plan = plan_run(config, dataset)
    stage = replace(plan.stages[0], evaluate_every=10**9, checkpoint_every=10**9)
    answers = AnswerModel(modular)
    journal: Journal = Quiet()
    with tempfile.TemporaryDirectory() as folder:
        from core.runs.folder import RunFolder

        paths = RunFolder(folder)
        empty = EncodedSplit(TaskDataset(dataset.tasks, {}), "validation", encoder)
        work = RunWork(
            config, replace(plan, stages=(stage,)), answers, device, train, empty,
            BatchPlan(train, build_sampler(config, dataset), BATCH, config.seed), journal, paths,
            Pace(stage.steps, 0, False), Shard(),
        )
        watch = Stopwatch()
        run_stage(work, 1, TrainingState(stage=1), None)
        took = watch.read()
    loss = check_losses(answers, validation, BATCH, device).mean or 0.0
    return {**took, "loss": loss, "steps": float(stage.steps)}


def run_plain(dataset: TaskDataset, model: str, _: dict[str, Any], threads: int) -> dict[str, float]:
    """What a tutorial does."""
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    base = load_base(model)
    config = RunConfig(base_model=model, max_tokens=MAX_TOKENS)
    encoder = build_encoder(base, config)
    train, validation = EncodedSplit(dataset, "train", encoder), EncodedSplit(dataset, "validation", encoder)
    rows = [row for task in train.examples for row in task]
    lora = LoraConfig(r=8, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    peft = get_peft_model(base.model, lora)
    collator = Collator(encoder.pad_id, base.architecture)

    def collate(batch: list[Any]) -> dict[str, torch.Tensor]:
        return {name: value for name, value in collator(batch).items() if name != "task_ids"}

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=2e-3,
            use_cpu=True, save_strategy="no", logging_strategy="no", report_to="none",
            disable_tqdm=True, warmup_steps=0.06, remove_unused_columns=False, dataloader_pin_memory=False,
        )
        trainer = Trainer(model=peft, args=arguments, train_dataset=rows, data_collator=collate)
        watch = Stopwatch()
        trainer.train()
        took = watch.read()
    return {**took, "loss": _plain_loss(peft, validation), "steps": float(trainer.state.global_step)}


@torch.no_grad()
def _plain_loss(model: Any, validation: EncodedSplit) -> float:
    """The same check as ours: mean over tasks of the mean loss per answer token."""
    model.eval()
    meter = TaskLossMeter(len(validation.examples), torch.device("cpu"))
    for batch in validation.batches(BATCH):
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        picked = logits.flatten(0, -2).index_select(0, batch["positions"])
        meter.add(functional.cross_entropy(picked, batch["targets"], reduction="none"), batch["tasks_of_tokens"])
    by_task, _ = meter.read()
    return sum(by_task.values()) / len(by_task)


def measure_one(args: argparse.Namespace) -> dict[str, float]:
    """One variant in this process (a fresh one, so that the peak memory is its own)."""
    changes = dict(VARIANTS[args.variant])
    run: Callable[..., dict[str, float]] = run_plain if changes.pop("plain", False) else run_ours
    with tempfile.TemporaryDirectory() as workspace:
        dataset = read_tasks(args.domain, args.rows, Path(workspace))
        result = run(dataset, str(args.model), changes, args.threads)
    result["examples"] = float(sum(dataset.sizes("train")))
    result["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def measure_all(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in args.variants}
    for _ in range(args.repeats):
        for name in args.variants:
            command = [
                sys.executable, __file__, "--variant", name, "--domain", str(args.domain),
                "--model", str(args.model), "--rows", str(args.rows), "--threads", str(args.threads),
            ]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[name].append(json.loads(output.splitlines()[-1]))
            print(f"{name:28s} {found[name][-1]}", file=sys.stderr, flush=True)
    rows = {
        name: {key: statistics.median(r[key] for r in results) for key in results[0]}
        for name, results in found.items()
    }
    first = rows[args.variants[0]]
    for row in rows.values():
        row["speed_up"] = first["train_s"] / row["train_s"]
        row["processor_speed_up"] = first["processor_s"] / row["processor_s"]
    return {
        "domain": args.domain.name, "model": args.model.name, "rows": args.rows, "repeats": args.repeats,
        "threads": args.threads, "torch": torch.__version__, "variants": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--variant", choices=list(VARIANTS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.variant:
        print(json.dumps(measure_one(args)))
        return
    report = measure_all(args)
    text = json.dumps(report, indent=1)
    if args.output:
        args.output.write_text(text + "\n", encoding="utf-8")
    for name, row in report["variants"].items():
        times = f"{row['train_s']:8.1f} s  x{row['speed_up']:.2f}  processor x{row['processor_speed_up']:.2f}"
        print(f"{name:28s} {times}  loss {row['loss']:.3f}  {row['memory_mb']:.0f} MB")


if __name__ == "__main__":
    main()

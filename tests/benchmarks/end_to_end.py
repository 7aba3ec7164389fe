"""Training on real tasks, end to end: this workbench against a plain PEFT-LoRA script on transformers' Trainer.

    PYTHONPATH=. python tests/benchmarks/end_to_end.py --domain FOLDER --model FOLDER [--rows 200]
        [--repeats 3] [--output FILE] [--shape smollm2-135m]

Every variant trains on the same examples, as many as one pass over `--rows` rows of every task, and is then
checked on the same rows. Variants take turns (A B C A B C ...), so that other work on the machine hits all alike;
the numbers are medians. With one thread the processor time is the measure that other work disturbs least.

With `--shape` the base model has the sizes of a published one, random weights and the tokenizer of `--model`: the
time of a step does not depend on the weights, and the losses still have to agree.

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from stages import Stopwatch, Study, read_tasks
from step_variants import SHAPES
from torch.nn import functional
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from core.models.batching import Collator
from core.models.loading import load_base
from core.models.processor import BFLOAT16_FLAGS, cpu_flags
from core.tasks.dataset import TaskDataset
from core.training.answer_model import Batch
from core.training.batches import EncodedSplit
from core.training.config import RunConfig, change_config
from core.training.plan import plan_run
from core.training.session import build_encoder
from core.training.validation import check_losses

BATCH = 16
MAX_TOKENS = 512
RATE = 2e-3
VARIANTS: dict[str, dict[str, Any]] = {
    "plain PEFT LoRA, float32": {"plain": True},
    "LoRA, float32": {"method": "lora", "adapter.rank": 8, "precision": "float32"},
    "C-Poly, float32": {"method": "cpoly", "precision": "float32"},
    "C-Poly, auto": {"method": "cpoly", "precision": "auto"},
    "C-Poly, bfloat16": {"method": "cpoly", "precision": "bfloat16"},
}


def run_ours(dataset: TaskDataset, model: str, changes: dict[str, Any], threads: int) -> dict[str, float]:
    """The run as the worker does it, without checks in between, checkpoints and exam."""
    config = change_config(
        RunConfig(base_model=model),
        {
            "epochs": 1.0,
            "batch_size": BATCH,
            "max_tokens": MAX_TOKENS,
            "mixture": "proportional",
            "log_every": 1000,
            "learning_rate_skills": RATE,
            "rate_by_width": False,
            "num_threads": threads,
            "device": "cpu",
            **changes,
        },
    )
    study, steps = Study(dataset, config), plan_run(config, dataset).stages[0].steps
    loss = study.run(1, steps)["mean"]
    return {**study.took, "loss": loss, "steps": float(steps)}


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
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            warmup_steps=0.06,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(model=peft, args=arguments, train_dataset=rows, data_collator=collate)
        watch = Stopwatch()
        trainer.train()
        took = watch.read()
    found: Any = PlainAnswers(peft)
    loss = check_losses(found, validation, BATCH, torch.device("cpu")).mean or 0.0
    return {**took, "loss": loss, "steps": float(trainer.state.global_step)}


class PlainAnswers(torch.nn.Module):
    """`forward(batch)` -> losses of the answer tokens of any model, so that both are checked by one function."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> torch.Tensor:
        logits = self.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        picked = logits.flatten(0, -2).index_select(0, batch["positions"])
        return functional.cross_entropy(picked, batch["targets"], reduction="none")


def write_shape(shape: str, tokenizer: Path, folder: Path) -> Path:
    """A model of this shape with random weights and the tokenizer of another one, as a folder to train from."""
    torch.manual_seed(0)
    sizes = {**SHAPES[shape], "tie_word_embeddings": True, "max_position_embeddings": 2048}
    found = AutoTokenizer.from_pretrained(tokenizer)
    config = LlamaConfig(**sizes, pad_token_id=found.pad_token_id, eos_token_id=found.eos_token_id)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    found.save_pretrained(folder)
    return folder


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
                sys.executable,
                __file__,
                "--variant",
                name,
                "--domain",
                str(args.domain),
                "--model",
                str(args.model),
                "--rows",
                str(args.rows),
                "--threads",
                str(args.threads),
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
        "domain": args.domain.name,
        "model": args.model.name,
        "rows": args.rows,
        "repeats": args.repeats,
        "threads": args.threads,
        "torch": torch.__version__,
        "processor_flags": sorted(BFLOAT16_FLAGS & cpu_flags()),
        "variants": rows,
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
    parser.add_argument("--shape", choices=[name for name in SHAPES if not name.startswith("qwen")])
    args = parser.parse_args()
    if args.variant:
        print(json.dumps(measure_one(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.shape:
            args.model = write_shape(args.shape, args.model, Path(folder) / args.shape)
        report = measure_all(args)
    text = json.dumps(report, indent=1)
    if args.output:
        args.output.write_text(text + "\n", encoding="utf-8")
    for name, row in report["variants"].items():
        times = f"{row['train_s']:8.1f} s  x{row['speed_up']:.2f}  processor x{row['processor_speed_up']:.2f}"
        print(f"{name:28s} {times}  loss {row['loss']:.3f}  {row['memory_mb']:.0f} MB")


if __name__ == "__main__":
    main()

"""Healing of a pruned starter: the corpus in its tokens, distillation from its teacher, bits per byte.

Used by `prune_starter.py`, which says how. WORK holds everything between the steps; `args` is its command line.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import starter_data as data
import torch
import torch.nn.functional as F
from evaluate_starter import token_losses
from torch import Tensor

TURNS = {data.USER: "<|im_start|>user", data.ASSISTANT: "<|im_start|>assistant", data.END: "<|im_end|>"}


@dataclass(frozen=True)
class Recipe:
    """Lengths in tokens, shares of 1. `distilled` is the teacher's share of the loss, `decay` the share of the
    steps, the last ones, with the rate falling to nothing."""

    vocab: int = 8192
    blocks: int = 7
    window: int = 256
    prose_windows: int = 6
    task_windows: int = 2
    steps: int = 4000
    warmup: int = 20
    decay: float = 0.4
    rate: float = 1e-3
    distilled: float = 0.7


def load(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).eval()


# ---------------------------------------------------------------- encode


def encode(args: argparse.Namespace, recipe: Recipe) -> None:
    """WORK/prose.bin and task.bin (uint16 tokens, the separator behind each document) and held-out prose aside."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(args.work / "pruned" / "tokenizer.json"))
    converter = data.ChatConverter(
        data.learn_instructions(t for _, t in data.documents(args.corpus, "task", 100_000))
    )
    for kind in ("prose", "task"):
        if (args.work / f"{kind}.bin").is_file():
            continue
        aside: list[dict[str, str]] = []
        with open(args.work / f"{kind}.tmp", "wb") as handle:
            for source, text in data.documents(args.corpus, kind, args.documents):
                if data.held_out(text):
                    aside.append({"source": source, "text": text})
                    continue
                for piece in converter.convert(source, text)[0] if kind == "task" else [text]:
                    ids = tokenizer.encode(in_turns(piece), add_special_tokens=False).ids
                    handle.write(np.array([*ids, 0], dtype=np.uint16).tobytes())
        (args.work / f"{kind}-heldout.json").write_text(json.dumps(aside, ensure_ascii=False), encoding="utf-8")
        (args.work / f"{kind}.tmp").replace(args.work / f"{kind}.bin")


def in_turns(text: str) -> str:
    """The chat form of `starter_data.render` in the teacher's turn marks."""
    for ours, theirs in TURNS.items():
        text = text.replace(ours, theirs)
    return text


# ---------------------------------------------------------------- heal


def batch(args: argparse.Namespace, recipe: Recipe, step: int) -> Tensor:
    """[windows, window + 1] token numbers of a step."""
    rows = []
    for kind, count in (("prose", recipe.prose_windows), ("task", recipe.task_windows)):
        tokens = np.memmap(args.work / f"{kind}.bin", dtype=np.uint16, mode="r")
        order = np.random.default_rng(args.seed).permutation((len(tokens) - 1) // recipe.window)
        for number in range(step * count, (step + 1) * count):
            start = int(order[number % len(order)]) * recipe.window
            rows.append(tokens[start : start + recipe.window + 1].astype(np.int64))
    return torch.from_numpy(np.stack(rows))


def rate(step: int, recipe: Recipe) -> float:
    begin = int(recipe.steps * (1 - recipe.decay))
    if step >= begin:
        return max(0.0, (recipe.steps - step) / (recipe.steps - begin))
    return min(1.0, (step + 1) / recipe.warmup)


def loss_of(student: Any, teacher: Any, rows: Tensor, ids: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of the next token mixed with the divergence from the teacher, both in nats per token. `rows`:
    the teacher's number of each token that was kept."""
    with torch.no_grad():
        states = teacher.model(rows[ids[:, :-1]], use_cache=False).last_hidden_state
        wanted = F.linear(states, teacher.get_input_embeddings().weight[rows]).float().log_softmax(-1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = student(ids[:, :-1], use_cache=False).logits
    said = logits.float().log_softmax(-1)
    own = F.nll_loss(said.flatten(0, 1), ids[:, 1:].flatten())
    far = F.kl_div(said, wanted, log_target=True, reduction="sum") / said[..., 0].numel()
    return (1 - recipe.distilled) * own + recipe.distilled * far


def heal(args: argparse.Namespace, recipe: Recipe) -> None:
    """Trains to recipe.steps, or `--minutes` of this process's own time; scores the slice now and then."""
    kept = json.loads((args.work / "kept.json").read_text(encoding="utf-8"))
    student, teacher = load(args.work / "pruned", torch.float32), load(args.teacher, torch.bfloat16)
    optimizer = torch.optim.AdamW(student.parameters(), lr=recipe.rate, betas=(0.9, 0.95), weight_decay=0.01)
    saved, step = args.work / "checkpoint.pt", 0
    if saved.is_file():
        state = torch.load(saved)
        step = state["step"]
        student.load_state_dict(state["student"])
        optimizer.load_state_dict(state["optimizer"])
    rows, begin, noted = torch.tensor(kept["rows"]), time.process_time(), time.process_time()
    note(args, step, {"bits_per_byte": score_slice(args, student)} if step == 0 else {})
    while step < recipe.steps and time.process_time() - begin < 60 * args.minutes:
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * rate(step, recipe)
        loss = loss_of(student, teacher, rows, batch(args, recipe, step), recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        step += 1
        last = step == recipe.steps or time.process_time() - begin >= 60 * args.minutes
        bits = {"bits_per_byte": score_slice(args, student)} if step % args.score_every == 0 or last else {}
        note(args, step, {"loss": round(loss.item(), 4), **bits, "seconds": round(time.process_time() - noted, 1)})
        if step % args.score_every == 0 or last:
            keep = {"step": step, "student": student.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**keep, "recipe": asdict(recipe)}, saved.with_suffix(".tmp"))
            saved.with_suffix(".tmp").replace(saved)


def note(args: argparse.Namespace, step: int, found: dict[str, Any]) -> None:
    if found:
        with open(args.work / "log.jsonl", "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"step": step, **found}) + "\n")
        print({"step": step, **found}, flush=True)


# ---------------------------------------------------------------- score and export


def score_slice(args: argparse.Namespace, model: Any, folder: Path | None = None) -> float:
    """Bits per byte of the first `--slice` bytes of held-out prose, whole documents."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str((folder or args.work / "pruned") / "tokenizer.json"))
    texts, size = [], 0
    for row in json.loads((args.work / "prose-heldout.json").read_text(encoding="utf-8")):
        if size < args.slice:
            texts.append(row["text"])
            size += len(row["text"].encode())
    ids = [[0, *tokenizer.encode(text, add_special_tokens=False).ids] for text in texts]
    model.eval()
    with torch.autocast("cpu", torch.bfloat16):
        losses = token_losses(Floats(model), ids, 1024, 2048)
    return round(float(sum(loss.sum() for loss in losses)) / math.log(2) / size, 4)


class Floats:
    """A model whose logits are float32."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, ids: Tensor) -> Any:
        out = self._model(ids, use_cache=False)
        out.logits = out.logits.float()
        return out


def score(args: argparse.Namespace, recipe: Recipe) -> None:
    found = {"teacher": score_slice(args, load(args.teacher, torch.bfloat16), args.teacher)}
    if (args.out / "config.json").is_file():
        found["student"] = score_slice(args, load(args.out, torch.float32), args.out)
    print(json.dumps(found))

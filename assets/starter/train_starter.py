"""Trains the starter base model from the corpus to a loadable folder, in one command.

    python assets/starter/train_starter.py all --preset cpu --work WORK    (two cores, an hour and a half when idle)
    python assets/starter/train_starter.py all --preset gpu --work WORK    (one data-centre GPU, minutes)

Steps, each a subcommand too: tokenizer, encode, train (resumes by itself), export, evaluate. The data that a
step sees depends on its number and the seed alone; the learning rate is constant until the decay, so a run may
be resumed with another --steps as long as its decay has not begun.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import starter_data as data
import torch
from starter_model import ChunkedLoss, Llama, Preset, folder_weights, llama_weights, loss_and_probs, optimizers
from torch import nn

HERE = Path(__file__).resolve().parent
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)


PRESETS = {
    "cpu": Preset(),
    "gpu": Preset(
        width=384,
        layers=10,
        heads=6,
        kv_heads=6,
        ffn=1024,
        short_context=1024,
        prose_windows=78,
        task_windows=52,
        steps=4800,
        warmup=150,
        adam_lr=0.003,
    ),
}


# ---------------------------------------------------------------- data of a step


class Windows:
    """Windows of context + 1 tokens in an order fixed by the seed; position follows from the step number."""

    def __init__(self, work: Path, preset: Preset, seed: int):
        self.preset, self.parts = preset, []
        for kind, count in (("prose", preset.prose_windows), ("task", preset.task_windows)):
            tokens = np.memmap(work / f"{kind}.bin", dtype=np.uint16, mode="r")
            total = (len(tokens) - 1) // preset.context
            self.parts.append((tokens, count, np.random.default_rng(seed).permutation(total)))

    def batch(self, step: int, context: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = []
        for tokens, count, order in self.parts:
            for n in range(step * count, (step + 1) * count):
                start = int(order[n % len(order)]) * self.preset.context
                rows.append(tokens[start : start + self.preset.context + 1].astype(np.int64))
        block = torch.from_numpy(np.stack(rows))
        return block[:, :-1].reshape(-1, context), block[:, 1:].reshape(-1, context)


# ---------------------------------------------------------------- training


def rate(step: int, p: Preset) -> float:
    begin = decay_start(p)
    if step >= begin:
        return max(0.0, (p.steps - step) / (p.steps - begin))
    return min(1.0, (step + 1) / p.warmup)


def decay_start(p: Preset) -> int:
    return int(p.steps * (1 - p.decay))


def train(args, preset: Preset) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    model = Llama(preset).to(device)
    opts = optimizers(model, preset)
    windows = Windows(args.work, preset, args.seed)
    checkpoint, log_path, start = args.work / "checkpoint.pt", args.work / "log.jsonl", 0
    if args.init and not checkpoint.exists():
        model.load_state_dict(folder_weights(args.init, args.work, preset))
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        start = saved["step"]
        assert start <= decay_start(preset) or saved["steps"] == preset.steps, "the decay has begun"
        model.load_state_dict(saved["model"])
        for opt, state in zip(opts, saved["optimizers"], strict=True):
            opt.load_state_dict(state)
        rows = [line for line in log_path.read_text().splitlines() if json.loads(line)["step"] < start]
        log_path.write_text("".join(row + "\n" for row in rows))
    forward = torch.compile(model, dynamic=False) if args.compile else model
    if args.compile:
        ChunkedLoss.piece = staticmethod(torch.compile(loss_and_probs))
    chunk = 512 if device == "cpu" else 16384
    size = sum(q.numel() for q in model.parameters())
    print(f"{size / 1e6:.2f} M parameters, {device}, from step {start} of {preset.steps}", flush=True)
    last_save = began = time.time()
    base = [[g["lr"] for g in opt.param_groups] for opt in optimizers(model, preset)]

    def save(step: int) -> None:
        torch.save(
            {
                "step": step,
                "steps": preset.steps,
                "preset": asdict(preset),
                "model": model.state_dict(),
                "optimizers": [opt.state_dict() for opt in opts],
            },
            checkpoint.with_suffix(".tmp"),
        )
        checkpoint.with_suffix(".tmp").replace(checkpoint)

    for step in range(start, preset.steps):
        late = step >= int(preset.steps * (1 - preset.long))
        context = preset.context if late else preset.short_context
        ids, targets = (t.to(device, non_blocking=True) for t in windows.batch(step, context))
        for opt, lrs in zip(opts, base, strict=True):
            for group, lr in zip(opt.param_groups, lrs, strict=True):
                group["lr"] = lr * args.peak * rate(step, preset)
        with torch.autocast(device, torch.bfloat16):
            h = forward(ids)
        loss = ChunkedLoss.apply(h.reshape(-1, h.shape[-1]), model.embed, targets.reshape(-1), chunk)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), preset.clip)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        if step % args.log_every == 0 or step == preset.steps - 1:
            row = {
                "step": step,
                "loss": round(loss.item(), 4),
                "norm": round(norm.item(), 3),
                "lr": round(rate(step, preset), 4),
                "context": context,
                "seconds": round(time.time() - began, 1),
            }
            with open(log_path, "a") as handle:
                handle.write(json.dumps(row) + "\n")
            print(row, flush=True)
        if time.time() - last_save > args.save_every or step in (decay_start(preset) - 1, preset.steps - 1):
            save(step + 1)
            last_save = time.time()
            if step + 1 == decay_start(preset):  # kept, so that the decay can be run again with other lengths
                (args.work / f"before-decay-{step + 1}.pt").hardlink_to(checkpoint)


# ---------------------------------------------------------------- export


def export(args, preset: Preset) -> None:
    """The checkpoint as a Llama folder; the logits of the folder, loaded anew, must be those of this script."""
    from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

    saved = torch.load(args.work / "checkpoint.pt", map_location="cpu")
    p = Preset(**saved["preset"])
    config = LlamaConfig(
        vocab_size=p.vocab,
        hidden_size=p.width,
        intermediate_size=p.ffn,
        num_hidden_layers=p.layers,
        num_attention_heads=p.heads,
        num_key_value_heads=p.kv_heads,
        max_position_embeddings=p.context,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": p.rope_theta},
        bos_token_id=None,
        eos_token_id=4,
        pad_token_id=0,
        dtype="bfloat16",
        initializer_range=0.02,
    )
    weights = llama_weights(saved["model"], p)
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    missing = model.load_state_dict(weights, strict=False)
    assert missing.missing_keys in ([], ["lm_head.weight"]), missing
    assert not missing.unexpected_keys, missing
    model.tie_weights()
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=[4, 0], pad_token_id=0, max_new_tokens=128
    )
    for old in args.out.glob("model*.safetensors*"):
        old.unlink()
    model.save_pretrained(args.out, max_shard_size="9MB")
    for shard in args.out.glob("*.safetensors"):
        shard.chmod(0o644)
    (args.out / "tokenizer.json").write_bytes((args.work / "tokenizer.json").read_bytes())
    (args.out / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": data.END,
                "pad_token": data.EOT,
                "additional_special_tokens": data.SPECIAL_TOKENS[1:4],
                "model_max_length": p.context,
                "clean_up_tokenization_spaces": False,
                "padding_side": "right",
                "chat_template": CHAT_TEMPLATE,
            },
            indent=2,
        )
        + "\n"
    )

    lean = Llama(p)
    lean.load_state_dict({k: v.to(torch.bfloat16).float() for k, v in saved["model"].items()})
    loaded = AutoModelForCausalLM.from_pretrained(args.out, dtype=torch.float32, local_files_only=True)
    ids = torch.randint(0, p.vocab, (2, 200), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        gap = (lean(ids) @ lean.embed.t() - loaded(ids).logits).abs().max().item()
    assert gap < 1e-3, gap
    sizes = [f.stat().st_size for f in args.out.glob("*.safetensors")]
    assert max(sizes) < 9.5e6, sizes
    print(json.dumps({"step": saved["step"], "shards": sizes, "largest logit difference": gap}))


# ---------------------------------------------------------------- command line


def tokenizer(args, preset: Preset) -> None:
    data.train_tokenizer(args.corpus, args.work, preset.vocab)


def encode(args, preset: Preset) -> None:
    data.encode(args.corpus, args.work, args.seed)


def evaluate(args, preset: Preset) -> None:
    from evaluate_starter import evaluate_folder

    evaluate_folder(args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"tokenizer": tokenizer, "encode": encode, "train": train, "export": export, "evaluate": evaluate}
    parser.add_argument("command", choices=["all", *commands])
    parser.add_argument("--preset", choices=list(PRESETS), default="cpu")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="token files, checkpoints, logs")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the exported model")
    parser.add_argument("--corpus", type=Path, default=data.DEFAULT_CORPUS)
    parser.add_argument("--tasks", type=Path, default=data.DEFAULT_TASKS)
    parser.add_argument("--docs", type=Path, default=HERE.parent / "docs", help="folder of scores and loss curve")
    parser.add_argument("--rows", type=int, default=80, help="test rows of each task in the zero-shot scores")
    parser.add_argument("--parts", nargs="*", help="evaluate only: heldout, generations, zero_shot, overlap")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=Path, help="train on from an exported folder instead of from nothing")
    parser.add_argument("--peak", type=float, default=1.0, help="factor of the preset's learning rates")
    parser.add_argument("--steps", type=int, help="length of the run (default: the preset's)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--log-every", type=int, default=10)
    parser.add_argument("--save-every", type=float, default=300, help="seconds between checkpoints")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    preset = PRESETS[args.preset]
    preset.steps = args.steps or preset.steps
    for name, command in commands.items():
        if args.command in ("all", name):
            command(args, preset)


if __name__ == "__main__":
    main()

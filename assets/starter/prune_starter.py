"""A second starter, cut out of a real model and healed by distillation, by one command that can be resumed.

    python assets/starter/prune_starter.py all --teacher FOLDER --work WORK --out OUT

FOLDER is SmolLM2-135M-Instruct as `python -m core model get smollm2-135m` keeps it. Steps, each a subcommand too:

    prune   fewer tokens (those of the corpus, what they are merged from, and every byte) and fewer blocks
    encode  the corpus in the new tokens, task-like text in the teacher's chat form
    heal    the student learns the next token and what the teacher says over the tokens kept
    export  a Llama folder in files below 9.5 MB
    score   bits per byte of held-out prose, of student and teacher on the same slice

The teacher reads the student's tokens, which are all its own, so that the two are compared position by position. A
step's data depends on its number and the seed; the rate is constant until the decay.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections import Counter
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import starter_data as data
import torch
import torch.nn.functional as F
from heal_starter import Recipe, encode, heal, load, score
from torch import Tensor

FILES = ("tokenizer_config.json", "chat_template.jinja")
LARGEST_FILE = 9.5e6


def kept_tokens(tokenizer: dict[str, Any], counts: Counter[str], size: int) -> list[str]:
    """Tokens that stay, in the order of their old numbers: special ones, bytes, then the most frequent, each with
    all that it is merged from."""
    from tokenizers.pre_tokenizers import ByteLevel

    vocab = tokenizer["model"]["vocab"]
    parts: dict[str, tuple[str, str]] = {}
    for merge in tokenizer["model"]["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        parts.setdefault(left + right, (left, right))
    kept = {one["content"] for one in tokenizer["added_tokens"]} | vocab.keys() & set(ByteLevel.alphabet())
    for token, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        needed, open_ = set[str](), [token]
        while open_:
            one = open_.pop()
            if one not in kept and one not in needed:
                needed.add(one)
                open_ += parts.get(one, ())
        if len(kept) + len(needed) <= size:
            kept |= needed
    return sorted(kept, key=vocab.__getitem__)


def smaller_tokenizer(tokenizer: dict[str, Any], kept: list[str]) -> dict[str, Any]:
    """The same splitting with these tokens only, numbered anew."""
    number = {token: place for place, token in enumerate(kept)}
    merges = [m.split(" ") if isinstance(m, str) else m for m in tokenizer["model"]["merges"]]
    stay = [pair for pair in merges if pair[0] in number and pair[1] in number and pair[0] + pair[1] in number]
    added = [{**one, "id": number[one["content"]]} for one in tokenizer["added_tokens"]]
    return {**tokenizer, "added_tokens": added, "model": {**tokenizer["model"], "vocab": number, "merges": stay}}


def count_tokens(path: Path, corpus: Path, limit: int) -> Counter[str]:
    """How often each token stands in `limit` documents of each kind."""
    from tokenizers import Tokenizer

    tokenizer, counts = Tokenizer.from_file(str(path)), Counter[str]()
    for kind in ("prose", "task"):
        for _, text in data.documents(corpus, kind, limit):
            counts.update(tokenizer.encode(text, add_special_tokens=False).tokens)
    return counts


@torch.no_grad()
def choose_blocks(teacher: Any, ids: Tensor, count: int) -> tuple[list[int], dict[str, float]]:
    """The better of two choices by the loss on `ids` [b, n]: blocks that turn their input most (ShortGPT, Men et
    al. 2024; first and last always), or evenly spread ones -> places, loss in nats of each choice."""
    total = len(teacher.model.layers)
    states = teacher.model(ids, output_hidden_states=True).hidden_states
    turned = [1 - F.cosine_similarity(a, b, dim=-1).mean().item() for a, b in pairwise(states)]
    order = sorted(range(1, total - 1), key=lambda place: -turned[place])[: max(0, count - 2)]
    even = sorted({round(n * (total - 1) / max(1, count - 1)) for n in range(count)})
    choices, losses, blocks = {"influence": sorted({0, *order, total - 1}), "even": even}, {}, teacher.model.layers
    for name, places in choices.items():
        teacher.model.layers = torch.nn.ModuleList(blocks[place] for place in places)
        logits = teacher(ids, use_cache=False).logits.float()
        losses[name] = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()
    teacher.model.layers = blocks
    return choices[min(losses, key=losses.__getitem__)], losses


def prune(args: argparse.Namespace, recipe: Recipe) -> None:
    """WORK/pruned: a Llama folder with the rows and blocks that stay; WORK/kept.json says which."""
    if (args.work / "kept.json").is_file():
        return
    raw = json.loads((args.teacher / "tokenizer.json").read_text(encoding="utf-8"))
    counts = count_tokens(args.teacher / "tokenizer.json", args.corpus, args.counted)
    kept = kept_tokens(raw, counts, recipe.vocab)
    model, folder = load(args.teacher, torch.float32), args.work / "pruned"
    rows = [raw["model"]["vocab"].get(token) for token in kept]
    added = {one["content"]: one["id"] for one in raw["added_tokens"]}
    rows = [added[token] if row is None else row for token, row in zip(kept, rows, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(smaller_tokenizer(raw, kept), ensure_ascii=False), "utf-8")
    for name in FILES:
        if (args.teacher / name).is_file():
            shutil.copyfile(args.teacher / name, folder / name)
    blocks, losses = choose_blocks(model, sample_ids(args, recipe), recipe.blocks)
    keep_parts(model, rows, blocks, {row: place for place, row in enumerate(rows)})
    model.save_pretrained(folder)
    found = {"rows": rows, "blocks": blocks, "loss_of_choices": losses, "parameters": model.num_parameters()}
    (args.work / "kept.json").write_text(json.dumps(found), encoding="utf-8")
    print(json.dumps({**found, "rows": len(rows)}), flush=True)


def keep_parts(model: Any, rows: list[int], blocks: list[int], place_of: dict[int, int]) -> None:
    """Cuts a Llama down to these rows of its embedding (tied to the head) and these blocks, in place."""
    model.model.layers = torch.nn.ModuleList(model.model.layers[place] for place in blocks)
    for place, block in enumerate(model.model.layers):
        block.self_attn.layer_idx = place
    weight = model.get_input_embeddings().weight.data[rows].clone()
    model.resize_token_embeddings(len(rows))
    model.get_input_embeddings().weight.data.copy_(weight)
    model.tie_weights()
    config = model.config
    config.num_hidden_layers = len(blocks)
    for part in (config, model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            old = getattr(part, name, None)
            setattr(part, name, [place_of[o] for o in old] if isinstance(old, list) else place_of.get(old))


def sample_ids(args: argparse.Namespace, recipe: Recipe) -> Tensor:
    """[8, window] of the teacher's own tokens, of prose."""
    from tokenizers import Tokenizer

    tokenizer, found = Tokenizer.from_file(str(args.teacher / "tokenizer.json")), list[list[int]]()
    for _, text in data.documents(args.corpus, "prose"):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        found += [ids[: recipe.window]] if len(ids) >= recipe.window else []
        if len(found) == 8:
            break
    return torch.tensor(found)


def export(args: argparse.Namespace, recipe: Recipe) -> None:
    model = load(args.work / "pruned", torch.float32)
    model.load_state_dict(torch.load(args.work / "checkpoint.pt")["student"])
    model.to(torch.bfloat16).save_pretrained(args.out, max_shard_size="9MB")
    for name in ("tokenizer.json", *FILES):
        if (args.work / "pruned" / name).is_file():
            shutil.copyfile(args.work / "pruned" / name, args.out / name)
    sizes = [path.stat().st_size for path in args.out.glob("*.safetensors")]
    if max(sizes) >= LARGEST_FILE:
        raise SystemExit(f"a file is too large: {sizes}")
    print(json.dumps({"files": len(sizes), "bytes": sum(sizes)}))


COMMANDS = {"prune": prune, "encode": encode, "heal": heal, "export": export, "score": score}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["all", *COMMANDS])
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, default=data.DEFAULT_CORPUS)
    parser.add_argument(
        "--counted", type=int, default=20_000, help="documents of each kind whose tokens are counted"
    )
    parser.add_argument("--documents", type=int, help="of each kind that are encoded (default: all)")
    parser.add_argument("--slice", type=int, default=60_000, help="bytes of held-out prose that are scored")
    parser.add_argument("--score-every", type=int, default=50, help="steps between scores and checkpoints")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of this process's own time, then it stops")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = parser.parse_args(words)
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(**{name: getattr(args, name) for name in asdict(Recipe())})
    for name, command in COMMANDS.items():
        if args.command in ("all", name):
            command(args, recipe)


if __name__ == "__main__":
    main()

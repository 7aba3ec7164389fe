"""The starter's network, its loss and its optimizers: as lean as training on two cores wants them.

The weights map one to one to a Llama of transformers (`llama_weights`, and back by `folder_weights`); projections
that read the same input are one matrix here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Preset:
    vocab: int = 8192
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 4
    ffn: int = 704
    context: int = 1024  # window of the data, of the last steps and of the exported configuration
    short_context: int = 512  # window before that (halves of a data window)
    long: float = 0.12  # share of the steps, the last ones, with the whole window
    prose_windows: int = 6  # windows of a step: 60 % prose, 40 % task-like text
    task_windows: int = 4
    steps: int = 2470
    warmup: int = 60
    decay: float = 0.4  # share of the steps, the last ones, with the learning rate falling to nothing
    muon_lr: float = 0.012
    adam_lr: float = 0.004
    weight_decay: float = 0.05
    clip: float = 1.0
    rope_theta: float = 10000.0


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Block(nn.Module):
    def __init__(self, p: Preset):
        super().__init__()
        self.head = p.width // p.heads
        self.sizes = [p.heads * self.head, p.kv_heads * self.head, p.kv_heads * self.head]
        self.norm1, self.norm2 = nn.Parameter(torch.ones(p.width)), nn.Parameter(torch.ones(p.width))
        self.qkv = nn.Parameter(torch.randn(sum(self.sizes), p.width) * p.width**-0.5)
        self.out = nn.Parameter(torch.zeros(p.width, p.width))
        self.gate_up = nn.Parameter(torch.randn(2 * p.ffn, p.width) * p.width**-0.5)
        self.down = nn.Parameter(torch.zeros(p.width, p.ffn))

    def forward(self, x, cos, sin):
        batch, length, width = x.shape
        h = F.linear(F.rms_norm(x, (width,), self.norm1, 1e-6), self.qkv)
        q, k, v = (part.view(batch, length, -1, self.head).transpose(1, 2) for part in h.split(self.sizes, -1))
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
        x = x + F.linear(a.transpose(1, 2).reshape(batch, length, width), self.out)
        gate, up = F.linear(F.rms_norm(x, (width,), self.norm2, 1e-6), self.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.down)


class Llama(nn.Module):
    def __init__(self, p: Preset):
        super().__init__()
        self.embed = nn.Parameter(torch.randn(p.vocab, p.width) * 0.02)
        self.blocks = nn.ModuleList(Block(p) for _ in range(p.layers))
        self.norm = nn.Parameter(torch.ones(p.width))
        head = p.width // p.heads
        angles = torch.outer(torch.arange(p.context), p.rope_theta ** (-torch.arange(0, head, 2) / head))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids):
        x = F.embedding(ids, self.embed)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, cos, sin)
        return F.rms_norm(x, (x.shape[-1],), self.norm, 1e-6)


def loss_and_probs(logits: torch.Tensor, targets: torch.Tensor, count: float):
    """Summed loss of a chunk and the gradient of the mean loss by its logits (one fused pass once compiled)."""
    logits = logits.float()
    top = logits.logsumexp(-1, keepdim=True)
    loss = (top[:, 0] - logits.gather(1, targets[:, None])[:, 0]).sum()
    hit = torch.arange(logits.shape[1], device=logits.device)[None] == targets[:, None]
    return loss, (((logits - top).exp() - hit.float()) / count).to(torch.bfloat16)


class ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy of a tied output layer, in chunks, its gradients made on the way (logits never kept)."""

    piece = staticmethod(loss_and_probs)

    @staticmethod
    def forward(ctx, h, weight, targets, chunk):
        w, count = weight.to(torch.bfloat16), h.shape[0]
        total = h.new_zeros((), dtype=torch.float32)
        grad_h, grad_w = torch.empty_like(h), torch.zeros_like(weight, dtype=torch.float32)
        for start in range(0, count, chunk):
            x = h[start : start + chunk].to(torch.bfloat16)
            loss, probs = ChunkedLoss.piece(x @ w.t(), targets[start : start + chunk], float(count))
            total += loss
            grad_h[start : start + chunk] = probs @ w
            grad_w += probs.t() @ x
        ctx.save_for_backward(grad_h, grad_w)
        return total / count

    @staticmethod
    def backward(ctx, grad):
        grad_h, grad_w = ctx.saved_tensors
        return grad_h * grad, grad_w * grad, None, None


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz; stacked projections (qkv, gate and up) one by one."""

    def __init__(self, named, lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(
            [{"params": [p], "parts": parts} for p, parts in named],
            {"lr": lr, "weight_decay": weight_decay, "momentum": momentum},
        )

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (p,) = group["params"]
            buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
            buffer.lerp_(p.grad, 1 - group["momentum"])
            update = p.grad.lerp(buffer, group["momentum"])
            pieces = [orthogonal(u) * max(1, u.shape[0] / u.shape[1]) ** 0.5 for u in update.split(group["parts"])]
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(torch.cat(pieces), alpha=-group["lr"])


def orthogonal(g: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (g / (g.norm() + 1e-7)).bfloat16()
    if tall := x.shape[0] > x.shape[1]:
        x = x.t()
    for _ in range(rounds):
        s = x @ x.t()
        x = a * x + (b * s + c * s @ s) @ x
    return (x.t() if tall else x).to(g.dtype)


def optimizers(model: Llama, p: Preset):
    matrices = []
    for block in model.blocks:
        matrices += [
            (block.qkv, block.sizes),
            (block.out, [p.width]),
            (block.gate_up, [p.ffn, p.ffn]),
            (block.down, [p.width]),
        ]
    norms = [q for q in model.parameters() if q.ndim == 1]
    adam = torch.optim.AdamW(
        [{"params": [model.embed], "weight_decay": 0.01}, {"params": norms, "weight_decay": 0.0}],
        lr=p.adam_lr,
        betas=(0.9, 0.95),
        fused=True,
    )
    return [Muon(matrices, p.muon_lr, p.weight_decay), adam]


def llama_weights(state: dict, p: Preset) -> dict[str, torch.Tensor]:
    head = p.width // p.heads
    out = {"model.embed_tokens.weight": state["embed"], "model.norm.weight": state["norm"]}
    for n in range(p.layers):
        old, new = f"blocks.{n}.", f"model.layers.{n}."
        qkv = state[old + "qkv"].split([p.heads * head, p.kv_heads * head, p.kv_heads * head])
        gate_up = state[old + "gate_up"].chunk(2)
        out |= {new + f"self_attn.{name}_proj.weight": w for name, w in zip("qkv", qkv, strict=True)}
        out |= {new + f"mlp.{name}_proj.weight": w for name, w in zip(("gate", "up"), gate_up, strict=True)}
        out |= {
            new + "self_attn.o_proj.weight": state[old + "out"],
            new + "mlp.down_proj.weight": state[old + "down"],
            new + "input_layernorm.weight": state[old + "norm1"],
            new + "post_attention_layernorm.weight": state[old + "norm2"],
        }
    return {name: tensor.to(torch.bfloat16).contiguous().clone() for name, tensor in out.items()}


def folder_weights(folder: Path, work: Path, p: Preset) -> dict[str, torch.Tensor]:
    """The weights of an exported folder under the names of this script (the inverse of `llama_weights`), its
    embeddings in the order of this run's vocabulary; a token unknown to the folder gets the mean of its pieces."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    w = {name: t.float() for shard in sorted(folder.glob("*.safetensors")) for name, t in load_file(shard).items()}
    before, now = (Tokenizer.from_file(str(f / "tokenizer.json")) for f in (folder, work))
    rows, embed = before.get_vocab(), w["model.embed_tokens.weight"]
    text = {n: now.decode([n], skip_special_tokens=False) for n in range(p.vocab)}
    known = [rows.get(now.id_to_token(n)) for n in range(p.vocab)]
    pieces = [before.encode(text[n]).ids if row is None else [row] for n, row in enumerate(known)]
    out = {"embed": torch.stack([embed[ids].mean(0) for ids in pieces]), "norm": w["model.norm.weight"]}
    for n in range(p.layers):
        new, old = f"blocks.{n}.", f"model.layers.{n}."
        out |= {
            new + "qkv": torch.cat([w[f"{old}self_attn.{name}_proj.weight"] for name in "qkv"]),
            new + "gate_up": torch.cat([w[f"{old}mlp.{name}_proj.weight"] for name in ("gate", "up")]),
            new + "out": w[old + "self_attn.o_proj.weight"],
            new + "down": w[old + "mlp.down_proj.weight"],
            new + "norm1": w[old + "input_layernorm.weight"],
            new + "norm2": w[old + "post_attention_layernorm.weight"],
        }
    return out

"""Arrow: a library of trained LoRAs that every token chooses among by itself. Nothing is trained.

Paper: Ostapenko et al., "Towards Modular LLMs by Building and Routing a Library of LoRAs", ICML 2024, arXiv
2405.11157, section 4.1:

    y = x W0^T + sum_e g_e(x) (x A_e^T) B_e^T,   g = softmax over the k largest of |x . v_e| / temperature

v_e is the first right singular vector of B_e A_e: the input direction that the LoRA of expert e changes most. Its
sign is arbitrary, hence the absolute value. A test compares with PEFT's `ArrowLoraLinearLayer`.

What differs: the singular vectors are exact (QR and a small SVD; PEFT iterates 15 times from a random start); an
expert that leaves a layer alone has v = 0 there and is chosen last.

It knows no tasks: a question that names none, or a new kind of question, is answered by what fits it token by
token. Routing by token cannot become one LoRA. The allocation that is shown is the mean gate of some check rows of
each task, measured when the library was made.

Parameters: E * r * sum over layers (i + o) + E * sum over layers i, none of which learns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.adapters.base import LoraFactors, ParameterGroups
from core.adapters.methods.moe_lora import MoeLoraAdapter
from core.adapters.settings.baselines import ArrowConfig


class ArrowAdapter(MoeLoraAdapter):
    config: ArrowConfig

    def choose(self, likeness: Tensor) -> Tensor:
        """Only the largest of a token's have a share."""
        likeness = likeness.abs()
        kept, places = likeness.topk(min(self.config.experts_a_token, likeness.shape[-1]), -1)
        scores = torch.full_like(likeness, float("-inf")).scatter(-1, places, kept)
        return torch.softmax(scores / self.config.likeness_temperature, -1)

    @torch.no_grad()
    def take_library(self, library: Sequence[LoraFactors]) -> None:
        """One LoRA an expert, of at most the adapter's rank; smaller ones are filled up with zeros."""
        rank, experts = self.config.rank, self.config.num_experts
        self.bank.common.zero_()
        for group, shape in enumerate(self.bank.shapes):
            factors = self.bank.views(self.bank.common)[group]
            prototypes = torch.zeros(len(shape.members), experts, shape.in_features)
            for k, member in enumerate(shape.members):
                name = self.sites[member].name
                for expert, change in enumerate(library):
                    if name not in change or not change[name][0].shape[0]:
                        continue
                    down, up = change[name]
                    factors.down[expert, k, : min(rank, len(down))] = down
                    factors.up[k][expert, :, : min(rank, len(down))] = up
                    prototypes[k, expert] = first_direction(down, up)
            self.gates[group].copy_(prototypes.flatten(0, 1))

    def parameter_groups(self, stage: int) -> ParameterGroups:
        """The experts; the prototypes say what they were made of."""
        return {"skills": [self.bank.common], "allocation": []}


def first_direction(down: Tensor, up: Tensor) -> Tensor:
    """The first right singular vector [i] of B A from A [K, i] and B [o, K]; zero where there is no change."""
    # B A = Q_B (R_B R_A^T) Q_A^T: the vectors of the small [K, K] product, turned by Q_A.
    right, small_right = torch.linalg.qr(down.double().T)
    small_left = torch.linalg.qr(up.double())[1]
    _, sizes, vectors = torch.linalg.svd(small_left @ small_right.T)
    return (right @ vectors[0] * (sizes[0] > 0)).to(down)


def build(model: nn.Module, method: str, config: ArrowConfig, num_tasks: int) -> ArrowAdapter:
    return ArrowAdapter(model, method, config, num_tasks)

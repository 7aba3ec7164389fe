"""As commons.py, with private skills that learn at another rate or under more weight decay than common ones.

    python tests/benchmarks/commons_rates.py run --workspace DIR --ways private_rate=0.3 private_decay=0.3 --losses

private_rate multiplies the rate of the skills, private_decay is AdamW's weight decay. Neither is a setting of the
program: here they are laid over the optimizer of a run with `private_start` 0. The rounds go into commons.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from core.models.modular import ModularModel  # noqa: E402
from core.training import stage  # noqa: E402
from core.training.config import RunConfig  # noqa: E402
from core.training.optimisation import build_optimizer  # noqa: E402
from tests.benchmarks import commons  # noqa: E402

PLAIN, as_set = "private_start=0", commons.together


@contextmanager
def private_optimizer(name: str, value: float) -> Iterator[None]:
    """Inside, private skills have a group of their own in every optimizer that a run builds."""

    def built(model: ModularModel, config: RunConfig, number: int) -> torch.optim.Optimizer:
        optimizer = build_optimizer(model, config, number)
        own = {id(skills) for skills in model.adapter.bank.private}  # type: ignore[union-attr]
        for group in list(optimizer.param_groups):
            private = [parameter for parameter in group["params"] if id(parameter) in own]
            if private:
                changed = {"lr": group["lr"] * value} if name == "private_rate" else {"weight_decay": value}
                group["params"] = [parameter for parameter in group["params"] if id(parameter) not in own]
                optimizer.add_param_group({**group, **changed, "params": private, "name": "private"})
        return optimizer

    stage.build_optimizer = built
    try:
        yield
    finally:
        stage.build_optimizer = build_optimizer


def together(args: argparse.Namespace, domain: str, way: str, seed: int) -> dict[str, Any]:
    name, value = way.split("=")
    if name not in ("private_rate", "private_decay"):
        return as_set(args, domain, way, seed)
    with private_optimizer(name, float(value)):
        return as_set(args, domain, PLAIN, seed)


if __name__ == "__main__":
    commons.together = together
    chosen = commons.read_arguments()
    commons.run(chosen) if chosen.what == "run" else commons.report(chosen)

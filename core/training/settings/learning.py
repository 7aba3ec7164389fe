"""Settings of what is trained and how: the model, the steps and their sizes, the second stage."""

from __future__ import annotations

from dataclasses import dataclass

from core.adapters.registry import DEFAULT_METHOD
from core.base.settings import SAME_RESULT, STILL_FITS, setting

MOST_ACCUMULATED = 1024


@dataclass(frozen=True)
class ModelSettings:
    """The base model and the adapter method."""

    base_model: str = setting(
        "starter",
        label="Base model",
        group="model",
        level="simple",
        help="The language model that is tuned: a name from the list, a folder, or an id on the Hugging Face Hub.",
    )
    allow_large_base: bool = setting(
        False,
        label="Allow a base model above a billion parameters",
        group="model",
        help="Larger models need more memory and time than this workbench is made for.",
    )
    method: str = setting(
        DEFAULT_METHOD,
        label="Adapter method",
        group="model",
        help="How the tasks share what they learn. C-Poly has common and private skills; LoRA is a plain baseline.",
    )


@dataclass(frozen=True)
class LearningSettings:
    """How stage 1 learns, and what both stages have in common."""

    seed: int = setting(
        0,
        label="Seed",
        minimum=0,
        maximum=2**31 - 1,
        group="training",
        help="Every random draw follows from it: the same seed gives the same result on the same machine.",
    )
    epochs: float = setting(
        3.0,
        label="Passes over the data",
        unit="passes",
        minimum=0.01,
        maximum=1000.0,
        level="detailed",
        help="How often stage 1 goes through the mixture of tasks (epochs). Unused when steps are given.",
    )
    max_steps: int | None = setting(
        None,
        label="Steps of stage 1",
        unit="steps",
        minimum=1,
        maximum=10_000_000,
        help="A fixed number of optimizer steps instead of passes over the data.",
    )
    batch_size: int = setting(
        16,
        label="Batch size",
        unit="examples",
        minimum=1,
        maximum=4096,
        help="Examples in one forward and backward pass. Halve it when memory runs out.",
        changed=STILL_FITS,
    )
    accumulation: int = setting(
        1,
        label="Gradient accumulation",
        unit="batches",
        minimum=1,
        maximum=MOST_ACCUMULATED,
        level="expert",
        help="Batches whose gradients are added up before one optimizer step.",
        changed=STILL_FITS,
    )
    max_tokens: int = setting(
        512,
        label="Longest example",
        unit="tokens",
        minimum=16,
        maximum=131_072,
        help="Prompt and answer together. Longer prompts are cut in the middle; answers are kept.",
        changed=STILL_FITS,
    )
    learning_rate_skills: float | None = setting(
        None,
        label="Learning rate of the skills",
        minimum=0.0,
        maximum=1.0,
        help="Step size of the skills in stage 1. Too high and the loss jumps, too low and nothing is learned. "
        "Empty: the method's own, 0.01 (0.03 for multi-head routing and task adapters, 0.001 for faithful ones).",
        changed=STILL_FITS,
    )
    learning_rate_allocation: float = setting(
        1e-1,
        label="Learning rate of the allocation",
        minimum=0.0,
        maximum=10.0,
        help="Step size of the tasks x skills table. It wants about ten times the rate of the skills.",
        changed=STILL_FITS,
    )
    rate_by_width: bool = setting(
        True,
        label="Smaller steps for wider models",
        level="expert",
        help="The learning rate of the skills is meant for a base model of width 256, like the starter. Wider "
        "models get 256 / width of it. Off: the rate is used as written.",
    )
    chunks: str = setting(
        "off",
        label="Instructions together",
        choices=("off", "apart", "joined"),
        level="expert",
        help="Rows of one example of each task (Mixture-of-Instructions). apart: an example is read alone, as with "
        "off; only what a step holds differs. joined: each example also reads those before it in its row. In our "
        "one measurement (sample project, one seed) off scored 50.7, apart 45.7, joined 41.3.",
    )
    loss_average: str = setting(
        "tokens",
        label="Loss averaged over",
        choices=("tokens", "examples"),
        level="expert",
        help="tokens: long answers weigh more. examples: every example counts the same, short or long.",
    )
    max_hours: float | None = setting(
        None,
        label="Time limit",
        unit="hours",
        minimum=0.001,
        maximum=10_000.0,
        level="expert",
        help="Training stops after this time and keeps the best adapter so far. Empty: no limit.",
        changed=SAME_RESULT,
    )
    schedule: str = setting(
        "linear",
        label="Schedule",
        choices=("linear", "cosine", "constant"),
        level="expert",
        help="How the learning rates fall over a stage after the warm-up.",
    )
    warmup: float = setting(
        0.06,
        label="Warm-up",
        unit="share of the steps",
        minimum=0.0,
        maximum=0.9,
        level="expert",
        help="Share of a stage's steps during which the learning rates rise from zero.",
    )
    weight_decay: float = setting(
        0.0,
        label="Weight decay",
        minimum=0.0,
        maximum=1.0,
        level="expert",
        help="Pulls skills towards zero. Zero by default: skills of tasks absent from a batch must not move.",
    )
    max_gradient_norm: float = setting(
        1.0,
        label="Gradient clipping",
        minimum=0.0,
        maximum=1000.0,
        level="expert",
        help="Longer gradients are shortened to this norm. 0 switches it off.",
        changed=STILL_FITS,
    )


@dataclass(frozen=True)
class Stage2Settings:
    """The second stage."""

    stage2_fraction: float = setting(
        0.15,
        label="Stage 2, share of stage 1",
        unit="share of the steps",
        minimum=0.0,
        maximum=10.0,
        group="stage2",
        help="Stage 2 freezes the skills and refines which task uses which skill. 0 leaves it out.",
    )
    stage2_steps: int | None = setting(
        None,
        label="Steps of stage 2",
        unit="steps",
        minimum=0,
        maximum=10_000_000,
        group="stage2",
        level="expert",
        help="A fixed number of steps for stage 2 instead of a share of stage 1.",
    )
    stage2_learning_rate: float | None = setting(
        None,
        label="Learning rate of stage 2",
        minimum=0.0,
        maximum=10.0,
        group="stage2",
        help="Step size of the allocation while the skills are frozen. Empty: the method's own, 0.3 for a table of "
        "weights, 0.01 for the gate of the mixture of task adapters.",
        changed=STILL_FITS,
    )

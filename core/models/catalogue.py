"""Base models below one billion parameters that suit this work. Torch-free.

Any other decoder-only or encoder-decoder model that transformers loads from safetensors may be named by folder or
id.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STARTER = "starter"
STARTER_DIR = Path(__file__).resolve().parents[2] / "assets" / "starter"


@dataclass(frozen=True)
class BaseModelInfo:
    """One recommended base model. parameters in millions, context in tokens."""

    model_id: str
    title: str
    parameters: float
    licence: str
    languages: str
    context: int
    architecture: str
    note: str
    local_path: Path | None = None


CATALOGUE: tuple[BaseModelInfo, ...] = (
    BaseModelInfo(
        STARTER, "Starter (comes with the app)", 7, "Apache-2.0", "en", 1024, "decoder",
        "No download; for a first try on a CPU", STARTER_DIR,
    ),
    BaseModelInfo(
        "HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2 135M Instruct", 135, "Apache-2.0", "en", 8192, "decoder",
        "Best English model of its size; trains on a CPU",
    ),
    BaseModelInfo(
        "HuggingFaceTB/SmolLM2-135M", "SmolLM2 135M", 135, "Apache-2.0", "en", 8192, "decoder",
        "Without instruction tuning",
    ),
    BaseModelInfo(
        "HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM2 360M Instruct", 362, "Apache-2.0", "en", 8192, "decoder",
        "Stronger in English; a GPU helps",
    ),
    BaseModelInfo(
        "Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5 0.5B Instruct", 494, "Apache-2.0", "en, zh and 27 more", 32768, "decoder",
        "First choice for Chinese and mixed languages",
    ),
    BaseModelInfo(
        "Qwen/Qwen2.5-0.5B", "Qwen2.5 0.5B", 494, "Apache-2.0", "en, zh and 27 more", 32768, "decoder",
        "Without instruction tuning",
    ),
    BaseModelInfo(
        "Qwen/Qwen3-0.6B", "Qwen3 0.6B", 596, "Apache-2.0", "100 languages", 40960, "decoder",
        "Newest of the family; may think before it answers",
    ),
    BaseModelInfo(
        "google/flan-t5-small", "FLAN-T5 small", 77, "Apache-2.0", "en", 512, "encoder_decoder",
        "Small encoder-decoder, tuned on instructions",
    ),
    BaseModelInfo(
        "google/flan-t5-base", "FLAN-T5 base", 248, "Apache-2.0", "en", 512, "encoder_decoder",
        "As in the papers on task adapters",
    ),
    BaseModelInfo(
        "google/flan-t5-large", "FLAN-T5 large", 783, "Apache-2.0", "en", 512, "encoder_decoder",
        "As in the C-Poly paper; needs a GPU",
    ),
    BaseModelInfo(
        "EleutherAI/pythia-160m", "Pythia 160M", 162, "Apache-2.0", "en", 2048, "decoder",
        "For research: open training data and checkpoints",
    ),
)


def resolve_model(model_id_or_path: str) -> str:
    """A catalogue name with files in this repository as its folder; anything else as it is."""
    for info in CATALOGUE:
        if info.model_id == model_id_or_path and info.local_path is not None:
            return str(info.local_path)
    return model_id_or_path


def starter_available() -> bool:
    return (STARTER_DIR / "config.json").is_file()

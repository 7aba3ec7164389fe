"""Base models below one billion parameters that suit this work. Torch-free.

Any other decoder-only or encoder-decoder model that transformers loads from safetensors may be named by folder or
id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ModelError

STARTER = "starter"
CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "n_ctx")
STARTER_DIR = Path(__file__).resolve().parents[2] / "assets" / "starter"


@dataclass(frozen=True)
class BaseModelInfo:
    """One recommended base model. parameters in millions, context in tokens.

    `revision` is the commit on the Hub that is loaded, so that nobody can change the files under a run.
    """

    model_id: str
    title: str
    parameters: float
    licence: str
    languages: str
    context: int
    architecture: str
    note: str
    local_path: Path | None = None
    revision: str = ""


CATALOGUE: tuple[BaseModelInfo, ...] = (
    BaseModelInfo(
        STARTER,
        "Starter (comes with the app)",
        7,
        "Apache-2.0",
        "en",
        1024,
        "decoder",
        "No download; for a first try on a CPU",
        STARTER_DIR,
    ),
    BaseModelInfo(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "SmolLM2 135M Instruct",
        135,
        "Apache-2.0",
        "en",
        8192,
        "decoder",
        "Best English model of its size; trains on a CPU",
        revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
    ),
    BaseModelInfo(
        "HuggingFaceTB/SmolLM2-135M",
        "SmolLM2 135M",
        135,
        "Apache-2.0",
        "en",
        8192,
        "decoder",
        "Without instruction tuning",
        revision="93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
    ),
    BaseModelInfo(
        "HuggingFaceTB/SmolLM2-360M-Instruct",
        "SmolLM2 360M Instruct",
        362,
        "Apache-2.0",
        "en",
        8192,
        "decoder",
        "Stronger in English; a GPU helps",
        revision="a10cc1512eabd3dde888204e902eca88bddb4951",
    ),
    BaseModelInfo(
        "Qwen/Qwen2.5-0.5B-Instruct",
        "Qwen2.5 0.5B Instruct",
        494,
        "Apache-2.0",
        "en, zh and 27 more",
        32768,
        "decoder",
        "First choice for Chinese and mixed languages",
        revision="7ae557604adf67be50417f59c2c2f167def9a775",
    ),
    BaseModelInfo(
        "Qwen/Qwen2.5-0.5B",
        "Qwen2.5 0.5B",
        494,
        "Apache-2.0",
        "en, zh and 27 more",
        32768,
        "decoder",
        "Without instruction tuning",
        revision="060db6499f32faf8b98477b0a26969ef7d8b9987",
    ),
    BaseModelInfo(
        "Qwen/Qwen3-0.6B",
        "Qwen3 0.6B",
        596,
        "Apache-2.0",
        "100 languages",
        40960,
        "decoder",
        "Newest of the family; may think before it answers",
        revision="c1899de289a04d12100db370d81485cdf75e47ca",
    ),
    BaseModelInfo(
        "google/flan-t5-small",
        "FLAN-T5 small",
        77,
        "Apache-2.0",
        "en",
        512,
        "encoder_decoder",
        "Small encoder-decoder, tuned on instructions",
        revision="0fc9ddf78a1e988dac52e2dac162b0ede4fd74ab",
    ),
    BaseModelInfo(
        "google/flan-t5-base",
        "FLAN-T5 base",
        248,
        "Apache-2.0",
        "en",
        512,
        "encoder_decoder",
        "As in the papers on task adapters",
        revision="7bcac572ce56db69c1ea7c8af255c5d7c9672fc2",
    ),
    BaseModelInfo(
        "google/flan-t5-large",
        "FLAN-T5 large",
        783,
        "Apache-2.0",
        "en",
        512,
        "encoder_decoder",
        "As in the C-Poly paper; needs a GPU",
        revision="0613663d0d48ea86ba8cb3d7a44f0f65dc596a2a",
    ),
    BaseModelInfo(
        "EleutherAI/pythia-160m",
        "Pythia 160M",
        162,
        "Apache-2.0",
        "en",
        2048,
        "decoder",
        "For research: open training data and checkpoints",
        revision="50f5173d932e8e61f858120bcb800b97af589f46",
    ),
)


def find_model(model_id_or_path: str) -> BaseModelInfo:
    """What is known of a base model without loading it: a catalogue entry, a folder, or a Hub id (context 0).

    `local_path` is set where the files are on this machine.

    Raises:
        ModelError: a folder that does not exist or is not a safetensors model, or a starter that is not there.
    """
    for info in CATALOGUE:
        if model_id_or_path == info.model_id:
            if info.local_path is not None:
                require_model_folder(info.local_path)
            return info
    folder = Path(model_id_or_path).expanduser()
    if not folder.is_dir():
        if looks_like_path(model_id_or_path):
            raise ModelError("model.no_folder", path=model_id_or_path)
        return BaseModelInfo(model_id_or_path, model_id_or_path, 0, "", "", 0, "", "")
    config = require_model_folder(folder)
    context = next((config[n] for n in CONTEXT_NAMES if isinstance(config.get(n), int) and config[n] > 0), 0)
    architecture = "encoder_decoder" if config.get("is_encoder_decoder") else "decoder"
    return BaseModelInfo(model_id_or_path, folder.name, 0, "", "", context, architecture, "", folder)


def require_model_folder(folder: Path) -> dict[str, Any]:
    """config.json of a folder with safetensors weights and no program code of its own.

    Raises:
        ModelError: something is missing, damaged or refused.
    """
    if not (folder / "config.json").is_file():
        raise ModelError("model.no_config", path=str(folder))
    if not list(folder.glob("*.safetensors")):
        raise ModelError("model.no_safetensors", path=str(folder))
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError("model.bad_config", path=str(folder), detail=str(error)) from error
    if "auto_map" in config:
        raise ModelError("model.remote_code", model=str(folder))
    return config


def resolve_model(model_id_or_path: str) -> str:
    """What transformers loads: the folder of a model on this machine, else the id as it is."""
    local = find_model(model_id_or_path).local_path
    return model_id_or_path if local is None else str(local)


def pinned_revision(model_id_or_path: str) -> str | None:
    """The commit of a catalogue model; None for a folder or an id that the catalogue does not know."""
    return next((m.revision or None for m in CATALOGUE if m.model_id == model_id_or_path), None)


def looks_like_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.count("/") > 1 or "\\" in text

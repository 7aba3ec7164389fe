"""A .gguf file (Ollama, LM Studio, llama.cpp) as a base model: read back into plain numbers once. Needs torch.

The weights of a quantised file are those that llama.cpp would compute with, not the ones it was made from. All of
the file is used or it is refused: transformers leaves out what it has no place for, and draws what is missing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.families import FAILING
from core.models.inspection import MOST_PARAMETERS, inspect_folder
from core.models.records import ModelRecord, Progress, write_record
from core.models.sources.gguf_head import MAGIC, GgufHead, read_head, write_without

STEPS = ("vocabulary", "weights", "saving", "checking")  # of a conversion
# The words and what belongs to each of them. transformers goes through them again whenever it opens a file.
_VOCABULARY = tuple(f"tokenizer.ggml.{name}" for name in ("tokens", "scores", "token_type", "merges"))
_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
_PLAIN_ROTARY = ("", "none")
# transformers has no list of its own errors for this: an unknown kind of model or number, a missing tensor and a
# damaged tokenizer each come as one of these.
_BROKEN = (
    *(ValueError, OSError, KeyError, NotImplementedError, RuntimeError, TypeError, AttributeError, IndexError),
)


def is_gguf(path: Path) -> bool:
    """Whether a file begins as GGUF files do."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def describe_gguf(path: Path, name: str) -> ModelRecord:
    """What the file says of itself, without reading its numbers.

    Raises:
        ModelError: no GGUF file, cut off, one of several parts, or of a kind that is not computed truly here.
    """
    if not is_gguf(path):
        raise ModelError("model.no_gguf", file=path.name)
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType  # here: slow to import, and needed for this alone

    try:
        head = read_head(path)
        kinds = Counter[str]()
        ends = [head.data_start]
        for tensor in head.tensors:
            kind = GGMLQuantizationType(tensor.kind)
            block, size = GGML_QUANT_SIZES[kind]
            kinds[kind.name] += tensor.count
            ends.append(head.data_start + tensor.offset + tensor.count // block * size)
    except (ValueError, OSError, KeyError) as error:
        raise ModelError("model.bad_gguf", file=path.name, detail=_first_line(error)) from error
    _require_usable(head)
    if max(ends) > path.stat().st_size:
        raise ModelError("model.cut_gguf", file=path.name, found=path.stat().st_size, wanted=max(ends))
    return ModelRecord(
        name,
        head.text("general.name") or path.stem,
        "gguf",
        path.name,
        hub_id=_hub_id(head.text("general.source.url") or head.text("general.repo_url")),
        licence=head.text("general.license"),
        languages=head.text("general.languages"),
        parameters=kinds.total(),
        quantised_from=max(kinds, key=lambda kind: kinds[kind], default=""),
    )


def _require_usable(head: GgufHead) -> None:
    """Raises ModelError for a file that is no whole language model, or would be computed otherwise here."""
    file = head.path.name
    if head.text("split.count") not in ("", "0", "1"):
        raise ModelError("model.split_gguf", file=file)
    kind = head.text("general.type")
    if kind not in ("", "model") or not any(tensor.name == _EMBEDDING for tensor in head.tensors):
        raise ModelError("model.no_text_gguf", file=file, kind=kind or head.kind or "?")
    scaling = head.text(f"{head.kind}.rope.scaling.type")
    own = [t.name for t in head.tensors if t.name.startswith("rope_")]
    if scaling not in _PLAIN_ROTARY or own:
        raise ModelError("model.scaled_gguf", file=file, what=own[0] if own else f"rope.scaling.type {scaling}")


def convert_gguf(
    path: Path, target: Path, record: ModelRecord, progress: Progress, allow_large: bool = False
) -> None:
    """Writes the model of a GGUF file as a folder of safetensors in bfloat16, with its tokenizer and record.

    Raises:
        ModelError: transformers cannot read this kind of file, it is too large, or what came out cannot be trained.
    """
    if record.parameters > MOST_PARAMETERS and not allow_large:
        raise ModelError("model.too_large", model=record.title, millions=round(record.parameters / 1e6))
    shutil.rmtree(target, ignore_errors=True)  # of a try that was broken off
    steps = iter(range(len(STEPS)))

    def begin() -> None:
        done = next(steps)
        progress(done, len(STEPS), STEPS[done])

    begin()
    with _Parts(read_head(path), target.with_name("parts")) as parts:
        parts.read_config()
        tokenizer = parts.tokenizer()
        begin()
        model = parts.model()
    begin()
    try:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    except OSError as error:
        raise ModelError("model.no_store", path=str(target), detail=error.strerror or str(error)) from error
    begin()
    try:
        inspect_folder(target, allow_large)
        made = record.with_files(target)
        if made.parameters != parts.held:
            raise ModelError("model.unread_gguf", file=path.name, read=made.parameters, held=parts.held)
    except ModelError:  # hundreds of megabytes that nobody can use
        shutil.rmtree(target, ignore_errors=True)
        raise
    write_record(target, made)
    progress(len(STEPS), len(STEPS), "done")


@dataclass
class _Parts:
    """A file in two: weights without the vocabulary, and the vocabulary without weights, alone in a folder so that
    nothing of another model lies beside them."""

    head: GgufHead
    folder: Path
    config: Any = None

    def __enter__(self) -> _Parts:
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.mkdir(parents=True)
            write_without(self.head, self.folder / "weights.gguf", self._left_out())
            write_without(self.head, self.folder / "vocabulary.gguf", (), with_tensors=False)
        except OSError as error:
            self.__exit__()
            raise ModelError(
                "model.no_store", path=str(self.folder), detail=error.strerror or str(error)
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _left_out(self) -> tuple[str, ...]:
        """Families that transformers reads in its newer way are told their number of words by the list of them."""
        from transformers.integrations.gguf import GGUF_CONFIG_ARCHS

        return () if self.head.kind in GGUF_CONFIG_ARCHS else _VOCABULARY

    @property
    def held(self) -> int:
        """Numbers of the file that a model of this kind has a place for: not a copy of a tied head."""
        tied = {_HEAD} if self.config.tie_word_embeddings else set[str]()
        return sum(tensor.count for tensor in self.head.tensors if tensor.name not in tied)

    def read_config(self) -> None:
        """The settings of the model; its rows are those of the embedding, as the words are not in this part."""
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        try:
            config = AutoConfig.from_pretrained(self.folder, gguf_file="weights.gguf", trust_remote_code=False)
        except _BROKEN as error:
            raise ModelError("model.gguf_kind", file=self.head.path.name, kind=self.head.kind) from error
        if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            raise ModelError("model.gguf_kind", file=self.head.path.name, kind=self.head.kind)
        if config.model_type in FAILING:
            raise ModelError("model.fails", kind=config.model_type, model=self.head.path.name)
        config.vocab_size = next(t.shape[0] for t in self.head.tensors if t.name == _EMBEDDING)
        self.config = config

    def tokenizer(self) -> Any:
        """The class that AutoTokenizer would take, without its reading the settings once more."""
        from transformers import TOKENIZER_MAPPING, PreTrainedTokenizerFast

        kind: Any = TOKENIZER_MAPPING.get(type(self.config), PreTrainedTokenizerFast)
        if not issubclass(kind, PreTrainedTokenizerFast):  # Mistral's own, which reads other files
            kind = PreTrainedTokenizerFast
        try:
            return kind.from_pretrained(self.folder, gguf_file="vocabulary.gguf", trust_remote_code=False)
        except _BROKEN as error:
            raise self._bad(error) from error

    def model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        loader: Any = AutoModelForCausalLM

        try:
            model, told = loader.from_pretrained(
                self.folder,
                gguf_file="weights.gguf",
                config=self.config,
                dtype=torch.bfloat16,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except _BROKEN as error:
            raise self._bad(error) from error
        lost = sorted(told["missing_keys"])
        if lost:
            values = {"count": len(lost), "names": ", ".join(lost[:3])}
            raise ModelError("model.missing_tensors", model=self.head.path.name, **values)
        # Saved as an ordinary model: its numbers are read back by now.
        model.hf_quantizer, model.is_quantized = None, False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        return model

    def _bad(self, error: Exception) -> ModelError:
        return ModelError("model.bad_gguf", file=self.head.path.name, detail=_first_line(error))


def _hub_id(url: str) -> str:
    """'owner/name' of an address of the Hub."""
    words = url.rstrip("/").split("/")
    return "/".join(words[-2:]) if len(words) == 5 and words[2] == "huggingface.co" else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:200]

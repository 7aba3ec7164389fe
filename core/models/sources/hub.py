"""A model of the Hugging Face Hub: its safetensors, settings and tokenizer into the Hub's own cache, at a pinned
commit where the catalogue names one. No program code of a repository is fetched."""

from __future__ import annotations

from pathlib import Path

from core.base.errors import ModelError
from core.models.inspection import inspect_folder
from core.models.known_models import BaseModelInfo
from core.models.records import Progress

_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "spiece.model", "*.txt"]


def get_hub(info: BaseModelInfo, progress: Progress) -> Path:
    """Fetches a model into the Hub's cache -> its folder there. Broken off, it goes on where it was.

    Raises:
        ModelError: the Hub cannot be reached, does not have it, or has nothing that can be trained here.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    progress(0, 2, info.model_id)
    try:
        found = snapshot_download(info.model_id, revision=info.revision or None, allow_patterns=_FILES)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        detail = str(error).strip().split("\n")[0][:300]
        raise ModelError("model.not_found", model=info.model_id, detail=detail) from error
    progress(1, 2, "checking")
    folder = Path(found)
    inspect_folder(folder)
    progress(2, 2, "done")
    return folder

"""The one form of a conversation: the base model's own chat template where it has one, else the workbench's.

Training, exam and chat build it in `core.tasks.encoding`; here it is written into every export, so that other
programs ask the model as it was trained.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

# What `core.tasks.encoding` makes of messages for a base model without a template; tests hold the two equal.
PLAIN_TEMPLATE = "{% for message in messages %}{{ message['content'] + '\\n\\n' }}{% endfor %}"
# Models that think aloud open a block that trained answers never close; training asks without it, and so does this.
_QUIET = "{% set enable_thinking = false %}"


def exported_template(tokenizer: Any, architecture: str) -> str | None:
    """The chat template that goes with an export; None for an encoder-decoder, which has no turns."""
    if architecture == "encoder_decoder":
        return None
    own = getattr(tokenizer, "chat_template", None)
    if isinstance(own, dict):
        own = own.get("default")
    if own:
        return f"{_QUIET}{own}" if "enable_thinking" in own and not own.startswith(_QUIET) else str(own)
    begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return f"{{{{ bos_token }}}}{PLAIN_TEMPLATE}" if begins else PLAIN_TEMPLATE


def save_tokenizer(tokenizer: Any, architecture: str, folder: Path) -> None:
    """The tokenizer's files with the chat form of training in `folder`."""
    saved = copy.copy(tokenizer)
    saved.chat_template = exported_template(tokenizer, architecture)
    saved.save_pretrained(folder)

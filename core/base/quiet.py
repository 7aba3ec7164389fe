"""Progress bars and warnings of libraries, which would stand in the middle of ours: off before they are loaded.

What matters in them is looked at and said by our own code: missing weights, texts that are too long, how far a
conversion has come. Who looks for a fault sets TRANSFORMERS_VERBOSITY=warning, or TQDM_DISABLE to nothing.
"""

from __future__ import annotations

import os
import sys
import warnings

_VARIABLES = {
    "TQDM_DISABLE": "1",  # of every library that draws with tqdm; read when tqdm is imported
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
# PEFT 0.21 asks transformers 5.23 by an old name; nothing that a user could act on.
_MESSAGES = (".*is_gradient_checkpointing",)


def quiet_libraries() -> None:
    """For the first line of a process that is ours from its beginning."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    for message in _MESSAGES:
        warnings.filterwarnings("ignore", message=message, category=FutureWarning)
    loaded = sys.modules.get("transformers.utils.logging")
    if loaded is not None:
        loaded.disable_progress_bar()

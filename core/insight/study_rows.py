"""A study's smaller amounts of practice rows, cut out of a run's frozen data. Torch-free."""

from __future__ import annotations

import numpy as np

from core.base.files import write_text_atomic
from core.runs.folder import RunFolder


def limit_rows(folder: RunFolder, share: float, seed: int) -> None:
    """Keeps a share of every task's practice rows in a run's frozen data; smaller shares are parts of larger."""
    run = folder.read_run()
    for task in run["tasks"]:
        path = folder.data_dir / f"{task['index']}.train.jsonl"
        with path.open(encoding="utf-8", newline="\n") as file:  # not splitlines: a text may hold U+2028
            lines = list(file)
        order = np.random.default_rng((seed, int(task["index"]))).permutation(len(lines))
        kept = sorted(order[: max(1, round(share * len(lines)))])
        write_text_atomic(path, "".join(lines[i] for i in kept))
        task["num_train"] = len(kept)
    folder.write_run(run)

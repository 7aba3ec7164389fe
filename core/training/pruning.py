"""After the last stage: skills that a task hardly uses are switched off, on request, and the cost of it is told."""

from __future__ import annotations

from core.training.validation import check_losses
from core.training.work import RunWork


def prune_allocation(work: RunWork) -> int:
    """Switches off the allocation's weights below the adapter's `prune_below`; returns how many.

    The others of a row are renormalised, so a task leaves with fewer skills in its export. Pruning a second time
    (a run resumed after its last stage) changes nothing. The check loss before and after goes into the journal.
    """
    threshold = work.model.modular.adapter.prune_below
    if not threshold:
        return 0
    before = _check(work)
    count = work.model.modular.adapter.prune(threshold)
    values = {"count": count, "threshold": threshold, "before": before, "after": _check(work)}
    work.journal.event("notice", key="training.pruned", values=values)
    return count


def _check(work: RunWork) -> float | None:
    found = check_losses(
        work.model, work.validation, work.config.batch_size, work.device, work.shard.rank, work.shard.world
    )
    return None if found.mean is None else round(found.mean, 4)

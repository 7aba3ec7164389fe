"""What a start on another engine means for the rows and the purse, said before it."""

from __future__ import annotations

from collections.abc import Callable

from core.base.errors import TaskloomError
from core.messages import Sentence
from core.runs.launchers import LAUNCHERS
from core.runs.where import HERE, Engine

CLUSTERS = ("slurm", "ray")  # launchers whose machines share this one's file system


def engine_terms(engine: Engine, word_time: Callable[[float], str], runs: int = 1) -> list[Sentence]:
    """Who gets the rows; price, limit of time and place in the engine's queue, as far as it tells, or why it does
    not. Nothing of this machine. `word_time` words seconds; `runs` are started together."""
    if engine == HERE:
        return []
    # A cluster reads the run folder where it lies; any other engine is sent a copy of it.
    said = [Sentence("where.reads" if engine.launcher in CLUSTERS else "where.leaves", {"engine": engine.name})]
    if runs > 1:
        said.append(Sentence("where.runs", {"n": runs}))
    try:
        known = LAUNCHERS.get(engine.launcher).expect(engine.settings)
    except TaskloomError as error:
        return [*said, Sentence(error.key, error.values)]
    if known.dollars_an_hour is not None:
        said.append(Sentence("where.price", {"price": f"{known.dollars_an_hour:.2f}"}))
    if known.limit_s is not None:
        said.append(Sentence("where.limit", {"time": word_time(known.limit_s)}))
        if known.dollars_an_hour is not None:
            most = known.dollars_an_hour * known.limit_s / 3600
            price = {"price": f"{most:.2f}"}
            total = {"n": runs, "total": f"{most * runs:.2f}"}
            said.append(Sentence("where.most_all", price | total) if runs > 1 else Sentence("where.most", price))
    if known.waiting is not None:
        said.append(Sentence("where.waiting", {"n": known.waiting}))
    return said

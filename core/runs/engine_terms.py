"""What a start on another engine means for the rows and the purse, said before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.base.errors import ModelError, TaskloomError
from core.messages import Sentence
from core.models.catalogue import anchor_model
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS
from core.runs.liveness import run_state
from core.runs.states import INTERRUPTED
from core.runs.where import HERE, Engine, engine_of

CLUSTERS = ("slurm", "ray")  # launchers whose machines share this one's file system


def engine_begun(folder: RunFolder, act: str) -> Engine:
    """The engine on which "resume", "mend" or "stop" starts this run once more: a stop takes an interrupted run up.
    This machine for whatever starts nothing.

    Raises:
        SettingError: the run's engine is not there any more.
    """
    begins = act in ("resume", "mend") or (act == "stop" and run_state(folder).state == INTERRUPTED)
    return engine_of(folder) if begins else HERE


def engine_terms(
    engine: Engine, word_time: Callable[[float], str], runs: int = 1, base_model: str | None = None
) -> list[Sentence]:
    """Who gets the rows, and the base model's folder (`base_model` None: it is not known yet whether it is one);
    price, limit of time and place in the engine's queue, as far as it tells, or why it does not. Nothing of this
    machine. `word_time` words seconds; `runs` are started together."""
    if engine == HERE:
        return []
    # A cluster reads the run folder where it lies; any other engine is sent a copy of it.
    is_sent = engine.launcher not in CLUSTERS
    said = [Sentence("where.leaves" if is_sent else "where.reads", {"engine": engine.name})]
    if is_sent and base_model is None:
        said.append(Sentence("where.model_if"))
    elif is_sent and base_model and (folder := _model_folder(base_model)):
        said.append(Sentence("where.model", {"path": folder}))
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
        if known.goes_on:
            said.append(Sentence("where.goes_on", {"n": known.goes_on}))
        if known.dollars_an_hour is not None:
            most = known.dollars_an_hour * known.limit_s / 3600
            price = {"price": f"{most:.2f}"}
            total = {"n": runs, "total": f"{most * runs:.2f}"}
            said.append(Sentence("where.most_all", price | total) if runs > 1 else Sentence("where.most", price))
    if known.waiting is not None:
        said.append(Sentence("where.waiting", {"n": known.waiting}))
    return said


def _model_folder(base_model: str) -> str:
    """As the run keeps it, where that is a folder; else ""."""
    try:
        kept = anchor_model(base_model)
    except ModelError:  # then nothing starts
        return ""
    return kept if Path(kept).is_dir() else ""

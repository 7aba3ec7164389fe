"""rerun and mend RUN: from an ended run to a new one"""

from __future__ import annotations

import argparse
from typing import Any

from core.commands.output import Report, Verbs, add_verb
from core.commands.runs import add_run, add_yes, find_run, require_consent
from core.commands.train import add_background, add_set, follow_or_leave


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "rerun", rerun, "train once more on the frozen tasks of a run, bit for bit or changed")
    add_run(parser)
    add_set(parser)
    add_yes(parser)
    add_background(parser)
    mender = add_verb(verbs, "mend", mend, "go on with a failed run with the remedy for its failure")
    add_run(mender)
    add_yes(mender)
    add_background(mender)


def rerun(args: argparse.Namespace) -> Report:
    """A new run from the beginning, on the same frozen tasks and where the old one ran."""
    from core.runs.launching import start_run
    from core.runs.rerun import run_again
    from core.runs.where import engine_of
    from core.training.config import apply_assignments

    old = find_run(args)
    config = apply_assignments(old.read_config(), args.set)
    require_consent(engine_of(old), args, base_model=config.base_model)
    folder = run_again(old, _changes(old.read_config(), config), from_checkpoint=False)
    start_run(folder)
    return follow_or_leave(folder, args)


def mend(args: argparse.Namespace) -> Report:
    """The button of a failed run: its remedy, from its last checkpoint."""
    from core.runs.rerun import mend_run
    from core.runs.where import engine_of

    folder = find_run(args)
    require_consent(engine_of(folder), args, base_model=folder.read_config().base_model)
    return follow_or_leave(mend_run(folder), args)


def _changes(old: Any, new: Any) -> dict[str, Any]:
    from core.runs.rerun import config_difference

    return {name: after for name, (_, after) in config_difference(old, new).items()}

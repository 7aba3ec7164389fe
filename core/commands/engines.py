"""engines: where runs can be started, and what each place knows beforehand"""

from __future__ import annotations

import argparse
from typing import Any

from core.commands.output import Report, Verbs, add_verb, duration, table


def add_parser(verbs: Verbs) -> None:
    add_verb(verbs, "engines", engines, "where runs can be started (train --on NAME): this machine, engines.yaml")


def engines(args: argparse.Namespace) -> Report:
    from core.runs.where import list_engines
    from core.workspace import Workspace

    values = [_value(engine) for engine in list_engines(Workspace(args.workspace).root)]
    heads = ["engine", "launcher", "waiting there", "$ an hour", "at most", "trouble"]
    rows = [
        [
            value["name"],
            value["launcher"],
            value["waiting"],
            value["dollars_an_hour"],
            duration(value["limit_s"]) if value["limit_s"] else None,
            value["trouble"],
        ]
        for value in values
    ]
    return Report(values, table(rows, heads))


def _value(engine: Any) -> dict[str, Any]:
    """An engine as --json prints it; one that does not answer says why and is listed all the same."""
    from core.base.errors import TaskloomError
    from core.runs.launchers import LAUNCHERS, Expected

    try:
        known, trouble = LAUNCHERS.get(engine.launcher).expect(engine.settings), None
    except TaskloomError as error:
        known, trouble = Expected(), str(error)
    return {
        "name": engine.name,
        "launcher": engine.launcher,
        "settings": dict(engine.settings),
        "waiting": known.waiting,
        "dollars_an_hour": known.dollars_an_hour,
        "limit_s": known.limit_s,
        "trouble": trouble,
    }
